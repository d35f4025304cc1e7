//! Many rows in one statement whose text does not depend on how many they are: on PostgreSQL each column is one
//! parameter, an array; on SQLite, which has none, all rows are one parameter, as JSON. What is the same in all rows is
//! given once.

use canopy_entity::time::Timestamp;
use chrono::{DateTime, SecondsFormat};
use sea_orm::sea_query::ArrayType;
use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};

use crate::Result;

/// No text of ours: a character that is deleted.
const NO_TEXT: &str = "\u{7f}";
/// No time of ours: the first instant of the year 1.
const NO_TIME: i64 = -62_135_596_800;

/// Rows that are to be written, column by column.
#[derive(Default)]
pub(crate) struct Rows {
    columns: Vec<Column>,
}

struct Column {
    name: &'static str,
    array: ArrayType,
    /// What stands for NULL, which the driver's arrays cannot hold, where there may be any.
    null: Option<&'static str>,
    given: Given,
}

enum Given {
    Each(Vec<Value>),
    Same(Value),
}

impl Rows {
    /// A text that is the same in all rows.
    pub(crate) fn text(self, name: &'static str, text: &str) -> Self {
        self.given(name, ArrayType::String, Given::Same(text.into()))
    }

    /// A time that is the same in all rows.
    pub(crate) fn time(self, name: &'static str, time: Timestamp) -> Self {
        self.given(name, ArrayType::ChronoDateTimeUtc, Given::Same(time.into()))
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

    fn column(self, name: &'static str, array: ArrayType, values: impl Iterator<Item = Value>) -> Self {
        self.given(name, array, Given::Each(values.collect()))
    }

    fn given(mut self, name: &'static str, array: ArrayType, given: Given) -> Self {
        self.columns.push(Column {
            name,
            array,
            null: None,
            given,
        });
        self
    }

    fn with_null(mut self, null: &'static str) -> Self {
        if let Some(column) = self.columns.last_mut() {
            column.null = Some(null);
        }
        self
    }

    /// Inserts the rows into `table` in their order, and goes on with `behind`: what becomes of those that are there
    /// already. Answers how many were inserted or changed.
    pub(crate) async fn insert(self, db: &impl ConnectionTrait, table: &str, behind: &str) -> Result<u64> {
        match self.statement(db.get_database_backend(), table, behind) {
            Some(statement) => Ok(db.execute_raw(statement).await?.rows_affected()),
            None => Ok(0),
        }
    }

    /// None if there are no rows.
    fn statement(self, backend: DbBackend, table: &str, behind: &str) -> Option<Statement> {
        let each = self.columns.iter().filter_map(|column| match &column.given {
            Given::Each(each) => Some(each.len()),
            Given::Same(_) => None,
        });
        let length = each.max().filter(|length| *length > 0)?;
        let names: Vec<&str> = self.columns.iter().map(|column| column.name).collect();
        let names = names.join(", ");
        let (from, values) = match backend {
            DbBackend::Sqlite => self.into_json(length),
            _ => self.into_arrays(),
        };
        let sql = format!("INSERT INTO {table} ({names}) {from} {behind}");
        Some(Statement::from_sql_and_values(backend, sql, values))
    }

    /// The arrays are taken apart where rows are selected, side by side: as tables of a `FROM`, each would be kept as a whole
    /// first, which costs as much again.
    fn into_arrays(self) -> (String, Vec<Value>) {
        let mut selected = Vec::with_capacity(self.columns.len());
        let mut values = Vec::with_capacity(self.columns.len());
        for (place, column) in (1..).zip(self.columns) {
            let kind = match column.array {
                ArrayType::BigInt => "bigint",
                ArrayType::ChronoDateTimeUtc => "timestamptz",
                _ => "text",
            };
            let (value, taken) = match column.given {
                Given::Same(value) => (value, format!("${place}::{kind}")),
                Given::Each(each) => (
                    Value::Array(column.array, Some(Box::new(each))),
                    format!("unnest(${place}::{kind}[])"),
                ),
            };
            selected.push(match column.null {
                Some(null) => format!("nullif({taken}, {null})"),
                None => taken,
            });
            values.push(value);
        }
        (format!("SELECT {}", selected.join(", ")), values)
    }

    fn into_json(self, length: usize) -> (String, Vec<Value>) {
        let columns = (0..self.columns.len()).map(|place| format!("value ->> {place}"));
        let columns: Vec<String> = columns.collect();
        let rows = (0..length).map(|row| {
            let row = self.columns.iter().map(|column| column.plain(row));
            serde_json::Value::Array(row.collect())
        });
        let rows = serde_json::Value::Array(rows.collect());
        // Without a condition SQLite would read what follows as one of a join.
        let from = format!("SELECT {} FROM json_each($1) WHERE true", columns.join(", "));
        (from, vec![rows.to_string().into()])
    }
}

impl Column {
    /// What a row has here as SQLite keeps it, in JSON.
    fn plain(&self, row: usize) -> serde_json::Value {
        let value = match &self.given {
            Given::Each(each) => &each[row],
            Given::Same(value) => value,
        };
        match value {
            Value::String(Some(text)) if self.null.is_some() && text == NO_TEXT => serde_json::Value::Null,
            Value::ChronoDateTimeUtc(Some(time)) if self.null.is_some() && time.timestamp() == NO_TIME => {
                serde_json::Value::Null
            }
            value => plain(value),
        }
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
        _ => serde_json::Value::Null,
    }
}
