//! Files of SQL, run as they are.

use std::path::Path;

use anyhow::{Context, Result};

use crate::postgres::Postgres;

/// Runs a file of benches/nested/sql.
pub(crate) async fn run(postgres: &Postgres, name: &str) -> Result<()> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("benches/nested/sql")
        .join(name);
    let sql = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let (client, connection) = tokio_postgres::connect(&postgres.url, tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    client.batch_execute(&sql).await.context(name.to_owned())?;
    // For what it added. It has to be a statement of its own.
    Ok(client.batch_execute("VACUUM (ANALYZE)").await?)
}
