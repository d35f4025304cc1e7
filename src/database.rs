//! The database: the pool of connections that writes and most else go by, the settings of the one for nested reads, and the
//! migrations.

use std::time::Duration;

use canopy_domain::store::{PipelineSettings, is_near};
use canopy_migrations::{Migrator, MigratorTrait};
use sea_orm::{ConnectOptions, Database, DatabaseConnection, DbBackend};
use tracing::info;

use crate::config::{Config, DatabaseConfig};
use crate::house::{OpenError, processors};

/// So many bytes of an SQLite file are read where the kernel has them, without a copy. Writes are not affected.
const MAPPED: &str = "2147418112";

/// A process that stops in the middle of a transaction, paused or cut off, must not hold its locks for ever: others wait
/// for them. Our own transactions wait for nothing but the database.
const END_ABANDONED: &str = "SET idle_in_transaction_session_timeout = '10s'";

/// A connection that rested for so long is asked whether it is still there. One that was at work just now is not: each
/// question waits for the database once more.
const MAY_BE_LOST: Duration = Duration::from_secs(1);

/// A connection pool as configured. SQLite: write-ahead log, foreign keys on, and a wait for the one writer.
pub async fn connect(config: &Config) -> Result<DatabaseConnection, OpenError> {
    let url = &config.database.url;
    let fail = |source| OpenError::Database {
        url: crate::config::without_password(url),
        source,
    };
    let mut options = ConnectOptions::new(url);
    let of_reads = pipeline(config).map_or(0, |pipeline| pipeline.connections);
    let of_reads = u32::try_from(of_reads).unwrap_or(u32::MAX);
    options
        .max_connections(config.database.max_connections.saturating_sub(of_reads).max(1))
        .acquire_timeout(config.database.acquire_timeout.get())
        .connect_timeout(config.database.acquire_timeout.get())
        .sqlx_logging(false);
    let wait = config.database.acquire_timeout.get();
    options.map_sqlx_postgres_pool_opts(|pool| {
        let pool = pool.after_connect(|connection, _| {
            Box::pin(async move {
                use sea_orm::sqlx::Executor;
                connection.execute(END_ABANDONED).await.map(drop)
            })
        });
        pool.test_before_acquire(false)
            .before_acquire(|connection, seen| {
                Box::pin(async move {
                    use sea_orm::sqlx::Connection;
                    if seen.idle_for >= MAY_BE_LOST {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
    });
    options.map_sqlx_sqlite_opts(move |sqlite| {
        use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
        sqlite
            .journal_mode(SqliteJournalMode::Wal)
            .pragma("mmap_size", MAPPED)
            .synchronous(SqliteSynchronous::Normal)
            .foreign_keys(true)
            .busy_timeout(wait)
    });
    let database = Database::connect(options).await.map_err(fail)?;
    let kind = match database.get_database_backend() {
        DbBackend::Sqlite => "sqlite",
        _ => "postgres",
    };
    info!(kind, "connected to the database");
    Ok(database)
}

/// Applies what is missing; answers the names of the migrations applied.
pub async fn migrate(database: &DatabaseConnection) -> Result<Vec<String>, OpenError> {
    let names = missing(database).await?;
    Migrator::up(database, None).await.map_err(OpenError::Migrate)?;
    if !names.is_empty() {
        info!(applied = names.len(), "migrated the database");
    }
    Ok(names)
}

/// The names of the migrations that are not applied.
pub async fn missing(database: &DatabaseConnection) -> Result<Vec<String>, OpenError> {
    let pending = Migrator::get_pending_migrations(database)
        .await
        .map_err(OpenError::Migrate)?;
    Ok(pending
        .iter()
        .map(|migration| migration.name().to_owned())
        .collect())
}

/// How the reads of a request are sent together, where the database is PostgreSQL.
pub fn pipeline(config: &Config) -> Option<PipelineSettings> {
    let database = &config.database;
    let url = &database.url;
    (url.starts_with("postgres:") || url.starts_with("postgresql:")).then(|| PipelineSettings {
        url: url.clone(),
        connections: read_connections(database),
        wait: database.acquire_timeout.get(),
    })
}

/// As many as are configured, or as are kept busy: a read takes the database about as long as us. More of them take
/// turns, and wake up for less.
fn read_connections(database: &DatabaseConfig) -> usize {
    let most = usize::try_from(database.max_connections / 2).unwrap_or(usize::MAX);
    let connections = match usize::try_from(database.read_connections).unwrap_or(usize::MAX) {
        0 => {
            if is_near(&database.url) {
                processors() / 2
            } else {
                processors()
            }
        }
        configured => configured,
    };
    connections.min(most).max(1)
}
