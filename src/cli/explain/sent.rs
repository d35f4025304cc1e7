//! Runs a query as somebody, and tells which statements were sent for it.

use std::fmt::Write;
use std::sync::Arc;

use anyhow::Context;
use canopy_domain::heard::{Answered, Heard, Hearing};
use canopy_domain::{Credentials, Domain};
use canopy_schema::{Ask, CanopySchema, Document, Reply};
use serde_json::{Map, Value, json};

use super::ExplainOptions;
use crate::cli::Refused;
use crate::config::Config;
use crate::house::{self, Pending, Tokens};
use crate::serve::schema_settings;

/// What API keys begin with. They need no secret to be checked.
const KEY_PREFIX: &str = "ck_";

/// So many characters of a value are shown in words; a list of ids is one value.
const SHOWN: usize = 200;

/// What came of a query that was run.
pub(super) struct Sent {
    /// How many statements there were when nothing was remembered.
    first: usize,
    statements: Vec<(Heard, Option<Answered>)>,
    answer: Value,
    /// Bytes of the answer as JSON.
    bytes: usize,
}

/// Runs the query twice, and hears what is sent the second time.
pub(super) async fn by(
    config: &Config,
    text: String,
    variables: Map<String, Value>,
    options: &ExplainOptions,
) -> anyhow::Result<Sent> {
    let token = options.token.as_deref().context("there is no token")?;
    let tokens = match token.starts_with(KEY_PREFIX) {
        true => Tokens::Unused,
        false => Tokens::Needed,
    };
    let hearing = Hearing::default();
    let domain = house::open_heard(config, Pending::Refuse, tokens, Some(&hearing)).await?;
    let credentials = Credentials {
        authorization: Some(format!("Bearer {token}")),
        sub_account: options.account.clone(),
        address: None,
    };
    let runner = Runner {
        schema: canopy_schema::build(domain.clone(), schema_settings(config)),
        domain,
        hearing,
        credentials,
    };
    let ask = |document| Ask::of(document, options.operation.clone(), variables.clone());
    let (first, _) = runner.run(&text, ask).await?;
    let (second, reply) = runner.run(&text, ask).await?;
    let mut statements = Vec::with_capacity(second.len());
    for heard in second {
        let answered = match heard.is_read() {
            true => Some(runner.domain.answered(&heard, options.analyze).await?),
            false => None,
        };
        statements.push((heard, answered));
    }
    let json = reply.to_json();
    Ok(Sent {
        first: first.len(),
        statements,
        answer: serde_json::from_str(&json)?,
        bytes: json.len(),
    })
}

struct Runner {
    schema: CanopySchema,
    domain: Domain,
    hearing: Hearing,
    credentials: Credentials,
}

impl Runner {
    /// What is sent for the query, and its answer, as long as there is one.
    async fn run(
        &self,
        text: &str,
        ask: impl Fn(Arc<Document>) -> Ask,
    ) -> anyhow::Result<(Vec<Heard>, Reply)> {
        self.hearing.take();
        let actor = self.domain.authenticate(&self.credentials).await?;
        let document = self.schema.read(text.to_owned());
        let prepared = document.and_then(|document| self.schema.prepare(ask(document)));
        let reply = match prepared {
            Ok(prepared) => self.schema.execute(prepared, actor).await,
            Err(reply) => *reply,
        };
        match reply.errors.first() {
            // Nothing was executed.
            Some(error) if error.path.is_empty() && reply.data.is_null() => {
                Err(Refused(error.message.clone()).into())
            }
            _ => Ok((self.hearing.take(), reply)),
        }
    }
}

impl Sent {
    pub(super) fn as_json(&self) -> Value {
        let statement = |(heard, answered): &(Heard, Option<Answered>)| {
            json!({
                "sql": heard.sql(),
                "values": heard.values(),
                "rows": answered.as_ref().map(|answered| answered.rows),
                "plan": answered.as_ref().map(|answered| &answered.plan).filter(|plan| !plan.is_empty()),
            })
        };
        json!({
            "statements": self.statements.iter().map(statement).collect::<Vec<_>>(),
            "statementsAtFirst": self.first,
            "bytes": self.bytes,
            "errors": self.answer.get("errors"),
            "cost": self.answer["extensions"]["cost"],
        })
    }

    pub(super) fn in_words(&self) -> String {
        let errors = self.answer["errors"].as_array().map_or(0, Vec::len);
        let mut words = format!(
            "Run twice: {} statements at first, and then these {}; an answer of {} bytes with {errors} errors.\n",
            self.first,
            self.statements.len(),
            self.bytes
        );
        for (place, (heard, answered)) in self.statements.iter().enumerate() {
            statement(&mut words, place + 1, heard, answered.as_ref()).expect("a string takes all text");
        }
        words
    }
}

fn statement(
    words: &mut String,
    place: usize,
    heard: &Heard,
    answered: Option<&Answered>,
) -> std::fmt::Result {
    match answered {
        Some(answered) => writeln!(words, "\n{place}. {} rows", answered.rows)?,
        None => writeln!(words, "\n{place}. changes something")?,
    }
    let parts: Vec<&str> = heard.sql().split_whitespace().collect();
    writeln!(words, "   {}", parts.join(" "))?;
    for (place, value) in heard.values().iter().enumerate() {
        let shown: String = value.chars().take(SHOWN).collect();
        let more = if shown.len() < value.len() { "…" } else { "" };
        writeln!(words, "   ${} = {shown}{more}", place + 1)?;
    }
    let plan = answered.into_iter().flat_map(|answered| &answered.plan);
    plan.into_iter()
        .try_for_each(|line| writeln!(words, "     {line}"))
}
