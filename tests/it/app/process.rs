//! The `canopy` program as a child process, and the same server within this one.

use std::process::Stdio;

use canopy::config::Config;
use canopy::serve::Server;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::database::{TestDatabase, config};
use super::{Answer, App, Caller, SECRET, within};

/// The program, with a configuration for tests and nothing else in its environment.
pub(crate) fn canopy(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_canopy"));
    command
        .args(arguments)
        .env_clear()
        .env("CANOPY__AUTH__SECRET", SECRET)
        .env("CANOPY__RULES__CACHE_DIR", "none")
        .env("CANOPY__LOG__FORMAT", "json")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// A running `canopy serve`.
pub(crate) struct Process {
    child: Child,
    pub(crate) url: String,
    log: JoinHandle<Vec<String>>,
}

impl Process {
    /// Starts the program on a database and waits until it listens.
    pub(crate) async fn serve(database: &TestDatabase) -> Self {
        Self::serve_with(database, &[]).await
    }

    /// The same with more of an environment.
    pub(crate) async fn serve_with(database: &TestDatabase, environment: &[(&str, &str)]) -> Self {
        let mut command = canopy(&["serve", "--port", "0"]);
        command.env("CANOPY__DATABASE__URL", database.url());
        command.envs(environment.iter().copied());
        let mut child = command.spawn().expect("the program can be started");
        let mut lines = BufReader::new(child.stderr.take().expect("stderr is piped")).lines();
        let mut early = Vec::new();
        let address = within("the program to listen", async {
            loop {
                let line = lines.next_line().await.expect("its log can be read");
                let line = line.unwrap_or_else(|| panic!("canopy serve ended:\n{}", early.join("\n")));
                let entry: Value = serde_json::from_str(&line).unwrap_or_default();
                if entry["message"] == "serving" {
                    break entry["address"].as_str().expect("an address").to_owned();
                }
                early.push(line);
            }
        })
        .await;
        // The pipe is read to its end, so that the program never waits for its log.
        let log = tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                early.push(line);
            }
            early
        });
        Self {
            child,
            url: format!("http://{address}/graphql"),
            log,
        }
    }

    /// Bytes of memory that it has now, and the most that it ever had.
    pub(crate) fn memory(&self) -> (u64, u64) {
        let id = self.child.id().expect("it runs");
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("Linux tells");
        let bytes = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
            1024 * kilobytes
                .and_then(|number| number.parse::<u64>().ok())
                .expect("a number")
        };
        (bytes("VmRSS:"), bytes("VmHWM:"))
    }

    /// Ends it as a crash would: at once, whatever it is doing.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("the program can be killed");
    }

    /// Asks it to end, and answers with its exit code and its log.
    pub(crate) async fn terminate(mut self) -> (Option<i32>, Vec<String>) {
        let id = self.child.id().expect("it runs").to_string();
        let sent = Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .await
            .expect("kill can be run");
        assert!(sent.success());
        let status = within("the program to end", self.child.wait())
            .await
            .expect("it can be waited for");
        (
            status.code(),
            within("the end of its log", self.log)
                .await
                .expect("the log was read"),
        )
    }
}

/// A server within this process, on the domain of an app, with a port of its own.
pub(crate) struct Served {
    pub(crate) base: String,
    stop: Option<oneshot::Sender<()>>,
    ended: JoinHandle<()>,
}

impl Served {
    pub(crate) async fn start(app: &App) -> Self {
        Self::start_with(app, |_| ()).await
    }

    /// The same, configured otherwise.
    pub(crate) async fn start_with(app: &App, configure: impl FnOnce(&mut Config)) -> Self {
        let mut config = config(app.database.url());
        config.http.port = 0;
        configure(&mut config);
        let server = Server::with(config, app.domain.clone())
            .await
            .expect("a server can be started");
        let base = format!("http://{}", server.local_addr);
        let (stop, stopped) = oneshot::channel();
        let run = async move {
            let ended = server.run(async move { drop(stopped.await) }).await;
            ended.expect("the server ends well");
        };
        Self {
            base,
            stop: Some(stop),
            ended: tokio::spawn(run),
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Tells it to end, without waiting.
    pub(crate) fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// Waits for its end.
    pub(crate) async fn ended(self) {
        within("the server to end", self.ended)
            .await
            .expect("the server does not panic");
    }
}

/// A request over HTTP, its answer or that the connection broke.
pub(crate) async fn post(
    url: &str,
    caller: &Caller,
    document: &str,
    variables: Value,
) -> Result<Answer, reqwest::Error> {
    let body = json!({"query": document, "variables": variables});
    let mut request = canopy::tls::client_builder().build()?.post(url).json(&body);
    if let Some(authorization) = &caller.authorization {
        request = request.header("authorization", authorization);
    }
    Ok(Answer::new(request.send().await?.json().await?))
}
