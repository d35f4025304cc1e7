//! A statement's text, spelled for both databases once, and what it is given.

use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::BytesMut;
use canopy_entity::time::Timestamp;
use sea_orm::{DbBackend, Statement, Value};
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

/// A statement, read-only, with placeholders `$1`, `$2`, …
///
/// A list is one parameter, so that a text never depends on how many there are: `column IN [$1]`, or as a table with
/// one column `value`: `FROM [$1] AS name`. `[id ON path]` is true of the ids that a path is made of, and
/// `[path WITHIN $1 $2]` of the paths that are in one of the ranges, of which one list has the beginnings and one the ends.
pub(crate) struct Query {
    number: usize,
    postgres: String,
    sqlite: String,
}

/// A value that a statement is given.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Given<'a> {
    Text(&'a str),
    Texts(&'a [&'a str]),
    Number(i64),
    Time(Timestamp),
}

impl Query {
    /// One text for both databases.
    pub(crate) fn new(sql: &str) -> Self {
        Self::of(sql, sql)
    }

    /// A text for each, where their dialects have too little in common.
    pub(crate) fn of(postgres: &str, sqlite: &str) -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        Self {
            number: MADE.fetch_add(1, Ordering::Relaxed),
            postgres: spell(postgres, DbBackend::Postgres),
            sqlite: spell(sqlite, DbBackend::Sqlite),
        }
    }

    /// Which of the queries of this process it is: they are few, and made once.
    pub(super) fn number(&self) -> usize {
        self.number
    }

    pub(super) fn of_postgres(&self) -> &str {
        &self.postgres
    }

    /// The statement as sea-orm runs it.
    pub(super) fn statement(&self, backend: DbBackend, given: &[Given<'_>]) -> Statement {
        let text = match backend {
            DbBackend::Sqlite => &self.sqlite,
            _ => &self.postgres,
        };
        let values = given.iter().map(|given| given.value(backend));
        Statement::from_sql_and_values(backend, text, values)
    }
}

impl Given<'_> {
    fn value(self, backend: DbBackend) -> Value {
        match self {
            Given::Text(text) => text.into(),
            Given::Texts(texts) if backend == DbBackend::Sqlite => {
                serde_json::json!(texts).to_string().into()
            }
            Given::Texts(texts) => array(texts).into(),
            Given::Number(number) => number.into(),
            Given::Time(time) => time.into(),
        }
    }
}

/// PostgreSQL's own notation of an array.
fn array(texts: &[&str]) -> String {
    let mut array = String::from("{");
    for (place, text) in texts.iter().enumerate() {
        let comma = if place == 0 { "" } else { "," };
        let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
        write!(array, "{comma}\"{escaped}\"").expect("a string takes all text");
    }
    array + "}"
}

impl ToSql for Given<'_> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Given::Text(text) => text.to_sql_checked(ty, out),
            Given::Texts(texts) => texts.to_sql_checked(ty, out),
            Given::Number(number) => number.to_sql_checked(ty, out),
            Given::Time(time) => time.to_sql_checked(ty, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        // Each value looks for itself.
        true
    }

    to_sql_checked!();
}

fn spell(sql: &str, backend: DbBackend) -> String {
    let sqlite = backend == DbBackend::Sqlite;
    let mut spelled = String::with_capacity(sql.len() + 64);
    let mut rest = sql;
    while let Some((before, after)) = rest.split_once('[') {
        let (inside, after) = after
            .split_once(']')
            .expect("a statement of ours closes its bracket");
        spelled.push_str(before);
        let is_list = before.ends_with(" IN ");
        let parts: Vec<&str> = inside.split(' ').collect();
        let text = match (parts.as_slice(), sqlite) {
            ([id, "ON", path], true) => {
                let array = format!("'[\"' || replace(rtrim({path}, '/'), '/', '\",\"') || '\"]'");
                format!("{id} IN (SELECT value FROM json_each({array}))")
            }
            ([id, "ON", path], false) => format!("{id} = ANY (string_to_array(rtrim({path}, '/'), '/'))"),
            ([path, "WITHIN", lows, highs], true) => format!(
                "EXISTS (SELECT 1 FROM json_each({lows}) AS low JOIN json_each({highs}) AS high ON high.key = low.key \
                 WHERE {path} >= low.value AND {path} < high.value)"
            ),
            ([path, "WITHIN", lows, highs], false) => format!(
                "EXISTS (SELECT 1 FROM unnest({lows}::text[], {highs}::text[]) AS scope(low, high) \
                 WHERE {path} >= scope.low AND {path} < scope.high)"
            ),
            (_, true) if is_list => format!("(SELECT value FROM json_each({inside}))"),
            (_, true) => format!("json_each({inside})"),
            (_, false) if is_list => {
                spelled.truncate(spelled.len() - " IN ".len());
                format!(" = ANY ({inside}::text[])")
            }
            (_, false) => format!("unnest({inside}::text[])"),
        };
        spelled.push_str(&text);
        rest = after;
        // A table of PostgreSQL's is told what its column is called.
        if let Some(named) = rest.strip_prefix(" AS ").filter(|_| !sqlite && !is_list) {
            let end = named
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(named.len());
            spelled.push_str(&format!(" AS {}(value)", &named[..end]));
            rest = &named[end..];
        }
    }
    spelled.push_str(rest);
    spelled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_paths_are_spelled_for_each_database() {
        let query =
            Query::new("SELECT p.value FROM [$1] AS p WHERE p.value IN [$2] AND [b.id ON r.path] LIMIT 1");
        assert_eq!(
            query.postgres,
            "SELECT p.value FROM unnest($1::text[]) AS p(value) WHERE p.value = ANY ($2::text[]) \
             AND b.id = ANY (string_to_array(rtrim(r.path, '/'), '/')) LIMIT 1"
        );
        assert_eq!(
            query.sqlite,
            "SELECT p.value FROM json_each($1) AS p WHERE p.value IN (SELECT value FROM json_each($2)) \
             AND b.id IN (SELECT value FROM json_each('[\"' || replace(rtrim(r.path, '/'), '/', '\",\"') || '\"]')) LIMIT 1"
        );
    }

    #[test]
    fn a_scope_is_spelled_for_each_database() {
        let query = Query::new("SELECT 1 FROM a WHERE [a.path WITHIN $1 $2]");
        assert_eq!(
            query.postgres,
            "SELECT 1 FROM a WHERE EXISTS (SELECT 1 FROM unnest($1::text[], $2::text[]) AS scope(low, high) \
             WHERE a.path >= scope.low AND a.path < scope.high)"
        );
        assert_eq!(
            query.sqlite,
            "SELECT 1 FROM a WHERE EXISTS (SELECT 1 FROM json_each($1) AS low JOIN json_each($2) AS high \
             ON high.key = low.key WHERE a.path >= low.value AND a.path < high.value)"
        );
    }

    #[test]
    fn an_array_keeps_marks_in_its_texts() {
        assert_eq!(array(&["a", "b\"c\\"]), "{\"a\",\"b\\\"c\\\\\"}");
        assert_eq!(array(&[]), "{}");
    }
}
