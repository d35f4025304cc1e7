//! `canopy rules replay`: takes rules and what they were asked from the server, asks them here, and says whether the
//! answers are the server's. Knows what an answer is held against, not how a rule is run.

mod limits;
mod receipt;

use std::collections::HashMap;

use canopy_domain::rules_host::{Digest, ENGINE, Examined, Host, LoadedRule};
use serde_json::{Map, Value, json};

use super::{
    arguments::{Replay, Subject},
    client::{Client, text},
    sandbox,
};
use crate::cli::output::Output;

/// How one step came out.
#[derive(Default)]
struct Step {
    /// What it is, in words.
    title: String,
    /// The same for programs.
    named: Map<String, Value>,
    fuel: u64,
    logs: Vec<String>,
    /// What differs, in sentences.
    differences: Vec<String>,
}

pub(super) async fn run(client: &Client, replay: &Replay, output: &Output) -> anyhow::Result<()> {
    let mut rules = Rules {
        client,
        host: sandbox::open()?,
        loaded: HashMap::new(),
    };
    let steps = match replay.subject() {
        Subject::Rating(id) => receipt::steps(&mut rules, id).await?,
        Subject::Limits { account, limit } => limits::steps(&mut rules, account, limit).await?,
    };
    let different = steps.iter().filter(|step| !step.is_equal()).count();
    let json = json!({
        "equal": different == 0,
        "engine": ENGINE,
        "steps": steps.iter().map(Step::as_json).collect::<Vec<_>>(),
    });
    output.value(&json, || {
        steps.iter().map(Step::said).collect::<Vec<_>>().join("\n")
    })?;
    anyhow::ensure!(different == 0, "{different} of {} steps differ", steps.len());
    Ok(())
}

/// The rules that were fetched from the server, each once.
struct Rules<'a> {
    client: &'a Client,
    host: Host,
    loaded: HashMap<String, (Digest, LoadedRule)>,
}

impl Rules<'_> {
    /// A version's rule, and the digest of what was fetched.
    async fn fetch(&mut self, id: &str) -> anyhow::Result<(Digest, LoadedRule)> {
        if let Some((digest, rule)) = self.loaded.get(id) {
            return Ok((*digest, rule.clone()));
        }
        let wasm = self.client.get(&format!("/rules/{id}.wasm")).await?;
        let digest = Digest::of(&wasm);
        let rule = sandbox::load(&self.host, wasm).await?;
        self.loaded.insert(id.to_owned(), (digest, rule.clone()));
        Ok((digest, rule))
    }
}

impl Step {
    fn new(title: String, named: Value, ran: &Examined<impl Sized>) -> Self {
        Self {
            title,
            named: named.as_object().cloned().unwrap_or_default(),
            fuel: ran.fuel,
            logs: ran.logs.clone(),
            differences: Vec::new(),
        }
    }

    /// Notes whether what was found here is what the server says.
    fn hold(&mut self, what: &str, here: &Value, server: &Value) {
        if here != server {
            let shown = |value: &Value| match value {
                Value::Null => "nothing".to_owned(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let (here, server) = (shown(here), shown(server));
            self.differences
                .push(format!("{what}: the server says {server}, here it is {here}"));
        }
    }

    fn is_equal(&self) -> bool {
        self.differences.is_empty()
    }

    fn verdict(&self) -> &'static str {
        if self.is_equal() { "EQUAL" } else { "DIFFERENT" }
    }

    fn as_json(&self) -> Value {
        let mut json = self.named.clone();
        json.extend([
            ("replay".to_owned(), json!(self.verdict())),
            ("fuel".to_owned(), json!(self.fuel)),
            ("logs".to_owned(), json!(self.logs)),
            ("differences".to_owned(), json!(self.differences)),
        ]);
        Value::Object(json)
    }

    fn said(&self) -> String {
        let mut lines = vec![format!("{}  {}", self.title, self.verdict())];
        lines.extend(self.logs.iter().map(|message| format!("    log: {message}")));
        lines.extend(
            self.differences
                .iter()
                .map(|difference| format!("    {difference}")),
        );
        lines.join("\n")
    }
}

/// The id of a rule that the asker may see, if there is one.
fn rule_id(value: &Value) -> Option<&str> {
    Some(text(value)).filter(|id| !id.is_empty())
}
