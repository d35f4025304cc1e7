//! Two trees that have nothing to do with each other, with something of every kind in each account, and what each
//! caller may get to see, worked out from the trees and not from the code.

use std::collections::{BTreeMap, BTreeSet};

use canopy_domain::entity::Role;
use canopy_domain::entity::account::Model as Account;
use serde_json::{Value, json};

use crate::app::tree::ROLES;
use crate::app::{App, Caller};

/// The trees `alpha` and `omega`: a platform, its main account, a client with a branch, and another client.
pub(super) struct World {
    pub(super) app: App,
    /// By name, such as `alpha.client`.
    pub(super) accounts: BTreeMap<String, Account>,
    pub(super) callers: Vec<Asker>,
    /// The id of each seller's rule, by the seller's name.
    pub(super) rules: BTreeMap<String, String>,
}

/// Somebody who asks, and where the grant is.
pub(super) struct Asker {
    pub(super) label: String,
    pub(super) caller: Caller,
    /// The account of the grant; none for nobody.
    pub(super) grant: Option<String>,
    /// The role; none for an API key, which may do everything.
    pub(super) role: Option<Role>,
}

const PLACES: [&str; 5] = ["platform", "main", "client", "branch", "sibling"];

/// The places at and below a place.
fn below(place: &str) -> &'static [&'static str] {
    match place {
        "platform" => &PLACES,
        "main" => &["main", "client", "branch", "sibling"],
        "client" => &["client", "branch"],
        "branch" => &["branch"],
        "sibling" => &["sibling"],
        _ => &[],
    }
}

impl World {
    pub(super) async fn make() -> Self {
        let app = App::start().await;
        let mut accounts = BTreeMap::new();
        let (mut callers, mut rules) = (Vec::new(), BTreeMap::new());
        for tree in ["alpha", "omega"] {
            let name = |place: &str| format!("{tree}.{place}");
            let platform = app.platform(&name("platform")).await;
            let main = app
                .main_account(Some(&platform), &name("main"), "pln_itellico")
                .await;
            let client = app.subaccount(&main, &name("client")).await;
            let branch = app.subaccount(&client, &name("branch")).await;
            let sibling = app.subaccount(&main, &name("sibling")).await;
            app.fund(&main, "100").await;
            let places = [platform, main, client, branch, sibling];
            for (seller, place) in places.iter().zip(PLACES).take(3) {
                let tag = name(place).replace('.', "-");
                let configuration =
                    json!({"meters": {"*": {"unit_price": "0.1"}, tag: {"unit_price": "0.1"}}});
                let rule = app.tiered_pricing(seller, configuration).await;
                rules.insert(name(place), rule.to_string());
            }
            for (account, place) in places.iter().zip(PLACES) {
                for role in ROLES {
                    callers.push(Asker {
                        label: format!("{role:?} at {}", name(place)),
                        caller: app.member(account, role).await,
                        grant: Some(name(place)),
                        role: Some(role),
                    });
                }
                callers.push(Asker {
                    label: format!("API key of {}", name(place)),
                    caller: app.full_api_key(account).await,
                    grant: Some(name(place)),
                    role: None,
                });
            }
            for (account, place) in places.iter().zip(PLACES) {
                app.usage_alert(account, &name(place)).await;
                app.webhook_endpoint(account, &name(place)).await;
                let owner = callers
                    .iter()
                    .find(|asker| asker.label == format!("Owner at {}", name("platform")));
                let events: Vec<Value> = (0..2).map(|n| tagged_event(&name(place), n)).collect();
                let owner = &owner.expect("the owner was made above").caller;
                app.accepted(&app.record(owner, account, json!(events)).await);
                if account.parent_id.is_some() {
                    app.hold_something(owner, account, &name(place)).await;
                }
            }
            for (seller, place) in places.iter().zip(PLACES).take(3) {
                app.dry_run(seller, &rules[&name(place)]).await;
                app.guard(seller, "5").await;
            }
            accounts.extend(PLACES.iter().map(|place| name(place)).zip(places));
        }
        callers.push(Asker {
            label: "nobody".to_owned(),
            caller: Caller::nobody(),
            grant: None,
            role: None,
        });
        Self {
            app,
            accounts,
            callers,
            rules,
        }
    }

    /// Who is to try it all: everybody of the first tree and nobody. The second tree is what they must not see.
    pub(super) fn askers(&self) -> impl Iterator<Item = &Asker> {
        let foreign = |asker: &&Asker| {
            let grant = asker.grant.as_deref();
            grant.is_none_or(|grant| grant.starts_with("alpha"))
        };
        self.callers.iter().filter(foreign)
    }

