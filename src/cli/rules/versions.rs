//! The versions of rules on a server: upload, activate, list.

use std::{fs, path::Path};

use anyhow::{Context, bail};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{
    arguments::NewRule,
    client::{Client, ERRORS, text},
};
use crate::cli::Refused;

const FIELDS: &str =
    "fragment F on RuleVersion { id kind name version digest sizeBytes status activeSince createdAt }";

impl Client {
    pub(super) async fn upload(&self, new: NewRule) -> anyhow::Result<Value> {
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

    pub(super) async fn activate(&self, rule: &str) -> anyhow::Result<Value> {
        let document = format!(
            "mutation ActivateRule($input: ActivateRuleInput!) {{ activateRule(input: $input) {{ ruleVersion {{ ...F }} {ERRORS} }} }} {FIELDS}"
        );
        self.mutate(&document, "activateRule", json!({ "ruleVersionId": rule }))
            .await
    }

    pub(super) async fn list(&self, account: &str) -> anyhow::Result<Vec<Value>> {
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

pub(super) fn said(rule: &Value) -> String {
    format!(
        "{} version {} ({}) is {}.\nDigest {}.",
        text(&rule["name"]),
        rule["version"],
        text(&rule["id"]),
        text(&rule["status"]),
        text(&rule["digest"])
    )
}

pub(super) fn row(rule: &Value) -> Vec<String> {
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
}
