//! The server as a value: bound to a port, then run until it is told to stop.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use canopy_domain::Domain;
use canopy_schema::{Bounds, Introspection, SchemaSettings};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

use crate::{
    bus::{self, BusError},
    config::{self, Config},
    connections,
    house::{self, OpenError, Pending, Tokens},
    http::{Gateway, PersistedError},
    telemetry,
    webhooks::Courier,
    workers,
};

/// Why a server cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The address is taken or not ours.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        address: SocketAddr,
        source: std::io::Error,
    },
    /// What is configured of NATS is not good. That it is not there is no error.
    #[error(transparent)]
    Nats(#[from] BusError),
    /// The persisted documents are not good.
    #[error(transparent)]
    Documents(#[from] PersistedError),
    /// There is no HTTP client for webhooks.
    #[error("cannot send webhooks: {0}")]
    Webhooks(reqwest::Error),
}

/// A server that listens. Connections wait until [`Server::run`] takes them.
pub struct Server {
    /// Where it listens: the port is the real one.
    pub local_addr: SocketAddr,
    /// The domain that it serves, for a program that seeds or inspects it.
    pub domain: Domain,
    listener: TcpListener,
    router: Router,
    config: Arc<Config>,
    /// Cancelled first: no new work.
    draining: CancellationToken,
    /// Cancelled when the requests are done.
    stop_workers: CancellationToken,
    sockets: TaskTracker,
    workers: TaskTracker,
}

impl Server {
    /// Opens the house as configured, listens, and starts the workers.
    pub async fn bind(config: Config) -> Result<Self, ServeError> {
        let pending = if config.database.migrate {
            Pending::Apply
        } else {
            Pending::Refuse
        };
        let domain = house::open(&config, pending, Tokens::Needed).await?;
        Self::with(config, domain).await
    }

    /// The same with a domain that is open already.
    pub async fn with(config: Config, domain: Domain) -> Result<Self, ServeError> {
        let config = Arc::new(config);
        let address = SocketAddr::new(config.http.address, config.http.port);
        let listen = |source| ServeError::Listen { address, source };
        raise_descriptor_limit();
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let local_addr = listener.local_addr().map_err(listen)?;

        let metrics = telemetry::metrics();
        let (draining, stop_workers) = (CancellationToken::new(), CancellationToken::new());
        let (sockets, tasks) = (TaskTracker::new(), TaskTracker::new());
        let relaying = workers::relay_lease(&domain, &config.workers);
        let bus = bus::start(&domain, &config.nats, &relaying, &stop_workers, &tasks).await?;
        workers::close_periods(&domain, &config, relaying.clone(), &stop_workers, &tasks);
        workers::expire_holds(&domain, &config, relaying.clone(), &stop_workers, &tasks);
        let pulse = workers::start(
            &domain,
            &config.workers,
            (relaying.clone(), bus),
            &stop_workers,
            &tasks,
        );
        let courier = Courier::new(&config.webhooks).map_err(ServeError::Webhooks)?;
        workers::deliver_webhooks(&domain, &config, courier, &relaying, &stop_workers, &tasks);
        workers::follow_token_keys(&domain, &config, &stop_workers, &tasks);
        let schema = canopy_schema::build(domain.clone(), schema_settings(&config));
        let gateway = Gateway::new(
            Arc::clone(&config),
            domain.clone(),
            schema,
            pulse,
            metrics,
            draining.clone(),
            sockets.clone(),
        )?;
        let router = gateway.into_router();
        Ok(Self {
            local_addr,
            domain,
            listener,
            router,
            config,
            draining,
            stop_workers,
            sockets,
            workers: tasks,
        })
    }

    /// Serves until `shutdown` resolves, then drains: no new connections, streams end, sockets close with 1001,
    /// requests finish within http.shutdown_timeout.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<(), ServeError> {
        let bound = self.config.http.shutdown_timeout.get();
        info!(address = %self.local_addr, "serving");
        let draining = self.draining.clone();
        tokio::spawn(async move {
            shutdown.await;
            info!("shutting down");
            draining.cancel();
        });
        let http = self.config.http.clone();
        let serving = connections::serve(self.listener, self.router, &http, self.draining.clone());
        until_late(serving, &self.draining, bound).await;

        self.sockets.close();
        self.workers.close();
        let rest = async {
            self.sockets.wait().await;
            self.stop_workers.cancel();
            self.workers.wait().await;
        };
        if tokio::time::timeout(bound, rest).await.is_err() {
            warn!("cut off what did not end in time");
            self.stop_workers.cancel();
        }
        info!("stopped");
        Ok(())
    }
}

/// Each connection takes a file descriptor, and so does each loaded rule for its code; the usual soft limit of 1024 is
/// there for programs that call select(2).
fn raise_descriptor_limit() {
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        warn!(%error, "the limit of file descriptors stays as it is");
    }
}

/// Runs the listener; once it drains, it has so long to finish.
async fn until_late(serving: impl Future<Output = ()>, draining: &CancellationToken, bound: Duration) {
    let late = async {
        draining.cancelled().await;
        tokio::time::sleep(bound).await;
    };
    tokio::select! {
        () = serving => {}
        () = late => {
            warn!("cut off requests that did not finish in time");
        }
    }
}

/// The bounds of documents, as configured.
pub fn schema_settings(config: &Config) -> SchemaSettings {
    let own = &config.graphql;
    SchemaSettings {
        bounds: Bounds {
            max_bytes: own.max_document.bytes(),
            max_tokens: own.max_tokens,
            max_selections: own.max_selections,
            max_depth: own.max_depth,
            max_aliases: own.max_aliases,
            max_directives: own.max_directives,
            max_root_fields: own.max_root_fields,
            max_cost: own.max_cost,
        },
        introspection: match own.introspection {
            config::Introspection::Anyone => Introspection::Anyone,
            config::Introspection::Authenticated => Introspection::SignedIn,
            config::Introspection::Nobody => Introspection::Nobody,
        },
        kept_documents: own.kept_documents.bytes(),
        planned_reads: own.planned_reads,
        kept_plans: own.kept_plans.bytes(),
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("local_addr", &self.local_addr)
            .finish_non_exhaustive()
    }
}
