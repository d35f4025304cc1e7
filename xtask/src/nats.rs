//! A NATS with JetStream for one run: on a free port of the loopback interface, with its data in a temporary directory,
//! stopped by its own process id.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::interrupt;
use crate::tools::{self, Missing};

const START_LIMIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);
/// How often somebody else may take the free port first.
const TRIES: usize = 3;

/// A server that listens. Dropping it stops the server and removes its data.
pub(crate) struct Nats {
    server: Child,
    port: u16,
    directory: TempDir,
}

impl Nats {
    /// The program. Fails with [`Missing`] where it is not installed.
    pub(crate) fn find() -> Result<PathBuf> {
        let system = ["/usr/sbin/nats-server", "/usr/local/sbin/nats-server"].map(PathBuf::from);
        let installed =
            tools::on_path("nats-server").or_else(|| system.into_iter().find(|file| file.is_file()));
        installed.ok_or_else(|| {
            let missing = Missing {
                tool: "nats-server".to_owned(),
                install: "Install it with `apt-get install nats-server` on Debian and Ubuntu, \
                          `brew install nats-server` on macOS. Its service need not run.",
                optional: false,
            };
            missing.into()
        })
    }

    pub(crate) fn start() -> Result<Self> {
        let program = Self::find()?;
        for _ in 0..TRIES {
            let directory = tempfile::Builder::new().prefix("canopy-nats-").tempdir()?;
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
            let log = File::create(directory.path().join("log")).context("cannot write the log of NATS")?;
            let mut server = Command::new(&program);
            server.args(["-a", "127.0.0.1", "-js", "-p", &port.to_string(), "-sd"]);
            server.arg(directory.path().join("data"));
            server.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
            // Ctrl-C in the terminal must not reach it while tests still use it.
            let server = server
                .process_group(0)
                .spawn()
                .context("cannot start nats-server")?;
            let mut nats = Self {
                server,
                port,
                directory,
            };
            if nats.listens()? {
                return Ok(nats);
            }
            eprintln!("nats-server ended at its start:\n{}", nats.log());
        }
        bail!("nats-server did not start in {TRIES} tries")
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Waits until it takes connections; false if it ended.
    fn listens(&mut self) -> Result<bool> {
        let deadline = Instant::now() + START_LIMIT;
        while Instant::now() < deadline {
            if self.server.try_wait()?.is_some() {
                return Ok(false);
            }
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
                return Ok(true);
            }
            if interrupt::wait(POLL) {
                bail!("interrupted");
            }
        }
        bail!("nats-server is not ready in time:\n{}", self.log())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log"))
            .unwrap_or_else(|error| format!("(no log: {error})"))
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        if self.server.kill().and_then(|()| self.server.wait()).is_err() {
            eprintln!(
                "warning: nats-server (process {}) could not be stopped",
                self.server.id()
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_listens_while_it_lives_and_leaves_nothing() {
        let nats = match Nats::start() {
            Ok(nats) => nats,
            // `xtask test` reports the missing tool, and fails for it under CI.
            Err(error) if error.is::<Missing>() => return,
            Err(error) => panic!("{error:#}"),
        };
        let (directory, port) = (nats.directory.path().to_owned(), nats.port);
        drop(nats);
        assert!(!directory.exists(), "{} is left", directory.display());
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
    }
}
