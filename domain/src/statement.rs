//! SQL text that both databases read.
//!
//! Placeholders are `$1`, `$2`, … on both. A list of ids is one parameter, a JSON array, so that a statement's text
//! never depends on how many there are: `column IN [$2]`. Row locks are written `[FOR SHARE]`; SQLite has one writer
//! and needs none. Where a text stands in another is `strpos(text, other)`.

use sea_orm::sea_query::ArrayType;
use sea_orm::{DbBackend, Statement, Value};

/// The statement of `sql`, spelled for `backend`.
pub(crate) fn statement(backend: DbBackend, sql: &str, values: impl IntoIterator<Item = Value>) -> Statement {
    Statement::from_sql_and_values(backend, spell(backend, sql), values)
}

/// A list of texts, or of pairs of texts, as one parameter.
pub(crate) fn list<T: serde::Serialize>(texts: impl IntoIterator<Item = T>) -> Value {
    let texts: Vec<serde_json::Value> = texts
        .into_iter()
        .map(|text| serde_json::to_value(text).expect("ids and names are strings"))
        .collect();
    serde_json::Value::Array(texts).into()
}

/// A list of texts as PostgreSQL alone has it, for statements that are written for it.
pub(crate) fn array(texts: Vec<&str>) -> Value {
    Value::Array(
        ArrayType::String,
        Some(Box::new(texts.into_iter().map(Value::from).collect())),
    )
}

/// True if both databases can keep `json`: PostgreSQL keeps no text with a NUL in it.
pub(crate) fn storable(json: &serde_json::Value) -> bool {
    use serde_json::Value as Json;
    match json {
        Json::String(text) => !text.contains('\0'),
        Json::Array(items) => items.iter().all(storable),
        Json::Object(members) => {
            let mut members = members.iter();
            members.all(|(name, value)| !name.contains('\0') && storable(value))
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => true,
    }
}

fn spell(backend: DbBackend, sql: &str) -> String {
    let sqlite = backend == DbBackend::Sqlite;
    let mut spelled = String::with_capacity(sql.len() + 64);
    let mut rest = sql;
    while let Some(start) = rest.find(" IN [") {
        let (before, list) = rest.split_at(start);
        let list = list.trim_start_matches(" IN [");
        let (parameter, after) = list
            .split_once(']')
            .expect("a statement of ours closes its bracket");
        spelled.push_str(before);
        // An array is computed once and looked up by index; `IN (SELECT …)` may become a scan on PostgreSQL.
        spelled.push_str(&if sqlite {
            format!(" IN (SELECT value FROM json_each({parameter}))")
        } else {
            format!(" = ANY (ARRAY(SELECT jsonb_array_elements_text({parameter})))")
        });
        rest = after;
    }
    spelled.push_str(rest);
    if sqlite {
        spelled = spelled.replace("strpos(", "instr(");
    }
    for lock in ["FOR SHARE", "FOR NO KEY UPDATE", "FOR UPDATE"] {
        spelled = spelled.replace(&format!("[{lock}]"), if sqlite { "" } else { lock });
    }
    spelled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_locks_are_spelled_for_each_database() {
        let sql = "SELECT id FROM t WHERE a IN [$1] AND b IN [$2] ORDER BY id [FOR SHARE]";
        assert_eq!(
            spell(DbBackend::Sqlite, sql),
            "SELECT id FROM t WHERE a IN (SELECT value FROM json_each($1)) \
             AND b IN (SELECT value FROM json_each($2)) ORDER BY id "
        );
        assert_eq!(
            spell(DbBackend::Postgres, sql),
            "SELECT id FROM t WHERE a = ANY (ARRAY(SELECT jsonb_array_elements_text($1))) \
             AND b = ANY (ARRAY(SELECT jsonb_array_elements_text($2))) ORDER BY id FOR SHARE"
        );
    }
}
