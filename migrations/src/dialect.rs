//! How each database spells the column types and the refusal of changes that the migrations name.
//!
//! `{text}` sorts by bytes on both databases, because ids and paths are compared as ranges; `{time}` is UTC with
//! microseconds; `{serial}` is a growing row number that is never given out twice; `{roomy}` behind a table leaves room in
//! its pages, so that a row that changes again and again changes in its place and its indexes do not.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

/// Runs `sql` with its type names spelled for the database behind `manager`.
pub(crate) async fn run(manager: &SchemaManager<'_>, sql: &str) -> Result<(), DbErr> {
    let connection = manager.get_connection();
    connection
        .execute_unprepared(&spell(connection.get_database_backend(), sql))
        .await?;
    Ok(())
}

/// True on SQLite, where a few statements differ in more than their type names.
pub(crate) fn is_sqlite(manager: &SchemaManager<'_>) -> bool {
    manager.get_database_backend() == DbBackend::Sqlite
}

/// Makes `table` append-only: the database refuses to update or delete its rows.
pub(crate) async fn append_only(manager: &SchemaManager<'_>, table: &str) -> Result<(), DbErr> {
    let sql = if is_sqlite(manager) {
        format!(
            "CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table}
               BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END;
             CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table}
               BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END;"
        )
    } else {
        format!(
            "CREATE FUNCTION {table}_refuse() RETURNS trigger LANGUAGE plpgsql AS
               $$ BEGIN RAISE EXCEPTION '{table} is append-only'; END $$;
             CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
               FOR EACH STATEMENT EXECUTE FUNCTION {table}_refuse();"
        )
    };
    run(manager, &sql).await
}

fn spell(backend: DbBackend, sql: &str) -> String {
    let names = match backend {
        DbBackend::Sqlite => [
            ("{text}", "text"),
            ("{time}", "text"),
            ("{json}", "text"),
            ("{bytes}", "blob"),
            ("{serial}", "integer PRIMARY KEY AUTOINCREMENT"),
            ("{roomy}", ""),
        ],
        _ => [
            ("{text}", "text COLLATE \"C\""),
            ("{time}", "timestamptz"),
            ("{json}", "jsonb"),
            ("{bytes}", "bytea"),
            ("{serial}", "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY"),
            ("{roomy}", "WITH (fillfactor = 60)"),
        ],
    };
    names.iter().fold(sql.to_owned(), |sql, (name, spelling)| {
        sql.replace(name, spelling)
    })
}
