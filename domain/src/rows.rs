//! Many rows in one statement whose text does not depend on how many they are: on PostgreSQL each column is one
//! parameter, and on SQLite all rows are one, as JSON. What is the same in all rows is given once.

use canopy_entity::time::Timestamp;
use chrono::SecondsFormat;
use sea_orm::sea_query::ArrayType;
use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};
use serde::{Serialize, Serializer};

use crate::Result;

/// Stands between the texts of a column: JSON, names, keys and ids have no control characters.
const BETWEEN: char = '\u{1}';
/// Stands for NULL among them.
const NULL: char = '\u{2}';

/// Rows that are to be written, column by column.
#[derive(Default)]
pub(crate) struct Rows<'r> {
    columns: Vec<Column<'r>>,
}

struct Column<'r> {
    name: &'static str,
    given: Given<'r>,
}

enum Given<'r> {
    Text(&'r str),
    Time(Timestamp),
    Texts(Vec<Option<&'r str>>),
    Numbers(Vec<i64>),
    Times(Vec<Option<Timestamp>>),
}

impl<'r> Rows<'r> {
    /// A text that is the same in all rows.
    pub(crate) fn text(self, name: &'static str, text: &'r str) -> Self {
        self.column(name, Given::Text(text))
    }

    /// A time that is the same in all rows.
    pub(crate) fn time(self, name: &'static str, time: Timestamp) -> Self {
        self.column(name, Given::Time(time))
    }

    pub(crate) fn texts(self, name: &'static str, texts: impl Iterator<Item = &'r str>) -> Self {
        self.some_texts(name, texts.map(Some))
    }

    pub(crate) fn some_texts(self, name: &'static str, texts: impl Iterator<Item = Option<&'r str>>) -> Self {
        self.column(name, Given::Texts(texts.collect()))
    }

    pub(crate) fn numbers(self, name: &'static str, numbers: impl Iterator<Item = i64>) -> Self {
        self.column(name, Given::Numbers(numbers.collect()))
    }

    pub(crate) fn times(self, name: &'static str, times: impl Iterator<Item = Timestamp>) -> Self {
        self.some_times(name, times.map(Some))
    }

    pub(crate) fn some_times(
        self,
        name: &'static str,
        times: impl Iterator<Item = Option<Timestamp>>,
    ) -> Self {
        self.column(name, Given::Times(times.collect()))
    }

    fn column(mut self, name: &'static str, given: Given<'r>) -> Self {
        self.columns.push(Column { name, given });
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
    fn statement(&self, backend: DbBackend, table: &str, behind: &str) -> Option<Statement> {
        let lengths = self.columns.iter().filter_map(|column| column.given.length());
        let length = lengths.max().filter(|length| *length > 0)?;
        let names: Vec<&str> = self.columns.iter().map(|column| column.name).collect();
        let names = names.join(", ");
        let (from, values) = match backend {
            DbBackend::Sqlite => self.as_json(length),
            _ => self.as_columns(),
        };
        let sql = format!("INSERT INTO {table} ({names}) {from} {behind}");
        Some(Statement::from_sql_and_values(backend, sql, values))
    }

    /// Columns are taken apart where rows are selected, side by side: as tables of a `FROM`, each would be kept as a whole
    /// first, which costs as much again.
    fn as_columns(&self) -> (String, Vec<Value>) {
        let columns = (1..).zip(&self.columns);
        let (selected, values): (Vec<String>, Vec<Value>) = columns
            .map(|(place, column)| match &column.given {
                Given::Text(text) => (format!("${place}::text"), (*text).into()),
                Given::Time(time) => (format!("${place}::timestamptz"), (*time).into()),
                Given::Texts(texts) => texts_of(place, texts),
                Given::Numbers(numbers) => (
                    format!("unnest(${place}::bigint[])"),
                    array(ArrayType::BigInt, numbers),
                ),
                Given::Times(times) => times_of(place, times),
            })
            .unzip();
        (format!("SELECT {}", selected.join(", ")), values)
    }

    fn as_json(&self, length: usize) -> (String, Vec<Value>) {
        let columns = (0..self.columns.len()).map(|place| format!("value ->> {place}"));
        let columns: Vec<String> = columns.collect();
        let rows = (0..length).map(|place| Row {
            columns: &self.columns,
            place,
        });
        let rows = serde_json::to_string(&rows.collect::<Vec<_>>()).expect("texts and numbers are JSON");
        // Without a condition SQLite would read what follows as one of a join.
        let from = format!("SELECT {} FROM json_each($1) WHERE true", columns.join(", "));
        (from, vec![rows.into()])
    }
}

impl Given<'_> {
    /// How many rows it has something for; none if it is the same for all.
    fn length(&self) -> Option<usize> {
        match self {
            Self::Text(_) | Self::Time(_) => None,
            Self::Texts(texts) => Some(texts.len()),
            Self::Numbers(numbers) => Some(numbers.len()),
            Self::Times(times) => Some(times.len()),
        }
    }
}

/// A column of texts: joined to one, which is made, sent and taken apart in half the time of an array; or as JSON if one of
/// them would not come back.
fn texts_of(place: usize, texts: &[Option<&str>]) -> (String, Value) {
    let mut joined = String::with_capacity(texts.iter().map(|text| text.map_or(1, str::len) + 1).sum());
    for text in texts {
        match text {
            Some(text) => joined.push_str(text),
            None => joined.push(NULL),
        }
        joined.push(BETWEEN);
    }
    joined.pop();
    let count = |mark: char| joined.bytes().filter(|byte| char::from(*byte) == mark).count();
    let nulls = texts.iter().filter(|text| text.is_none()).count();
    let comes_back = count(BETWEEN) + 1 == texts.len() && count(NULL) == nulls;
    // Nothing between marks is a text, but nothing at all is none.
    if !comes_back || joined.is_empty() {
        let texts = serde_json::to_value(texts).expect("texts are JSON");
        return (
            format!("jsonb_array_elements_text(${place}::jsonb)"),
            texts.into(),
        );
    }
    let null = if nulls > 0 { ", chr(2)" } else { "" };
    (
        format!("unnest(string_to_array(${place}::text, chr(1){null}))"),
        joined.into(),
    )
}

/// A column of times. The driver has no arrays with NULL in them, but texts may have some.
fn times_of(place: usize, times: &[Option<Timestamp>]) -> (String, Value) {
    if let Some(times) = times.iter().copied().collect::<Option<Vec<Timestamp>>>() {
        let times = array(ArrayType::ChronoDateTimeUtc, &times);
        return (format!("unnest(${place}::timestamptz[])"), times);
    }
    let texts: Vec<Option<String>> = times.iter().map(|time| time.map(written)).collect();
    let texts: Vec<Option<&str>> = texts.iter().map(Option::as_deref).collect();
    let (selected, value) = texts_of(place, &texts);
    (format!("CAST({selected} AS timestamptz)"), value)
}

fn array<T: Copy + Into<Value>>(kind: ArrayType, items: &[T]) -> Value {
    let items = items.iter().map(|item| (*item).into());
    Value::Array(kind, Some(Box::new(items.collect())))
}

/// A time as the driver of SQLite writes it.
fn written(time: Timestamp) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, false)
}