    /// The names of the accounts that an asker may see.
    pub(super) fn visible(&self, asker: &Asker) -> BTreeSet<String> {
        let Some((tree, place)) = asker.grant.as_deref().and_then(|grant| grant.split_once('.')) else {
            return BTreeSet::new();
        };
        below(place)
            .iter()
            .map(|place| format!("{tree}.{place}"))
            .collect()
    }

    /// The ids that an asker may be told, each with what it is.
    pub(super) async fn allowed_ids(&self, asker: &Asker) -> BTreeSet<String> {
        let mut allowed = BTreeSet::new();
        for name in self.visible(asker) {
            let id = &self.accounts[&name].id;
            allowed.insert(id.to_string());
            for sql in [
                format!("SELECT id FROM members WHERE account_id = '{id}'"),
                format!("SELECT user_id AS id FROM members WHERE account_id = '{id}'"),
                format!("SELECT id FROM api_keys WHERE account_id = '{id}'"),
                format!("SELECT id FROM usage_events WHERE account_id = '{id}'"),
                format!("SELECT id FROM usage_holds WHERE account_id = '{id}'"),
                format!("SELECT id FROM rule_versions WHERE owner_account_id = '{id}'"),
                format!("SELECT id FROM rule_changes WHERE account_id = '{id}'"),
                format!("SELECT id FROM rule_failures WHERE account_id = '{id}'"),
                format!("SELECT id FROM simulations WHERE account_id = '{id}'"),
                format!("SELECT id FROM usage_alerts WHERE account_id = '{id}'"),
                format!("SELECT id FROM usage_alert_crossings WHERE account_id = '{id}'"),
                format!("SELECT id FROM webhook_endpoints WHERE account_id = '{id}'"),
                format!(
                    "SELECT d.id FROM webhook_deliveries d JOIN webhook_endpoints e ON e.id = d.endpoint_id
                     WHERE e.account_id = '{id}'"
                ),
                format!("SELECT id FROM ratings WHERE buyer_account_id = '{id}'"),
                // A receipt names the rule that made the price, whoever the seller is.
                format!(
                    "SELECT rule_version_id AS id FROM ratings
                     WHERE buyer_account_id = '{id}' AND rule_version_id IS NOT NULL"
                ),
            ] {
                let rows = self.app.rows(&sql).await;
                allowed.extend(
                    rows.iter()
                        .map(|row| row["id"].as_str().expect("an id is text").to_owned()),
                );
            }
        }
        if asker.grant.is_some() {
            let rows = self
                .app
                .rows("SELECT id FROM rule_versions WHERE owner_account_id IS NULL")
                .await;
            allowed.extend(
                rows.iter()
                    .map(|row| row["id"].as_str().expect("an id is text").to_owned()),
            );
        }
        allowed
    }

    /// Every id of every table that has ids.
    pub(super) async fn all_ids(&self) -> Vec<String> {
        let mut ids = Vec::new();
        for table in [
            "accounts",
            "users",
            "members",
            "api_keys",
            "plans",
            "rule_versions",
            "rule_activations",
            "rule_changes",
            "rule_failures",
            "usage_events",
            "usage_holds",
            "ratings",
            "simulations",
            "simulation_accounts",
            "usage_alerts",
            "usage_alert_crossings",
            "webhook_endpoints",
            "webhook_deliveries",
            "ledger_accounts",
            "postings",
            "audit_log",
        ] {
            let rows = self
                .app
                .rows(&format!("SELECT id FROM {table} ORDER BY id"))
                .await;
            ids.extend(
                rows.iter()
                    .map(|row| row["id"].as_str().expect("an id is text").to_owned()),
            );
        }
        ids
    }
}

impl App {
    /// Two holds whose every text names their account: an open one, and one that was settled.
    async fn hold_something(&self, caller: &Caller, account: &Account, name: &str) {
        let usage = json!({
            "accountId": account.id.as_str(), "meter": name, "quantity": "1", "attributes": {"from": name},
        });
        let open = self.hold(caller, &usage, &format!("{name}.open")).await;
        assert_eq!(open.success()["hold"]["status"], "HELD");
        let settled = self.hold(caller, &usage, &format!("{name}.settled")).await;
        let id = settled.text("/holdUsage/hold/id");
        self.settle(caller, &id, "1").await.success();
    }
}

/// An event whose every text names its account.
fn tagged_event(name: &str, n: usize) -> Value {
    json!({
        "idempotencyKey": format!("{name}.{n}"), "meter": name, "quantity": "1", "attributes": {"from": name},
    })
}
