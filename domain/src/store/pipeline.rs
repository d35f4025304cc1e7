//! Connections to PostgreSQL on which a statement is sent before the one ahead of it is answered.

use std::sync::{Arc, Weak};
use std::time::Duration;

use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime, Timeouts,
};
use tokio::sync::Mutex;
use tokio_postgres::types::ToSql;
use tokio_postgres::{NoTls, Row};

use super::Given;
use super::address::Address;
use crate::error::Cause;
use crate::{Error, Result};

/// Each statement is written so that one plan is good for whatever it is given, and making a plan takes longer than to
/// run it.
const ONE_PLAN: &str = "SET plan_cache_mode = force_generic_plan";

/// What the connections are made with.
#[derive(Debug, Clone)]
pub struct PipelineSettings {
    /// The URL of the database.
    pub url: String,
    /// How many connections there may be.
    pub connections: usize,
    /// How long a request may wait for a connection, and a new connection for the server.
    pub wait: Duration,
}

/// Why statements cannot be sent together.
#[derive(Debug, thiserror::Error)]
pub(super) enum PipelineError {
    /// The URL says something that this driver does not know.
    #[error("the URL cannot be read: {0}")]
    Url(tokio_postgres::Error),
    /// The URL asks for something that only the other driver does.
    #[error("`{0}` is not supported")]
    Unknown(String),
    /// The authorities that may sign the server's certificate cannot be had.
    #[error("the certificates of the authorities cannot be used: {0}")]
    Authorities(Cause),
    /// There is no pool.
    #[error(transparent)]
    Pool(#[from] deadpool_postgres::BuildError),
}

impl PipelineError {
    pub(super) fn authorities(cause: impl Into<Cause>) -> Self {
        Self::Authorities(cause.into())
    }
}

/// A pool of connections, each for one request at a time.
pub(crate) struct Pipeline(Pool);

/// The connection of a request, while it waits for anything. Without a request each statement takes one of its own.
#[derive(Clone, Default)]
pub(crate) struct Lease(Option<Arc<Mutex<Weak<Object>>>>);

impl Lease {
    /// For one request.
    pub(crate) fn new() -> Self {
        Self(Some(Arc::default()))
    }
}

impl Pipeline {
    /// A pool that connects when it is first asked.
    pub(super) fn new(settings: &PipelineSettings) -> Result<Self, PipelineError> {
        let Address { config, tls } = Address::read(&settings.url)?;
        // A connection that was lost is noticed when it is closed, without asking each time.
        let recycling = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let manager = match tls {
            Some(tls) => Manager::from_config(config, tls, recycling),
            None => Manager::from_config(config, NoTls, recycling),
        };
        let pool = Pool::builder(manager)
            .runtime(Runtime::Tokio1)
            .max_size(settings.connections)
            // Said after connecting: not each pooler in between lets an option through at the start.
            .post_create(Hook::async_fn(|connection, _| {
                Box::pin(async move {
                    let set = connection.batch_execute(ONE_PLAN).await;
                    set.map_err(HookError::Backend)
                })
            }))
            .timeouts(Timeouts {
                wait: Some(settings.wait),
                create: Some(settings.wait),
                recycle: Some(settings.wait),
            })
            .build()?;
        Ok(Self(pool))
    }

    /// The rows of a statement on the connection of `lease`. It goes back to the pool when nothing is waited for.
    pub(super) async fn rows(&self, lease: &Lease, sql: &str, given: &[Given<'_>]) -> Result<Vec<Row>> {
        let connection = self.connection(lease).await?;
        let statement = connection.prepare_cached(sql).await.map_err(failed)?;
        let given: Vec<&(dyn ToSql + Sync)> = given.iter().map(|one| one as _).collect();
        connection.query(&statement, &given).await.map_err(failed)
    }

    async fn connection(&self, lease: &Lease) -> Result<Arc<Object>> {
        let Some(leased) = &lease.0 else {
            return self.free().await;
        };
        // Whoever comes first takes one from the pool, and the others wait for the same.
        let mut leased = leased.lock().await;
        if let Some(connection) = leased.upgrade() {
            return Ok(connection);
        }
        let connection = self.free().await?;
        *leased = Arc::downgrade(&connection);
        Ok(connection)
    }

    async fn free(&self) -> Result<Arc<Object>> {
        Ok(Arc::new(self.0.get().await.map_err(Error::internal)?))
    }
}

/// The driver's own text does not say what the database said.
fn failed(error: tokio_postgres::Error) -> Error {
    match error.as_db_error() {
        Some(said) => Error::internal(format!("{}: {}", said.code().code(), said.message())),
        None => Error::internal(error),
    }
}