/// A row as SQLite takes it, in JSON.
struct Row<'r> {
    columns: &'r [Column<'r>],
    place: usize,
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.columns.iter().map(|column| Cell(&column.given, self.place)))
    }
}

/// What stands in a row of a column.
struct Cell<'r>(&'r Given<'r>, usize);

impl Serialize for Cell<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(given, place) = *self;
        match given {
            Given::Text(text) => text.serialize(serializer),
            Given::Time(time) => written(*time).serialize(serializer),
            Given::Texts(texts) => texts[place].serialize(serializer),
            Given::Numbers(numbers) => numbers[place].serialize(serializer),
            Given::Times(times) => times[place].map(written).serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use canopy_entity::time;
    use sea_orm::FromQueryResult;

    use super::*;
    use crate::statement::statement;
    use crate::testing::TestDatabase;

    #[derive(Debug, PartialEq, FromQueryResult)]
    struct Kept {
        text: String,
        some_text: Option<String>,
        number: i64,
        time: Timestamp,
        some_time: Option<Timestamp>,
        same: String,
    }

    fn kept(text: &str, some_text: Option<&str>) -> Kept {
        Kept {
            text: text.to_owned(),
            some_text: some_text.map(str::to_owned),
            number: i64::MAX,
            time: time::now(),
            some_time: some_text.map(|_| time::now()),
            same: "same".to_owned(),
        }
    }

    #[tokio::test]
    async fn rows_come_back_as_they_were_given() {
        let database = TestDatabase::new().await;
        let db = &database.db;
        let time = match db.get_database_backend() {
            DbBackend::Sqlite => "text",
            _ => "timestamptz",
        };
        let table = format!(
            "CREATE TABLE kept (text text, some_text text, number bigint, time {time}, some_time {time}, same text)"
        );
        db.execute_unprepared(&table).await.unwrap();
        let odd = [
            "",
            "a",
            "\u{1}",
            "\u{2}",
            "\u{7f}",
            "a\u{1}b",
            r#"{"a":"\u0001"}"#,
            "‘ü'\n\"\\",
        ];
        let mut cases: Vec<Vec<Kept>> = odd.iter().map(|text| vec![kept(text, None)]).collect();
        cases.extend(
            odd.iter()
                .map(|text| vec![kept("a", Some(text)), kept(text, Some("b"))]),
        );
        cases.extend(
            odd.iter()
                .map(|text| vec![kept("a", Some(text)), kept(text, None), kept("", Some(""))]),
        );
        for rows in cases {
            db.execute_unprepared("DELETE FROM kept").await.unwrap();
            let written = Rows::default()
                .texts("text", rows.iter().map(|row| row.text.as_str()))
                .some_texts("some_text", rows.iter().map(|row| row.some_text.as_deref()))
                .numbers("number", rows.iter().map(|row| row.number))
                .times("time", rows.iter().map(|row| row.time))
                .some_times("some_time", rows.iter().map(|row| row.some_time))
                .text("same", "same")
                .insert(db, "kept", "")
                .await
                .unwrap();
            assert_eq!(written, rows.len() as u64);
            let all = statement(db.get_database_backend(), "SELECT * FROM kept", []);
            let found = Kept::find_by_statement(all).all(db).await.unwrap();
            assert_eq!(found, rows);
        }
    }
}
