//! Connections to PostgreSQL on which a statement is sent before the one ahead of it is answered: those of one request,
//! and where more requests are at work than there are connections, those of several. Statements that are on their way
//! together share what costs more than most of them: waking up the server, and us.
//!
//! Only statements that read go here. So a connection is nobody's own, and what meets one that was lost is sent again.
//! What is seldom waited for is boxed: each read of a request holds a place for all that it may wait for.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::Mutex;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, Row, Statement};

use super::address::Address;
use super::{Given, Query};
use crate::error::Cause;
use crate::{Error, Result};

/// Each statement is written so that one plan is good for whatever it is given, and making a plan takes longer than to
/// run it. Said after connecting: not each pooler in between lets an option through at the start.
const ONE_PLAN: &str = "SET plan_cache_mode = force_generic_plan";

/// What the connections are made with.
#[derive(Debug, Clone)]
pub struct PipelineSettings {
    /// The URL of the database.
    pub url: String,
    /// How many connections there may be.
    pub connections: usize,
    /// How long to wait for a new connection, and for a server that no longer hears us.
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
}

impl PipelineError {
    pub(super) fn authorities(cause: impl Into<Cause>) -> Self {
        Self::Authorities(cause.into())
    }
}

/// Connections side by side; each is made when it is first needed, and again when it was lost.
pub(crate) struct Pipeline {
    address: Address,
    wait: Duration,
    lanes: Vec<Lane>,
}

/// The place of one connection.
#[derive(Default)]
struct Lane {
    /// How many statements are on their way.
    waiting: AtomicUsize,
    connection: RwLock<Option<Arc<Connection>>>,
    /// Held by whoever connects.
    connecting: Mutex<()>,
}

struct Connection {
    client: Client,
    /// What was prepared on it, by the number of the query.
    prepared: RwLock<Vec<Option<Statement>>>,
}

/// The lane of a request: what it asks for at once goes out together. Without a request each statement has its own.
#[derive(Clone, Default)]
pub(crate) struct Lease(Option<Arc<OnceLock<usize>>>);

impl Lease {
    /// For one request.
    pub(crate) fn new() -> Self {
        Self(Some(Arc::default()))
    }
}

impl Pipeline {
    /// Connects when it is first asked.
    pub(super) fn new(settings: &PipelineSettings) -> Result<Self, PipelineError> {
        let mut address = Address::read(&settings.url)?;
        address.config.connect_timeout(settings.wait);
        if address.config.get_tcp_user_timeout().is_none() {
            address.config.tcp_user_timeout(settings.wait);
        }
        Ok(Self {
            address,
            wait: settings.wait,
            lanes: (0..settings.connections.max(1))
                .map(|_| Lane::default())
                .collect(),
        })
    }

    /// The rows of a query, on the lane of `lease`.
    pub(super) async fn rows(&self, lease: &Lease, query: &Query, given: &[Given<'_>]) -> Result<Vec<Row>> {
        let lane = match &lease.0 {
            Some(chosen) => *chosen.get_or_init(|| self.emptiest()),
            None => self.emptiest(),
        };
        let lane = &self.lanes[lane];
        let _waiting = Waiting::on(lane);
        let connection = match lane.open() {
            Some(connection) => connection,
            None => self.connected(lane).await?,
        };
        match connection.rows(query, given).await {
            Err(error) if is_lost(&connection, &error) => {
                lane.forget(&connection);
                let connection = self.connected(lane).await?;
                let again = connection.rows(query, given).boxed();
                again.await.map_err(failed)
            }
            rows => rows.map_err(failed),
        }
    }

    /// The lane on which the fewest statements are waited for.
    fn emptiest(&self) -> usize {
        let waiting = |lane: &Lane| lane.waiting.load(Ordering::Relaxed);
        let lanes = self.lanes.iter().map(waiting).enumerate();
        lanes
            .min_by_key(|(_, waiting)| *waiting)
            .map_or(0, |(place, _)| place)
    }

    async fn connected(&self, lane: &Lane) -> Result<Arc<Connection>> {
        let _connecting = lane.connecting.lock().await;
        if let Some(connection) = lane.open() {
            return Ok(connection);
        }
        let connected = tokio::time::timeout(self.wait, self.connect().boxed()).await;
        let client = connected.map_err(Error::internal)?.map_err(failed)?;
        let connection = Arc::new(Connection {
            client,
            prepared: RwLock::default(),
        });
        *lane.connection.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&connection));
        Ok(connection)
    }

    async fn connect(&self) -> Result<Client, tokio_postgres::Error> {
        let Address { config, tls } = &self.address;
        // It ends by itself when the client is gone, or tells those who wait what it failed on.
        let client = match tls {
            Some(tls) => {
                let (client, connection) = config.connect(tls.clone()).await?;
                tokio::spawn(patient(connection));
                client
            }
            None => {
                let (client, connection) = config.connect(NoTls).await?;
                tokio::spawn(patient(connection));
                client
            }
        };
        client.batch_execute(ONE_PLAN).await?;
        Ok(client)
    }
}

