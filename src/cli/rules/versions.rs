//! The versions of rules on a server: the steps of their life, and how they are shown.

use canopy_domain::rules_host::RuleKind;
use serde_json::{Map, Value, json};

use super::{
    arguments::{Activation, Step},
    check::cost_of,
    client::{Client, constant, text},
};
use crate::cli::{Refused, output::Output};

impl Client {
    /// Has the server check a draft.
    pub(super) async fn check(&self, rule: &str) -> anyhow::Result<Value> {
        self.change("checkRule", rule, Map::new()).await
    }

    /// Takes a step of a version's life.
    pub(super) async fn step(&self, mutation: &str, step: &Step) -> anyhow::Result<Value> {
        self.change(mutation, &step.rule, reason(step)).await
    }

    /// Makes a version live.
    pub(super) async fn go_live(&self, activation: &Activation) -> anyhow::Result<Value> {
        let mut input = reason(&activation.step);
        input.insert("confirmVariance".to_owned(), json!(activation.confirm_variance));
        self.activate(&activation.step.rule, input).await
    }

    pub(super) async fn activate(&self, rule: &str, input: Map<String, Value>) -> anyhow::Result<Value> {
        let live = self.change("activateRule", rule, input).await;
        live.map_err(|error| match error.downcast::<Refused>() {
            Ok(Refused(why)) if why.contains("confirmVariance") => Refused(format!(
                "{why}\n`canopy rules simulate {rule}` makes a dry run; \
                 `canopy rules activate {rule} --confirm-variance` goes on without."
            ))
            .into(),
            Ok(refused) => refused.into(),
            Err(error) => error,
        })
    }

    async fn change(
        &self,
        mutation: &str,
        rule: &str,
        mut input: Map<String, Value>,
    ) -> anyhow::Result<Value> {
        input.insert("ruleVersionId".to_owned(), json!(rule));
        self.mutate(mutation, Value::Object(input)).await
    }

    /// Makes the version before live again.
    pub(super) async fn rollback(
        &self,
        account: &str,
        kind: RuleKind,
        reason: Option<&str>,
    ) -> anyhow::Result<Value> {
        let input = json!({ "accountId": account, "kind": constant(kind.as_str()), "reason": reason });
        self.mutate("rollbackRule", input).await
    }
}

fn reason(step: &Step) -> Map<String, Value> {
    Map::from_iter([("reason".to_owned(), json!(step.reason))])
}

/// Shows a version.
pub(super) fn show(rule: &Value, output: &Output) -> anyhow::Result<()> {
    output.value(rule, || said(rule))?;
    Ok(())
}

/// A version in words.
pub(super) fn said(rule: &Value) -> String {
    format!(
        "{} version {} ({}) is {}.\n{}{}\nDigest {}.",
        text(&rule["name"]),
        rule["version"],
        text(&rule["id"]),
        text(&rule["status"]),
        cost_of(text(&rule["class"])),
        checked(&rule["checkReport"]),
        text(&rule["digest"])
    )
}

/// What the server's last check found, if there was one.
fn checked(report: &Value) -> String {
    let Some(checks) = report["checks"].as_array() else {
        return String::new();
    };
    let sum = |of: &str| checks.iter().filter_map(|check| check[of].as_i64()).sum::<i64>();
    format!(
        "\nIt passed {} checks: {} calls, {} answered, in {} µs (median there) and at most {} fuel.",
        checks.len(),
        sum("calls"),
        sum("answered"),
        report["medianMicros"],
        report["fuelMax"]
    )
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
