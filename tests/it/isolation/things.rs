//! What there is of each account in the world: something of every kind that can be told, whose every text names the
//! account.

use canopy_domain::alerts::{NewUsageAlert, Threshold};
use canopy_domain::entity::account::Model as Account;
use canopy_domain::entity::usage_alert::AlertPeriod;
use chrono::{Datelike, TimeZone, Utc};
use serde_json::{Value, json};

use crate::app::{App, Caller};

impl App {
    /// Usage of an account, with what follows from it: thresholds, messages, holds, a correction. `owner` is that of the
    /// topmost account.
    pub(super) async fn use_something(&self, owner: &Caller, account: &Account, name: &str) {
        self.usage_alert(account, name).await;
        self.amount_alert(account, name).await;
        let endpoint = self.webhook_endpoint(account, name).await.endpoint;
        let rotate = "mutation ($id: ID!) { rotateWebhookSecret(input: {id: $id}) { userErrors { code } } }";
        let rotated = self.run(owner, rotate, json!({"id": endpoint.id.as_str()})).await;
        rotated.success();
        let mut events = vec![
            tagged_event(name, "0"),
            tagged_event(name, "1"),
            late_event(name, "late"),
        ];
        if account.parent_id.is_some() {
            events.push(tagged_event(name, "wrong"));
        }
        self.accepted(&self.record(owner, account, json!(events)).await);
        if account.parent_id.is_some() {
            self.hold_something(owner, account, name).await;
            self.amend_something(owner, account, name).await;
        }
        self.send_something(name, endpoint.id.as_str()).await;
    }

    /// Usage that came after its month was closed.
    pub(super) async fn use_late(&self, owner: &Caller, account: &Account, name: &str) {
        let events = json!([late_event(name, "later")]);
        self.accepted(&self.record(owner, account, events).await);
    }

    /// What became of a seller's rule: a dry run, a failure, and another version in shadow.
    pub(super) async fn try_something(&self, owner: &Caller, seller: &Account, name: &str, rule: &str) {
        self.dry_run(seller, rule).await;
        self.guard(seller, "5").await;
        let failed = format!(
            "INSERT INTO rule_failures (id, rule_version_id, account_id, subject, kind, message, logs, input, counted, failed_at)
             SELECT 'rfl_' || substr(id, 5), id, owner_account_id, '{name}', 'TRAP', '{name} failed', '[\"{name} logs\"]',
               '{{\"from\": \"{name}\"}}', true, created_at
             FROM rule_versions WHERE id = '{rule}'"
        );
        self.tamper(&failed).await.expect("a failure can be inserted");
        let tag = name.replace('.', "-");
        let input = json!({
            "accountId": seller.id.as_str(), "kind": "PRICING", "name": tag, "source": {"builtin": "tiered-pricing"},
            "configuration": {"meters": {"*": {"unit_price": "0.2"}, (tag.as_str()): {"unit_price": "0.2"}}},
        });
        let uploaded = self.upload_rule(owner, input).await;
        let candidate = uploaded.success()["ruleVersion"]["id"].clone();
        let shadow = json!({"ruleVersionId": candidate, "reason": format!("{name} has a reason")});
        self.rule_step(owner, "shadowRule", shadow).await.success();
    }

    async fn amount_alert(&self, account: &Account, name: &str) {
        let new = NewUsageAlert {
            account_id: account.id.clone(),
            name: format!("{name} costs"),
            meter: name.to_owned(),
            period: AlertPeriod::Month,
            include_descendants: true,
            threshold: Threshold::Amount("0.1".parse().expect("an amount")),
        };
        let system = self.system(account);
        let made = self.domain.create_usage_alert(&system, new, None).await;
        made.expect("the system may make alerts");
    }

    /// Two holds: an open one, and one that was settled.
    async fn hold_something(&self, owner: &Caller, account: &Account, name: &str) {
        let usage = json!({
            "accountId": account.id.as_str(), "meter": name, "quantity": "1", "attributes": {"from": name},
        });
        let open = self.hold(owner, &usage, &format!("{name}.open")).await;
        assert_eq!(open.success()["hold"]["status"], "HELD");
        let settled = self.hold(owner, &usage, &format!("{name}.settled")).await;
        let id = settled.text("/holdUsage/hold/id");
        self.settle(owner, &id, "1").await.success();
    }

    async fn amend_something(&self, owner: &Caller, account: &Account, name: &str) {
        let amend = "mutation ($input: CorrectUsageInput!) {
          correctUsage(input: $input) { results { status } userErrors { code } } }";
        let input = json!({"accountId": account.id.as_str(), "corrections": [{
            "idempotencyKey": format!("{name}.amended"), "eventIdempotencyKey": format!("{name}.wrong"),
            "kind": "AMEND", "quantity": "2", "reason": format!("{name} was wrong"),
        }]});
        let amended = self.run(owner, amend, json!({"input": input})).await;
        assert_eq!(amended.success()["results"], json!([{"status": "ACCEPTED"}]));
    }

    /// Lets each message of an endpoint be tried, and those of clients be given up.
    async fn send_something(&self, name: &str, endpoint: &str) {
        let tried = format!(
            "INSERT INTO webhook_attempts (id, delivery_id, started_at, duration_ms, status_code, error, response)
             SELECT 'wha_' || substr(id, 5), id, created_at, 7, 500, '{name} erred', '{name} answered'
             FROM webhook_deliveries WHERE endpoint_id = '{endpoint}'"
        );
        self.tamper(&tried).await.expect("an attempt can be inserted");
        if name.ends_with("client") {
            let given_up = format!(
                "UPDATE webhook_deliveries SET status = 'FAILED', next_attempt_at = NULL, ended_at = created_at
                 WHERE endpoint_id = '{endpoint}'"
            );
            self.tamper(&given_up).await.expect("a message can be given up");
        }
    }
}

fn tagged_event(name: &str, key: &str) -> Value {
    json!({
        "idempotencyKey": format!("{name}.{key}"), "meter": name, "quantity": "1", "attributes": {"from": name},
    })
}

/// An event at the end of the month before, which is never older than usage may be.
fn late_event(name: &str, key: &str) -> Value {
    let now = Utc::now();
    let this_month = Utc.with_ymd_and_hms(now.year(), now.month(), 1, 0, 0, 0);
    let at = this_month.single().expect("a month begins once") - chrono::Duration::hours(1);
    let mut event = tagged_event(name, key);
    event["occurredAt"] = json!(at.to_rfc3339());
    event
}
