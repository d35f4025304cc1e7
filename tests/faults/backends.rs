//! A PostgreSQL and a NATS of our own, which are stopped as a power cut would and started again on the same port and data.
//! PostgreSQL syncs to disk: what was committed must be there afterwards.

use std::fs::{File, OpenOptions};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::until;

const READY: Duration = Duration::from_secs(60);

/// A port that is free at this moment.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(listener.local_addr()?.port())
}

/// Sends a signal by its name to one of our own processes.
pub(crate) async fn signal(process: u32, name: &str) -> Result<()> {
    let status = Command::new("kill")
        .arg(format!("-{name}"))
        .arg(process.to_string())
        .status()
        .await?;
    ensure!(status.success(), "cannot send {name} to process {process}");
    Ok(())
}

/// A file that what a process says is added to.
pub(crate) fn log_file(path: &Path) -> Result<File> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.with_context(|| format!("cannot write {}", path.display()))
}

pub(crate) struct Postgres {
    pub(crate) port: u16,
    programs: PathBuf,
    /// The numbers of the account that it runs as, where we are root.
    account: Option<(u32, u32)>,
    directory: TempDir,
    log: PathBuf,
    child: Option<Child>,
}

impl Postgres {
    pub(crate) async fn start(logs: &Path) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("canopy-faults-pg-").tempdir()?;
        let account = server_account().await?;
        if let Some((user, group)) = account {
            std::os::unix::fs::chown(directory.path(), Some(user), Some(group))?;
        }
        let mut postgres = Self {
            port: free_port()?,
            programs: programs()?,
            account,
            log: logs.join("postgres.log"),
            directory,
            child: None,
        };
        let mut initdb = postgres.command("initdb");
        initdb.arg("--pgdata").arg(postgres.directory.path().join("data"));
        initdb.args([
            "--username=canopy",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-instructions",
        ]);
        let made = initdb.output().await?;
        ensure!(
            made.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        postgres.start_again().await?;
        let mut createdb = postgres.command("createdb");
        createdb.args(["--host=127.0.0.1", "--username=canopy", "canopy"]);
        createdb.arg(format!("--port={}", postgres.port));
        ensure!(createdb.status().await?.success(), "createdb failed");
        Ok(postgres)
    }

    /// The URL of the database, by the port of a proxy or its own.
    pub(crate) fn url(port: u16) -> String {
        format!("postgres://canopy@127.0.0.1:{port}/canopy")
    }

    /// Starts it on the data that it left, and waits until it has recovered.
    pub(crate) async fn start_again(&mut self) -> Result<()> {
        let log = log_file(&self.log)?;
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.directory.path().join("data"));
        command
            .arg("-k")
            .arg(self.directory.path())
            .args(["-p", &self.port.to_string()]);
        for setting in [
            "listen_addresses=127.0.0.1",
            "max_connections=150",
            "fsync=on",
            "timezone=UTC",
        ] {
            command.args(["-c", setting]);
        }
        command.stdout(log.try_clone()?).stderr(log);
        self.child = Some(command.spawn().context("cannot start PostgreSQL")?);
        let port = format!("--port={}", self.port);
        until("PostgreSQL to be ready", READY, || async {
            let mut ask = self.command("pg_isready");
            ask.args(["--host=127.0.0.1", &port]).stdout(Stdio::null());
            ask.status()
                .await
                .is_ok_and(|status| status.success())
                .then_some(())
        })
        .await
    }

    /// Immediate shutdown: no checkpoint, connections break, the log is replayed at the next start.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        signal(child.id().context("PostgreSQL has ended by itself")?, "QUIT").await?;
        child.wait().await?;
        Ok(())
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command
            .env_clear()
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        if let Some((user, group)) = self.account {
            command.uid(user).gid(group);
        }
        command
    }
}

/// The directory with the programs of the newest PostgreSQL.
fn programs() -> Result<PathBuf> {
    let versions = [
        "/usr/lib/postgresql",
        "/usr/local/lib/postgresql",
        "/opt/homebrew/opt",
        "/usr/local/opt",
    ];
    let installed = versions
        .iter()
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flatten();
    let mut found: Vec<PathBuf> = installed
        .filter_map(Result::ok)
        .map(|entry| entry.path().join("bin"))
        .collect();
    found.retain(|folder| folder.join("initdb").is_file());
    found.sort();
    found.pop().context("PostgreSQL is not installed")
}

/// PostgreSQL does not run as root.
async fn server_account() -> Result<Option<(u32, u32)>> {
    let number = async |kind: &str, name: &str| -> Option<u32> {
        let mut id = Command::new("id");
        id.arg(kind).stderr(Stdio::null());
        if !name.is_empty() {
            id.arg(name);
        }
        String::from_utf8(id.output().await.ok()?.stdout)
            .ok()?
            .trim()
            .parse()
            .ok()
    };
    if number("-u", "").await != Some(0) {
        return Ok(None);
    }
    for name in ["postgres", "nobody"] {
        if let (Some(user), Some(group)) = (number("-u", name).await, number("-g", name).await) {
            return Ok(Some((user, group)));
        }
    }
    bail!("there is no account to run PostgreSQL as")
}

pub(crate) struct Nats {
    pub(crate) port: u16,
    directory: TempDir,
    log: PathBuf,
    child: Option<Child>,
}

impl Nats {
    pub(crate) async fn start(logs: &Path) -> Result<Self> {
        let mut nats = Self {
            port: free_port()?,
            directory: tempfile::Builder::new().prefix("canopy-faults-nats-").tempdir()?,
            log: logs.join("nats.log"),
            child: None,
        };
        nats.start_again().await?;
        Ok(nats)
    }

    pub(crate) async fn start_again(&mut self) -> Result<()> {
        let log = log_file(&self.log)?;
        let mut command = Command::new("nats-server");
        command
            .args(["-a", "127.0.0.1", "-js", "-p", &self.port.to_string(), "-sd"])
            .arg(self.directory.path());
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true);
        self.child = Some(
            command
                .spawn()
                .context("cannot start nats-server; Debian's package is nats-server")?,
        );
        let address = (Ipv4Addr::LOCALHOST, self.port);
        until("NATS to listen", READY, || async {
            tokio::net::TcpStream::connect(address).await.ok().map(drop)
        })
        .await
    }

    /// As a crash would.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill().await?;
        }
        Ok(())
    }
}
