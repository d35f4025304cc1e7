//! The `canopy serve` processes: each with its own way to the database and to NATS, on a port that it keeps when it is
//! started again.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;

use crate::backends::{Postgres, free_port, log_file, signal};
use crate::proxy::Proxy;
use crate::until;

/// The key that signs the tokens of all nodes.
pub(crate) const SECRET: &str = "a key for the fault test, of 32 bytes and more";

/// How long a node may take until it serves, on a busy machine and while its database is away.
const READY: Duration = Duration::from_secs(60);

pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) base: String,
    port: u16,
    pub(crate) database: Proxy,
    pub(crate) nats: Proxy,
    folder: PathBuf,
    logs: PathBuf,
    http: reqwest::Client,
    child: Mutex<Option<Child>>,
}

impl Node {
    pub(crate) async fn new(
        index: usize,
        postgres: u16,
        nats: u16,
        folder: &Path,
        logs: &Path,
    ) -> Result<Self> {
        let port = free_port()?;
        Ok(Self {
            name: format!("node {}", index + 1),
            base: format!("http://127.0.0.1:{port}"),
            port,
            database: Proxy::start(postgres).await?,
            nats: Proxy::start(nats).await?,
            folder: folder.join(format!("rules-{index}")),
            logs: logs.join(format!("node-{}.log", index + 1)),
            http: canopy::tls::client_builder()
                .timeout(Duration::from_secs(3))
                .build()?,
            child: Mutex::new(None),
        })
    }

    fn spawn(&self) -> Result<Child> {
        let log = log_file(&self.logs)?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_canopy"));
        command
            .args(["serve", "--port", &self.port.to_string()])
            .env_clear();
        for (key, value) in [
            ("DATABASE__URL", Postgres::url(self.database.port)),
            ("DATABASE__MAX_CONNECTIONS", "12".to_owned()),
            ("NATS__URL", format!("nats://127.0.0.1:{}", self.nats.port)),
            ("AUTH__SECRET", SECRET.to_owned()),
            ("RULES__CACHE_DIR", self.folder.display().to_string()),
            ("SUBSCRIPTIONS__HEARTBEAT", "1s".to_owned()),
            ("HTTP__REQUEST_TIMEOUT", "10s".to_owned()),
            ("HTTP__SHUTDOWN_TIMEOUT", "5s".to_owned()),
            ("WORKERS__RATING_INTERVAL", "1s".to_owned()),
            ("WORKERS__MAX_BACKOFF", "2s".to_owned()),
            ("BUDGET__CAPACITY", "0".to_owned()),
            // Many processes share few processors here: a rule that is slow for that reason has not failed.
            ("RULES__DEADLINE", "5s".to_owned()),
            ("RULES__QUARANTINE__FAILURES", "100".to_owned()),
            ("LOG__FORMAT", "json".to_owned()),
        ] {
            command.env(format!("CANOPY__{key}"), value);
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true);
        command.spawn().context("cannot start canopy")
    }

    /// Starts it if it does not run, again and again as a supervisor would, until it is ready.
    pub(crate) async fn ensure(&self) -> Result<()> {
        until(&format!("{} to be ready", self.name), READY, || async {
            match self.revive().await {
                Ok(()) if self.is_ready().await => Some(Ok(())),
                Ok(()) => None,
                Err(error) => Some(Err(error)),
            }
        })
        .await?
    }

    async fn revive(&self) -> Result<()> {
        let mut child = self.child.lock().await;
        let ended = match child.as_mut() {
            Some(child) => child.try_wait()?.is_some(),
            None => true,
        };
        if ended {
            *child = Some(self.spawn()?);
        }
        Ok(())
    }

    pub(crate) async fn is_ready(&self) -> bool {
        let answer = self.http.get(format!("{}/readyz", self.base)).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// What it says about itself.
    pub(crate) async fn readiness(&self) -> String {
        match self.http.get(format!("{}/readyz", self.base)).send().await {
            Ok(answer) => answer.text().await.unwrap_or_default(),
            Err(error) => format!("{error:?}"),
        }
    }

    pub(crate) async fn kill(&self) -> Result<()> {
        if let Some(mut child) = self.child.lock().await.take() {
            child.kill().await?;
        }
        Ok(())
    }

    /// SIGTERM, and the wait for its end.
    pub(crate) async fn stop(&self) -> Result<()> {
        let Some(mut child) = self.child.lock().await.take() else {
            return Ok(());
        };
        if let Some(process) = child.id() {
            signal(process, "TERM").await?;
        }
        match tokio::time::timeout(Duration::from_secs(30), child.wait()).await {
            Ok(status) => status.map(drop).context("a node cannot be waited for"),
            Err(_) => bail!("{} did not end within 30 s of SIGTERM", self.name),
        }
    }

    pub(crate) async fn send(&self, name: &str) -> Result<()> {
        match self.child.lock().await.as_ref().and_then(Child::id) {
            Some(process) => signal(process, name).await,
            None => Ok(()),
        }
    }
}
