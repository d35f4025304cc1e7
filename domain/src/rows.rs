//! Many rows in one statement whose text does not depend on how many they are: on PostgreSQL each column is one
//! parameter, an array; on SQLite, which has none, all rows are one parameter, as JSON.

use canopy_entity::time::Timestamp;
use chrono::{DateTime, SecondsFormat};
use sea_orm::sea_query::ArrayType;
use sea_orm::{DbBackend, Statement, Value};

/// No text of ours: a character that is deleted.
const NO_TEXT: &str = "\u{7f}";
/// No number of ours: all lie within 2^53.
const NO_NUMBER: i64 = i64::MIN;
/// No time of ours: the first instant of the year 1.
const NO_TIME: i64 = -62_135_596_800;

/// Rows that are to be written, column by column.
pub(crate) struct Rows {
    backend: DbBackend,
    columns: Vec<Column>,
}

struct Column {
    name: &'static str,
    array: ArrayType,
    /// What stands for NULL, which the driver's arrays cannot hold, where there may be any.
    null: Option<&'static str>,
    values: Vec<Value>,
}

impl Rows {
    /// Rows without columns yet.
    pub(crate) fn new(backend: DbBackend) -> Self {
        Self {
            backend,
            columns: Vec::new(),
        }
    }

    pub(crate) fn texts<'a>(self, name: &'static str, texts: impl Iterator<Item = &'a str>) -> Self {
        self.column(name, ArrayType::String, texts.map(Value::from))
    }

    pub(crate) fn some_texts<'a>(
        self,
        name: &'static str,
        texts: impl Iterator<Item = Option<&'a str>>,
    ) -> Self {
        self.column(
            name,
            ArrayType::String,
            texts.map(|text| text.unwrap_or(NO_TEXT).into()),
        )
        .with_null("chr(127)")
    }

    pub(crate) fn numbers(self, name: &'static str, numbers: impl Iterator<Item = i64>) -> Self {
        self.column(name, ArrayType::BigInt, numbers.map(Value::from))
    }

    pub(crate) fn some_numbers(self, name: &'static str, numbers: impl Iterator<Item = Option<i64>>) -> Self {
        self.column(
            name,
            ArrayType::BigInt,
            numbers.map(|number| number.unwrap_or(NO_NUMBER).into()),
        )
        .with_null("'-9223372036854775808'::bigint")
    }

    pub(crate) fn times(self, name: &'static str, times: impl Iterator<Item = Timestamp>) -> Self {
        self.column(name, ArrayType::ChronoDateTimeUtc, times.map(Value::from))
    }

    pub(crate) fn some_times(
        self,
        name: &'static str,
        times: impl Iterator<Item = Option<Timestamp>>,
    ) -> Self {
        self.column(
            name,
            ArrayType::ChronoDateTimeUtc,
            times.map(|time| time.unwrap_or_else(no_time).into()),
        )
        .with_null("'0001-01-01T00:00:00Z'::timestamptz")
    }

    pub(crate) fn json<'a>(
        self,
        name: &'static str,
        values: impl Iterator<Item = &'a serde_json::Value>,
    ) -> Self {
        self.column(
            name,
            ArrayType::Json,
            values.map(|json| Value::from(json.clone())),
        )
    }

    fn column(mut self, name: &'static str, array: ArrayType, values: impl Iterator<Item = Value>) -> Self {
        self.columns.push(Column {
            name,
            array,
            null: None,
            values: values.collect(),
        });
        self
    }

    fn with_null(mut self, null: &'static str) -> Self {
        if let Some(column) = self.columns.last_mut() {
            column.null = Some(null);
        }
        self
    }

    /// The statement that inserts the rows into `table` in their order, and goes on with `behind`: what becomes of those
    /// that are there already, what is answered.
    pub(crate) fn insert(self, table: &str, behind: &str) -> Statement {
        let names: Vec<&str> = self.columns.iter().map(|column| column.name).collect();
        let names = names.join(", ");
        let (from, values) = match self.backend {
            DbBackend::Sqlite => self.as_json(),
            _ => self.as_arrays(),
        };
        let sql = format!("INSERT INTO {table} ({names}) {from} {behind}");
        Statement::from_sql_and_values(self.backend, sql, values)
    }

    fn as_arrays(&self) -> (String, Vec<Value>) {
        let arrays = self.columns.iter().enumerate().map(|(place, column)| {
            let kind = match column.array {
                ArrayType::BigInt => "bigint",
                ArrayType::ChronoDateTimeUtc => "timestamptz",
                ArrayType::Json => "jsonb",
                _ => "text",
            };
            format!("${}::{kind}[]", place + 1)
        });
        let arrays: Vec<String> = arrays.collect();
        let names = self.columns.iter().map(|column| column.name);
        let names: Vec<&str> = names.collect();
        let columns = self.columns.iter().map(|column| match column.null {
            Some(null) => format!("nullif({}, {null})", column.name),
            None => column.name.to_owned(),
        });
        let columns: Vec<String> = columns.collect();
        let values = self.columns.iter();
        let values =
            values.map(|column| Value::Array(column.array.clone(), Some(Box::new(column.values.clone()))));
        let from = format!(
            "SELECT {} FROM unnest({}) AS given({})",
            columns.join(", "),
            arrays.join(", "),
            names.join(", ")
        );
        (from, values.collect())
    }

    fn as_json(&self) -> (String, Vec<Value>) {
        let columns = (0..self.columns.len()).map(|place| format!("value ->> {place}"));
        let columns: Vec<String> = columns.collect();
        let length = self.columns.first().map_or(0, |column| column.values.len());
        let rows = (0..length).map(|row| {
            let row = self.columns.iter().map(|column| match &column.values[row] {
                Value::String(Some(text)) if column.null.is_some() && text == NO_TEXT => {
                    serde_json::Value::Null
                }
                Value::BigInt(Some(NO_NUMBER)) if column.null.is_some() => serde_json::Value::Null,
                Value::ChronoDateTimeUtc(Some(time))
                    if column.null.is_some() && time.timestamp() == NO_TIME =>
                {
                    serde_json::Value::Null
                }
                value => plain(value),
            });
            serde_json::Value::Array(row.collect())
        });
        let rows = serde_json::Value::Array(rows.collect());
        // Without a condition SQLite would read what follows as one of a join.
        let from = format!("SELECT {} FROM json_each($1) WHERE true", columns.join(", "));
        (from, vec![rows.to_string().into()])
    }
}

fn no_time() -> Timestamp {
    DateTime::from_timestamp(NO_TIME, 0).expect("the calendar begins before")
}

/// A value as SQLite keeps it, in JSON.
fn plain(value: &Value) -> serde_json::Value {
    match value {
        Value::String(Some(text)) => text.as_str().into(),
        Value::BigInt(Some(number)) => (*number).into(),
        // As the driver of SQLite writes it.
        Value::ChronoDateTimeUtc(Some(time)) => time.to_rfc3339_opts(SecondsFormat::AutoSi, false).into(),
        Value::Json(Some(json)) => json.to_string().into(),
        _ => serde_json::Value::Null,
    }
}
