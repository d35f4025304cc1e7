//! A PostgreSQL for one run: a new cluster in a temporary directory, on a free port of the loopback
//! interface, stopped by its own process id and removed at the end. Not for data that matters: it does
//! not sync to disk and trusts every local connection. It knows nothing of Canopy's tables.

mod install;
mod server;

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use self::install::{Account, Programs};
use self::server::{Server, Start};
use crate::interrupt;
use crate::process;

/// How often somebody else may take the free port before the server binds it.
const PORT_TRIES: usize = 3;

/// The role that tests connect as: it may create databases but is no superuser, as in production.
const ROLE: &str = "canopy";

/// A server that is ready. Dropping it stops the server and removes its data.
pub(crate) struct Postgres {
    // Dropped in this order: the server has stopped before its files go.
    server: Server,
    cluster: Cluster,
    port: u16,
}

impl Postgres {
    /// Makes a cluster and starts its server. Fails with [`crate::tools::Missing`] without PostgreSQL.
    pub(crate) fn start() -> Result<Self> {
        let cluster = Cluster::create()?;
        for _ in 0..PORT_TRIES {
            let port = free_port()?;
            let mut server = cluster.spawn_server(port)?;
            match server.wait_until_ready(&mut cluster.client("pg_isready", port))? {
                Start::Ready => {
                    let postgres = Self {
                        server,
                        cluster,
                        port,
                    };
                    postgres.administer("createuser", &["--createdb", ROLE])?;
                    return Ok(postgres);
                }
                Start::Ended(_) if cluster.log().contains("could not bind") => {}
                Start::Ended(status) => bail!("PostgreSQL ended at its start ({status}):\n{}", cluster.log()),
                Start::Late => bail!("PostgreSQL is not ready in time:\n{}", cluster.log()),
            }
        }
        bail!("somebody else took the port of PostgreSQL in each of {PORT_TRIES} tries")
    }

    /// Fails with [`crate::tools::Missing`] without PostgreSQL.
    pub(crate) fn find() -> Result<()> {
        Programs::find().map(drop)
    }

    /// Creates an empty database and returns its URL.
    pub(crate) fn create_database(&self, name: &str) -> Result<String> {
        self.administer("createdb", &["--owner", ROLE, name])?;
        Ok(format!(
            "postgres://{ROLE}@{}:{}/{name}",
            Ipv4Addr::LOCALHOST,
            self.port
        ))
    }

    fn administer(&self, program: &str, arguments: &[&str]) -> Result<()> {
        let mut command = self.cluster.client(program, self.port);
        command
            .args(["--username", "postgres", "--no-password"])
            .args(arguments);
        process::capture(&mut command).map(drop)
    }
}

/// `cargo xtask postgres`: a server for a developer, until a signal comes or the server ends.
pub(crate) fn serve_until_interrupted() -> Result<()> {
    let mut postgres = Postgres::start()?;
    println!("{}", postgres.create_database("canopy")?);
    eprintln!(
        "PostgreSQL runs until Ctrl-C. Its log: {}",
        postgres.cluster.log_file().display()
    );
    while !interrupt::wait(Duration::from_secs(1)) {
        if let Some(status) = postgres.server.ended()? {
            bail!("PostgreSQL ended ({status}):\n{}", postgres.cluster.log());
        }
    }
    Ok(())
}

/// The files of a server, owned by the account that it runs as.
struct Cluster {
    programs: Programs,
    /// Set where we are root, which PostgreSQL refuses to run as.
    account: Option<Account>,
    directory: TempDir,
}

impl Cluster {
    fn create() -> Result<Self> {
        let programs = Programs::find()?;
        let account = Account::for_server()?;
        let directory = tempfile::Builder::new()
            .prefix("canopy-pg-")
            .tempdir()
            .context("cannot make a directory for PostgreSQL")?;
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700))?;
        if let Some(account) = account {
            chown(directory.path(), Some(account.user), Some(account.group))
                .with_context(|| format!("cannot hand {} to PostgreSQL", directory.path().display()))?;
        }
        let cluster = Self {
            programs,
            account,
            directory,
        };
        let mut initdb = cluster.command("initdb");
        initdb.arg("--pgdata").arg(cluster.directory.path().join("data"));
        initdb.args([
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
        ]);
        initdb.args(["--no-sync", "--no-instructions"]);
        process::capture(&mut initdb).context("cannot make a cluster for PostgreSQL")?;
        Ok(cluster)
    }

    /// Starts the server in a process group of its own: Ctrl-C in the terminal must not reach it while
    /// tests still use it.
    fn spawn_server(&self, port: u16) -> Result<Server> {
        let log = File::create(self.log_file()).context("cannot write PostgreSQL's log")?;
        let mut postgres = self.command("postgres");
        postgres
            .arg("-D")
            .arg(self.directory.path().join("data"))
            .arg("-p")
            .arg(port.to_string());
        postgres.arg("-k").arg(self.directory.path());
        for setting in [
            "listen_addresses=127.0.0.1",
            "max_connections=200",
            "fsync=off",
            "synchronous_commit=off",
            "full_page_writes=off",
            "timezone=UTC",
        ] {
            postgres.arg("-c").arg(setting);
        }
        postgres
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0);
        postgres
            .spawn()
            .map(Server::new)
            .context("cannot start PostgreSQL")
    }

    /// A client program that talks to the server on `port`.
    fn client(&self, program: &str, port: u16) -> Command {
        let mut command = self.command(program);
        command.args(["--host", "127.0.0.1", "--port", &port.to_string()]);
        command
    }

    /// A program of the installation, run as the server's account and free of the caller's PG* settings.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.path(program));
        command.current_dir(self.directory.path());
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
            command.env_remove(name);
        }
        if let Some(account) = self.account {
            command.uid(account.user).gid(account.group);
        }
        command
    }

    fn log_file(&self) -> std::path::PathBuf {
        self.directory.path().join("log")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_else(|error| format!("(no log: {error})"))
    }
}

/// A port that is free at this moment.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(listener.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;
    use crate::tools::{self, Missing};

    #[test]
    fn server_answers_while_it_lives_and_leaves_nothing() {
        let postgres = match Postgres::start() {
            Ok(postgres) => postgres,
            // `xtask test` reports the missing tool, and fails for it under CI.
            Err(error) if error.is::<Missing>() => return,
            Err(error) => panic!("{error:#}"),
        };
        let url = postgres.create_database("try").unwrap();
        let psql = postgres.cluster.programs.path("psql");
        let mut query = tools::command(psql, "");
        query.args([
            &url,
            "-Atc",
            "select current_user, current_setting('server_encoding')",
        ]);
        assert_eq!(process::capture(&mut query).unwrap(), "canopy|UTF8\n");

        let directory = postgres.cluster.directory.path().to_owned();
        let port = postgres.port;
        drop(postgres);
        assert!(!directory.exists(), "{} is left", directory.display());
        assert!(
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err(),
            "the server still listens"
        );
    }
}
