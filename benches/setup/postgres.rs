//! A PostgreSQL for one run: a new cluster in a temporary folder on a free port, gone at the end. It is given the memory
//! that a server of its own would have.

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::port::{free_port, until_it_listens};
use crate::process::{self, Own};

const SETTINGS: [&str; 11] = [
    "listen_addresses=127.0.0.1",
    "max_connections=200",
    "shared_buffers=1GB",
    "effective_cache_size=4GB",
    "work_mem=16MB",
    "random_page_cost=1.1",
    "max_parallel_workers_per_gather=0",
    "jit=off",
    "min_wal_size=4GB",
    "max_wal_size=8GB",
    "timezone=UTC",
];

/// What commits may lose, where only reading is measured.
const VOLATILE: [&str; 3] = ["fsync=off", "synchronous_commit=off", "full_page_writes=off"];

/// So many files of the write-ahead log are there before anything is measured, of 16 MiB each: 2 GiB. A server that has run
/// for a while uses its old ones again, and a new one would hold up all commits each time that it makes one.
const WAL_FILES: usize = 128;

/// What becomes of commits when the power fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(dead_code, reason = "each benchmark has the one that it measures with")]
pub(crate) enum Durability {
    /// All are there, as PostgreSQL has it by itself.
    Kept,
    /// Nothing is synced to disk.
    Lost,
}

pub(crate) struct Postgres {
    pub(crate) url: String,
    server: Child,
    programs: PathBuf,
    account: Option<(u32, u32)>,
    // Dropped last: the server has stopped by then.
    folder: TempDir,
}

impl Postgres {
    pub(crate) async fn start(durability: Durability) -> Result<Self> {
        let programs = programs()?;
        let account = account()?;
        let folder = tempfile::Builder::new().prefix("canopy-bench-pg-").tempdir()?;
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700))?;
        if let Some((user, group)) = account {
            chown(folder.path(), Some(user), Some(group))?;
        }
        let data = folder.path().join("data");
        let mut initdb = command(&programs, account, "initdb");
        initdb
            .arg("--pgdata")
            .arg(&data)
            .args(["--username=postgres", "--auth=trust"]);
        initdb.args(["--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"]);
        let made = initdb.current_dir(folder.path()).output()?;
        ensure!(
            made.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        let port = free_port()?;
        let log = std::fs::File::create(folder.path().join("log"))?;
        let mut postgres = command(&programs, account, "postgres");
        postgres
            .arg("-D")
            .arg(&data)
            .arg("-p")
            .arg(port.to_string())
            .arg("-k")
            .arg(folder.path());
        let volatile: &[&str] = match durability {
            Durability::Kept => &[],
            Durability::Lost => &VOLATILE,
        };
        for setting in SETTINGS.iter().chain(volatile) {
            postgres.arg("-c").arg(setting);
        }
        postgres
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        // Ctrl-C in the terminal must not end it before those who use it.
        let server = postgres
            .process_group(0)
            .spawn()
            .context("cannot start PostgreSQL")?;
        let postgres = Self {
            url: format!("postgres://postgres@127.0.0.1:{port}/forest"),
            server,
            programs,
            account,
            folder,
        };
        until_it_listens(port)
            .await
            .context("PostgreSQL does not listen")?;
        postgres.create_database(port).await?;
        if matches!(durability, Durability::Kept) {
            postgres.make_wal_files().await?;
        }
        Ok(postgres)
    }

    async fn make_wal_files(&self) -> Result<()> {
        let (client, connection) = tokio_postgres::connect(&self.url, tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        for _ in 0..WAL_FILES {
            let next = "SELECT pg_logical_emit_message(false, 'bench', ''), pg_switch_wal()";
            client.batch_execute(next).await?;
        }
        // From here on they are old, and are used again.
        client.batch_execute("CHECKPOINT").await?;
        Ok(())
    }

    /// It listens a little before it answers.
    async fn create_database(&self, port: u16) -> Result<()> {
        let mut again = tokio::time::interval(Duration::from_millis(200));
        let mut said = String::new();
        for _ in 0..150 {
            again.tick().await;
            let mut createdb = command(&self.programs, self.account, "createdb");
            createdb.args(["--host", "127.0.0.1", "--port", &port.to_string()]);
            let made = createdb.args(["--username", "postgres", "forest"]).output()?;
            if made.status.success() {
                return Ok(());
            }
            said = String::from_utf8_lossy(&made.stderr).into_owned();
        }
        bail!("createdb: {said}")
    }

    /// Processor time of all its processes so far, those that ended included.
    pub(crate) fn processor(&self) -> Result<Duration> {
        let pid = self.server.id();
        let own = process::processor(pid, Own::AndEnded).context("PostgreSQL has ended")?;
        let running = process::children(pid).into_iter();
        Ok(own
            + running
                .filter_map(|pid| process::processor(pid, Own::Only))
                .sum::<Duration>())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let mut stop = command(&self.programs, self.account, "pg_ctl");
        stop.args(["stop", "--mode=fast", "--silent", "--pgdata"])
            .arg(self.folder.path().join("data"));
        if !stop.status().is_ok_and(|status| status.success()) {
            let _ = self.server.kill();
        }
        let _ = self.server.wait();
    }
}

/// The newest installation's folder of programs.
fn programs() -> Result<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .filter(|(_, folder)| folder.join("initdb").is_file())
        .collect();
    found.sort();
    let newest = found.pop().map(|(_, folder)| folder);
    let on_path = std::env::var_os("PATH")
        .into_iter()
        .flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let mut on_path = on_path.filter(|folder| folder.join("initdb").is_file());
    newest
        .or_else(|| on_path.next())
        .context("PostgreSQL is not installed: apt-get install postgresql")
}

/// Whom it runs as, where we are root: PostgreSQL refuses to be.
fn account() -> Result<Option<(u32, u32)>> {
    let number = |arguments: &[&str]| -> Result<u32> {
        let output = Command::new("id").args(arguments).output()?;
        Ok(String::from_utf8(output.stdout)?.trim().parse()?)
    };
    if number(&["-u"])? != 0 {
        return Ok(None);
    }
    let account = (number(&["-u", "postgres"])?, number(&["-g", "postgres"])?);
    Ok(Some(account))
}

fn command(programs: &std::path::Path, account: Option<(u32, u32)>, program: &str) -> Command {
    let mut command = Command::new(programs.join(program));
    // Its settings are those above, whatever the caller's are.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
        command.env_remove(name);
    }
    if let Some((user, group)) = account {
        command.uid(user).gid(group);
    }
    command
}
