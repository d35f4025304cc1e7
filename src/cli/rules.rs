//! `canopy rules`: a GraphQL client of a running server.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, bail};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{
    Refused,
    arguments::{NewRule, RulesCommand, ServerOptions},
    output::Output,
};

/// Longer than a compilation may take.
const TIMEOUT: Duration = Duration::from_secs(60);
const FIELDS: &str =
    "fragment F on RuleVersion { id kind name version digest sizeBytes status activeSince createdAt }";
const ERRORS: &str = "userErrors { field message code }";

pub(super) async fn run(command: RulesCommand, server: ServerOptions, output: &Output) -> anyhow::Result<()> {
    let client = Client::new(server)?;
    match command {
        RulesCommand::Upload(new) => {
            let activate = new.activate;
            let mut rule = client.upload(new).await?;
            if activate {
                rule = client.activate(text(&rule["id"])).await?;
            }
            output.value(&rule, || said(&rule))?;
        }
        RulesCommand::Activate { rule } => {
            let rule = client.activate(&rule).await?;
            output.value(&rule, || said(&rule))?;
        }
        RulesCommand::List { account } => {
            let rules = client.list(&account).await?;
            let rows: Vec<Vec<String>> = rules.iter().map(row).collect();
            output.table(
                &json!(rules),
                &["ID", "KIND", "NAME", "VERSION", "STATUS", "DIGEST"],
                &rows,
            )?;
        }
    }
    Ok(())
}

/// A client of one GraphQL endpoint.
struct Client {
    http: reqwest::Client,
    server: ServerOptions,
}

impl Client {
    fn new(server: ServerOptions) -> anyhow::Result<Self> {
        if server.token.is_none() {
            return Err(Refused("A token is needed: set CANOPY_TOKEN or give --token.".to_owned()).into());
        }
        Ok(Self {
            http: reqwest::Client::builder().timeout(TIMEOUT).build()?,
            server,
        })
    }

    async fn upload(&self, new: NewRule) -> anyhow::Result<Value> {
        let source = match (&new.wasm, &new.builtin, &new.from) {
            (Some(path), ..) => {
                let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
                json!({ "wasm": STANDARD.encode(bytes) })
            }
            (_, Some(name), _) => json!({ "builtin": name }),
            (.., Some(id)) => json!({ "ruleVersionId": id }),
            (None, None, None) => bail!("one of --wasm, --builtin and --from is needed"),
        };
        let mut input = json!({
            "accountId": new.account,
            "kind": new.kind.to_uppercase(),
            "name": new.name,
            "source": source,
            "configuration": configuration(&new.configuration)?,
        });
        if let Some(policy) = new.failure_policy {
            input["failurePolicy"] = json!(policy.to_uppercase().replace('-', "_"));
        }
        let document = format!(
            "mutation UploadRule($input: UploadRuleInput!) {{ uploadRule(input: $input) {{ ruleVersion {{ ...F }} {ERRORS} }} }} {FIELDS}"
        );
        self.mutate(&document, "uploadRule", input).await
    }

    async fn activate(&self, rule: &str) -> anyhow::Result<Value> {
        let document = format!(
            "mutation ActivateRule($input: ActivateRuleInput!) {{ activateRule(input: $input) {{ ruleVersion {{ ...F }} {ERRORS} }} }} {FIELDS}"
        );
        self.mutate(&document, "activateRule", json!({ "ruleVersionId": rule }))
            .await
    }

    async fn list(&self, account: &str) -> anyhow::Result<Vec<Value>> {
        let document = format!(
            "query Rules($id: ID!, $before: String) {{ account(id: $id) {{ ruleVersions(last: 100, before: $before) {{ nodes {{ ...F }} pageInfo {{ hasPreviousPage startCursor }} }} }} }} {FIELDS}"
        );
        let (mut rules, mut before) = (Vec::new(), Value::Null);
        loop {
            let data = self
                .send(&document, json!({ "id": account, "before": before }))
                .await?;
            let page = &data["account"]["ruleVersions"];
            if page.is_null() {
                return Err(Refused("The rules of this account are not yours to see.".to_owned()).into());
            }
            rules.extend(page["nodes"].as_array().into_iter().flatten().rev().cloned());
            if page["pageInfo"]["hasPreviousPage"] != json!(true) {
                return Ok(rules);
            }
            before = page["pageInfo"]["startCursor"].clone();
        }
    }

    /// Sends a mutation and answers its rule version.
    async fn mutate(&self, document: &str, field: &str, input: Value) -> anyhow::Result<Value> {
        let mut data = self.send(document, json!({ "input": input })).await?;
        let payload = &mut data[field];
        let refusals: Vec<String> = payload["userErrors"]
            .as_array()
            .into_iter()
            .flatten()
            .map(refusal)
            .collect();
        if !refusals.is_empty() {
            return Err(Refused(refusals.join("\n")).into());
        }
        Ok(payload["ruleVersion"].take())
    }

    async fn send(&self, document: &str, variables: Value) -> anyhow::Result<Value> {
        let url = &self.server.url;
        let response = self
            .http
            .post(url)
            .bearer_auth(self.server.token.as_deref().unwrap_or_default())
            .header(
                "accept",
                "application/graphql-response+json, application/json;q=0.9",
            )
            .json(&json!({ "query": document, "variables": variables }))
            .send()
            .await
            .with_context(|| format!("cannot reach {url}"))?;
        let status = response.status();
        let mut body: Value = response
            .json()
            .await
            .with_context(|| format!("{url} answered {status} and no GraphQL response"))?;
        let errors: Vec<String> = body["errors"]
            .as_array()
            .into_iter()
            .flatten()
            .map(refusal)
            .collect();
        if !errors.is_empty() {
            return Err(Refused(errors.join("\n")).into());
        }
        Ok(body["data"].take())
    }
}

/// JSON given as text, or in a file.
fn configuration(given: &str) -> anyhow::Result<Value> {
    let path = Path::new(given);
    let content = if given.trim_start().starts_with('{') {
        given.to_owned()
    } else {
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?
    };
    serde_json::from_str(&content).context("the configuration is not valid JSON")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn refusal(error: &Value) -> String {
    let code = error["code"]
        .as_str()
        .or_else(|| error["extensions"]["code"].as_str())
        .unwrap_or("ERROR");
    format!("{} ({code})", text(&error["message"]))
}

fn said(rule: &Value) -> String {
    format!(
        "{} version {} ({}) is {}.\nDigest {}.",
        text(&rule["name"]),
        rule["version"],
        text(&rule["id"]),
        text(&rule["status"]),
        text(&rule["digest"])
    )
}

fn row(rule: &Value) -> Vec<String> {
    let digest: String = text(&rule["digest"]).chars().take(19).collect();
    let column = |name: &str| text(&rule[name]).to_owned();
    vec![
        column("id"),
        column("kind"),
        column("name"),
        rule["version"].to_string(),
        column("status"),
        digest,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_json_or_a_file_of_it() {
        assert_eq!(configuration(r#" {"a":1}"#).expect("valid"), json!({ "a": 1 }));
        assert!(configuration("{").is_err());
        assert!(configuration("no-such-file.json").is_err());
    }

    #[test]
    fn errors_of_both_kinds_show_their_code() {
        assert_eq!(
            refusal(&json!({ "message": "m", "code": "CONFLICT" })),
            "m (CONFLICT)"
        );
        assert_eq!(
            refusal(&json!({ "message": "m", "extensions": { "code": "NOT_FOUND" } })),
            "m (NOT_FOUND)"
        );
    }
}
