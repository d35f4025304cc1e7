//! The versions of rules on a server: from an upload through the steps of their life.

use std::{fs, path::Path};

use anyhow::Context;
use serde_json::{Map, Value, json};

use super::{
    arguments::{NewRule, Push, Step},
    build,
    check::cost_of,
    client::{Client, text},
    project::Project,
};
use crate::cli::output::Output;

impl Client {
    /// Uploads a component, or makes a version of something that the server has.
    pub(super) async fn upload(&self, new: NewRule) -> anyhow::Result<Value> {
        let configuration = configuration(&new.configuration)?;
        let policy = new.failure_policy.as_deref();
        let source = match (&new.wasm, &new.builtin, &new.from) {
            (Some(path), ..) => {
                let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
                let query = Upload {
                    account: &new.account,
                    kind: &new.kind,
                    name: &new.name,
                    configuration: &configuration,
                    policy,
                    check: true,
                };
                return self.send_component(&query, bytes).await;
            }
            (_, Some(name), _) => json!({ "builtin": name }),
            (.., id) => json!({ "ruleVersionId": id }),
        };
        let mut input = json!({
            "accountId": new.account,
            "kind": new.kind.to_uppercase(),
            "name": new.name,
            "source": source,
            "configuration": configuration,
        });
        if let Some(policy) = policy {
            input["failurePolicy"] = json!(constant(policy));
        }
        self.mutate("uploadRule", "UploadRuleInput", input).await
    }

    /// Builds a project and uploads its component.
    pub(super) async fn push(&self, project: &Project, push: &Push) -> anyhow::Result<Value> {
        let configuration = match &push.configuration {
            Some(given) => configuration(given)?,
            None => project.configuration()?,
        };
        let query = Upload {
            account: &push.account,
            kind: project.kind.as_str(),
            name: push.name.as_deref().unwrap_or(&project.name),
            configuration: &configuration,
            policy: push.failure_policy.as_deref(),
            check: !push.draft,
        };
        self.send_component(&query, build::built(project)?.wasm).await
    }

    async fn send_component(&self, upload: &Upload<'_>, wasm: Vec<u8>) -> anyhow::Result<Value> {
        let kind = upload.kind.to_uppercase();
        let configuration = upload.configuration.to_string();
        let policy = upload.policy.map(constant);
        let mut query = vec![
            ("accountId", upload.account),
            ("kind", &kind),
            ("name", upload.name),
            ("configuration", &configuration),
            ("check", if upload.check { "true" } else { "false" }),
        ];
        if let Some(policy) = &policy {
            query.push(("failurePolicy", policy));
        }
        let answer = self.put("/rules", &query, wasm).await?;
        self.version(text(&answer["id"])).await
    }

    /// Takes a step of a version's life.
    pub(super) async fn step(&self, mutation: &str, step: &Step) -> anyhow::Result<Value> {
        let mut input = Map::from_iter([("ruleVersionId".to_owned(), json!(step.rule))]);
        if let Some(reason) = &step.reason {
            input.insert("reason".to_owned(), json!(reason));
        }
        if step.confirm_variance {
            input.insert("confirmVariance".to_owned(), json!(true));
        }
        let first = mutation[..1].to_uppercase();
        let input_type = format!("{first}{}Input", &mutation[1..]);
        self.mutate(mutation, &input_type, Value::Object(input)).await
    }

    /// Makes the version before live again.
    pub(super) async fn rollback(
        &self,
        account: &str,
        kind: &str,
        reason: Option<&str>,
    ) -> anyhow::Result<Value> {
        let input = json!({ "accountId": account, "kind": kind.to_uppercase(), "reason": reason });
        self.mutate("rollbackRule", "RollbackRuleInput", input).await
    }
}

/// What goes with a component.
struct Upload<'a> {
    account: &'a str,
    kind: &'a str,
    name: &'a str,
    configuration: &'a Value,
    policy: Option<&'a str>,
    check: bool,
}

/// A word of the command line as GraphQL writes it.
fn constant(word: &str) -> String {
    word.to_uppercase().replace('-', "_")
}

/// JSON given as text, or in a file.
pub(super) fn configuration(given: &str) -> anyhow::Result<Value> {
    let path = Path::new(given);
    let content = if given.trim_start().starts_with('{') {
        given.to_owned()
    } else {
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?
    };
    serde_json::from_str(&content).context("the configuration is not valid JSON")
}

/// Shows a version.
pub(super) fn show(rule: &Value, output: &Output) -> anyhow::Result<()> {
    output.value(rule, || {
        format!(
            "{} version {} ({}) is {}.\n{}\nDigest {}.",
            text(&rule["name"]),
            rule["version"],
            text(&rule["id"]),
            text(&rule["status"]),
            cost_of(text(&rule["class"])),
            text(&rule["digest"])
        )
    })?;
    Ok(())
}

/// Shows a list of versions.
pub(super) fn show_all(rules: &[Value], output: &Output) -> anyhow::Result<()> {
    let rows: Vec<Vec<String>> = rules.iter().map(row).collect();
    let head = ["ID", "KIND", "NAME", "VERSION", "CLASS", "STATUS", "DIGEST"];
    output.table(&json!(rules), &head, &rows)?;
    Ok(())
}

fn row(rule: &Value) -> Vec<String> {
    let digest: String = text(&rule["digest"]).chars().take(19).collect();
    let column = |name: &str| text(&rule[name]).to_owned();
    vec![
        column("id"),
        column("kind"),
        column("name"),
        rule["version"].to_string(),
        column("class"),
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