impl Lane {
    /// Its connection, unless there is none or it was lost.
    fn open(&self) -> Option<Arc<Connection>> {
        let connection = self.connection.read().unwrap_or_else(PoisonError::into_inner);
        connection
            .clone()
            .filter(|connection| !connection.client.is_closed())
    }

    /// Lets the next one connect anew, unless somebody did.
    fn forget(&self, lost: &Arc<Connection>) {
        let mut connection = self.connection.write().unwrap_or_else(PoisonError::into_inner);
        connection.take_if(|connection| Arc::ptr_eq(connection, lost));
    }
}

impl Connection {
    async fn rows(&self, query: &Query, given: &[Given<'_>]) -> Result<Vec<Row>, tokio_postgres::Error> {
        let statement = match self.known(query) {
            Some(statement) => statement,
            None => self.prepared(query).boxed().await?,
        };
        let given: Vec<&(dyn ToSql + Sync)> = given.iter().map(|one| one as _).collect();
        self.client.query(&statement, &given).await
    }

    async fn prepared(&self, query: &Query) -> Result<Statement, tokio_postgres::Error> {
        let (place, statement) = (query.number(), self.client.prepare(query.of_postgres()).await?);
        let mut known = self.prepared.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() <= place {
            known.resize(place + 1, None);
        }
        known[place] = Some(statement.clone());
        Ok(statement)
    }

    fn known(&self, query: &Query) -> Option<Statement> {
        let known = self.prepared.read().unwrap_or_else(PoisonError::into_inner);
        known.get(query.number()).cloned().flatten()
    }
}

/// Has a connection work after whoever else is ready to: what they ask goes out with what is there already.
async fn patient<C: Future>(connection: C) -> C::Output {
    let mut connection = pin!(connection);
    let mut has_waited = false;
    poll_fn(|context| {
        has_waited = !has_waited;
        if has_waited {
            // Woken by itself, a task comes after all others.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        connection.as_mut().poll(context)
    })
    .await
}

/// Counts a statement on its way.
struct Waiting<'l>(&'l Lane);

impl<'l> Waiting<'l> {
    fn on(lane: &'l Lane) -> Self {
        lane.waiting.fetch_add(1, Ordering::Relaxed);
        Self(lane)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether the connection, or what was prepared on it, is gone: the server ended it, or a pooler gave us another, or a
/// table was changed.
fn is_lost(connection: &Connection, error: &tokio_postgres::Error) -> bool {
    let gone = [
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::INVALID_SQL_STATEMENT_NAME,
        SqlState::FEATURE_NOT_SUPPORTED,
    ];
    connection.client.is_closed() || error.is_closed() || error.code().is_some_and(|code| gone.contains(code))
}

/// The driver's own text does not say what the database said.
fn failed(error: tokio_postgres::Error) -> Error {
    match error.as_db_error() {
        Some(said) => Error::internal(format!("{}: {}", said.code().code(), said.message())),
        None => Error::internal(error),
    }
}
