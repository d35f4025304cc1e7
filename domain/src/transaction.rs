//! Transactions with a name, that start as writers and try again when the database could not serialize them.
//!
//! A transaction is short: nothing in it waits for a rule, a password hash or the network.

use std::marker::PhantomData;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sea_orm::sqlx;
use sea_orm::{
    DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, RuntimeErr, SqliteTransactionMode,
    SqlxSqliteConnector, TransactionOptions, TransactionTrait,
};

use crate::store::StatementListener;
use crate::{Error, Result};

/// How often a transaction is tried before its error is given up to the caller.
const MAX_ATTEMPTS: u32 = 6;
/// The longest pause before the second attempt; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(4);
/// What the one writer of SQLite may keep of the file, in KiB, as SQLite writes it.
const CACHE: &str = "-32768";

/// Another transaction did the same thing first: this one is to be run again, and will find what the other wrote.
#[derive(Debug, thiserror::Error)]
#[error("another transaction wrote the same row first")]
pub(crate) struct LostRace;

/// A step of work on a transaction that lives for `'t`, which may borrow what lives for `'env`.
///
/// A plain `AsyncFn` would do, if the compiler could prove its future `Send` while it borrows.
pub(crate) struct Work<'t, 'env: 't, T>(BoxFuture<'t, Result<T>>, PhantomData<&'t &'env ()>);

/// Makes the [`Work`] of a future; to be called right in the closure that is given to [`run`].
pub(crate) fn work<'t, 'env: 't, T>(
    future: impl Future<Output = Result<T>> + Send + 't,
) -> Work<'t, 'env, T> {
    Work(Box::pin(future), PhantomData)
}

/// The connections by which transactions go. On SQLite, which has one writer at a time, it is one: writers take turns for it in
/// the order in which they came, and not by chance as they would in SQLite, and what it has read is not read again.
pub(crate) fn writer(db: &DatabaseConnection, listener: Option<StatementListener>) -> DatabaseConnection {
    if db.get_database_backend() != DbBackend::Sqlite {
        return db.clone();
    }
    let pool = db.get_sqlite_connection_pool();
    let options = pool
        .connect_options()
        .as_ref()
        .clone()
        .pragma("cache_size", CACHE);
    let one = pool
        .options()
        .clone()
        .max_connections(1)
        .connect_lazy_with(options);
    let mut writer = SqlxSqliteConnector::from_sqlx_sqlite_pool(one);
    if let Some(listener) = listener {
        writer.set_metric_callback(move |info| listener(info.statement.clone()));
    }
    writer
}

/// Runs `body` in a transaction and commits it, or rolls it back if `body` fails.
///
/// `body` is run again if the database reports a serialization failure, a deadlock or a busy database, or if it
/// returns [`LostRace`]; so whatever it reads to decide must be read inside.
///
/// ```text
/// let account = &account;
/// transaction::run(db, "rename-account", |txn| transaction::work(async move { rename(txn, account).await })).await?;
/// ```
pub(crate) async fn run<'env, T, B>(db: &DatabaseConnection, name: &'static str, body: B) -> Result<T>
where
    B: for<'t> Fn(&'t DatabaseTransaction) -> Work<'t, 'env, T> + Send + Sync,
    T: Send,
{
    let mut attempt = 1;
    loop {
        let error = match once(db, &body).await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        if attempt == MAX_ATTEMPTS || !may_succeed_later(&error) {
            return Err(error);
        }
        metrics::counter!("canopy_transaction_retries_total", "transaction" => name).increment(1);
        tracing::debug!(transaction = name, attempt, "a transaction is tried again");
        tokio::time::sleep(pause_after(attempt)).await;
        attempt += 1;
    }
}

async fn once<'env, T, B>(db: &DatabaseConnection, body: &B) -> Result<T>
where
    B: for<'t> Fn(&'t DatabaseTransaction) -> Work<'t, 'env, T> + Send + Sync,
    T: Send,
{
    // A reader that becomes a writer half-way fails on SQLite when another has written in between, so each
    // transaction is a writer from its first statement. PostgreSQL ignores the mode.
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    let transaction = db.begin_with_options(options).await?;
    let outcome = body(&transaction).0.await;
    match outcome {
        Ok(value) => {
            transaction.commit().await?;
            Ok(value)
        }
        Err(error) => {
            // The first error says what went wrong; a failed rollback only means that the connection is gone,
            // and then the database has rolled back by itself.
            let _ = transaction.rollback().await;
            Err(error)
        }
    }
}

/// A random pause, so that two transactions that met do not meet again.
fn pause_after(attempt: u32) -> Duration {
    let longest = FIRST_PAUSE.saturating_mul(1 << attempt.min(8));
    longest.mul_f64(rand::random_range(0.25..1.0))
}

fn may_succeed_later(error: &Error) -> bool {
    match error {
        Error::Internal(cause) if cause.is::<LostRace>() => true,
        error => of_database(error).is_some_and(could_not_serialize),
    }
}

fn could_not_serialize(error: &DbErr) -> bool {
    database_code(error).is_some_and(|code| {
        // serialization_failure and deadlock_detected of PostgreSQL; BUSY, BUSY_RECOVERY, BUSY_SNAPSHOT and LOCKED
        // of SQLite.
        matches!(
            code.as_str(),
            "40001" | "40P01" | "5" | "261" | "517" | "6" | "262"
        )
    })
}

/// The database's own code for an error: SQLSTATE on PostgreSQL, the extended result code on SQLite.
fn database_code(error: &DbErr) -> Option<String> {
    let (DbErr::Exec(RuntimeErr::SqlxError(cause))
    | DbErr::Query(RuntimeErr::SqlxError(cause))
    | DbErr::Conn(RuntimeErr::SqlxError(cause))) = error
    else {
        return None;
    };
    match &**cause {
        sqlx::Error::Database(error) => error.code().map(|code| code.into_owned()),
        _ => None,
    }
}

/// True if `error` says that a row breaks a unique index.
pub(crate) fn breaks_uniqueness(error: &DbErr) -> bool {
    matches!(
        error.sql_err(),
        Some(sea_orm::SqlErr::UniqueConstraintViolation(_))
    )
}

/// True if `error` says that a row breaks the check of this name.
pub(crate) fn breaks_check(error: &Error, name: &str) -> bool {
    of_database(error).is_some_and(|error| error.to_string().contains(name))
}

/// What the database said, if it is that.
pub(crate) fn of_database(error: &Error) -> Option<&DbErr> {
    match error {
        Error::Internal(cause) => cause.downcast_ref(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use canopy_entity::account;
    use sea_orm::{ActiveValue::Set, EntityTrait, IntoActiveModel, QuerySelect};

    use super::*;
    use crate::testing::TestDatabase;

    fn assert_send<T: Send>(value: T) -> T {
        value
    }

    #[tokio::test]
    async fn a_lost_race_is_run_again_and_a_refusal_is_not() {
        let database = TestDatabase::new().await;
        let attempts = &AtomicU32::new(0);
        let done = run(&database.db, "test", |_| {
            work(async move {
                match attempts.fetch_add(1, Ordering::Relaxed) {
                    0 | 1 => Err(Error::internal(LostRace)),
                    _ => Ok("done"),
                }
            })
        });
        assert_eq!(assert_send(done).await.unwrap(), "done");
        assert_eq!(attempts.load(Ordering::Relaxed), 3);

        attempts.store(0, Ordering::Relaxed);
        let refused: Result<()> = run(&database.db, "test", |_| {
            work(async move {
                attempts.fetch_add(1, Ordering::Relaxed);
                Err(Error::NotFound("account"))
            })
        })
        .await;
        assert!(matches!(refused, Err(Error::NotFound("account"))));
        assert_eq!(attempts.load(Ordering::Relaxed), 1);
    }

    /// Two writers that both read the same value before they write it lose no update.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn concurrent_writers_wait_for_each_other() {
        let database = TestDatabase::new().await;
        let plan = database.plan(serde_json::json!({})).await;
        let row = database.account(None, &plan).await;
        let (db, id) = (&database.db, &row.id);
        let add_one = || {
            run(db, "test", |txn| {
                work(async move {
                    let row = account::Entity::find_by_id(id.clone())
                        .lock_exclusive()
                        .one(txn)
                        .await?
                        .unwrap();
                    let counted = row
                        .name
                        .trim_start_matches("Platform account ")
                        .parse()
                        .unwrap_or(0)
                        + 1;
                    let mut row = row.into_active_model();
                    row.name = Set(format!("Platform account {counted}"));
                    account::Entity::update(row).exec(txn).await?;
                    Ok(())
                })
            })
        };
        futures_util::future::try_join_all((0..16).map(|_| add_one()))
            .await
            .unwrap();
        let row = account::Entity::find_by_id(id.clone())
            .one(db)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(row.name, "Platform account 16");
    }
}
