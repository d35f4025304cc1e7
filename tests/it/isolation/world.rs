//! Two trees that have nothing to do with each other, with something of every kind in each account, and what each
//! caller may get to see, worked out from the trees and not from the code.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use canopy_domain::entity::account::Model as Account;
use canopy_domain::entity::{Level, PermissionKey, Role};
use canopy_schema::{Requirement, requirements};
use serde_json::json;

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

impl Asker {
    /// Whether the asker has this level in the accounts that it sees.
    pub(super) fn may(&self, key: PermissionKey, level: Level) -> bool {
        self.grant.is_some() && self.role.is_none_or(|role| role.level(key).allows(level))
    }

    /// The name of the person who asks.
    fn name(&self) -> String {
        self.label.replace(" at ", " of ")
    }
}

/// Gives the accounts of a tree something of every kind.
async fn fill(
    app: &App,
    owner: &Caller,
    places: &[Account; 5],
    rules: &BTreeMap<String, String>,
    name: &(dyn Fn(&str) -> String + Sync),
) {
    for (account, place) in places.iter().zip(PLACES) {
        app.use_something(owner, account, &name(place)).await;
    }
    for (seller, place) in places.iter().zip(PLACES).take(3) {
        app.try_something(owner, seller, &name(place), &rules[&name(place)])
            .await;
    }
    let closed = app.domain.close_periods(Duration::ZERO, 100).await;
    assert_eq!(closed.expect("months can be closed"), 1);
    for (account, place) in places.iter().zip(PLACES) {
        app.use_late(owner, account, &name(place)).await;
    }
    app.relay().await;
    app.domain.follow_shadows("test").await.expect("shadows can look");
}

/// What tells roles apart in all that can be read.
fn levels(role: Role) -> Vec<Level> {
    let read = requirements().iter().filter(|row| row.type_name != "Mutation");
    let levels = read.filter_map(|row| match row.requirement {
        Requirement::Permission(key, _) => Some(role.level(key)),
        _ => None,
    });
    levels.collect()
}

/// What is told of an account, `@id`, by the level that it needs there.
const TOLD: [(PermissionKey, Level, &[&str]); 5] = [
    (
        PermissionKey::Members,
        Level::Read,
        &[
            "SELECT id FROM members WHERE account_id = '@id'",
            "SELECT user_id AS id FROM members WHERE account_id = '@id'",
        ],
    ),
    (
        PermissionKey::ApiKeys,
        Level::Read,
        &["SELECT id FROM api_keys WHERE account_id = '@id'"],
    ),
    (
        PermissionKey::Usage,
        Level::Full,
        &[
            "SELECT id FROM usage_events WHERE account_id = '@id'",
            "SELECT id FROM usage_holds WHERE account_id = '@id'",
            "SELECT id FROM usage_alerts WHERE account_id = '@id'",
            "SELECT id FROM usage_alert_crossings WHERE account_id = '@id'",
            "SELECT id FROM ratings WHERE buyer_account_id = '@id'",
        ],
    ),
    (
        PermissionKey::Billing,
        Level::Full,
        &[
            "SELECT id FROM rule_versions WHERE owner_account_id = '@id'",
            "SELECT id FROM rule_changes WHERE account_id = '@id'",
            "SELECT id FROM rule_failures WHERE account_id = '@id'",
            "SELECT id FROM simulations WHERE account_id = '@id'",
        ],
    ),
    (
        PermissionKey::Webhooks,
        Level::Read,
        &[
            "SELECT id FROM webhook_endpoints WHERE account_id = '@id'",
            "SELECT d.id FROM webhook_deliveries d JOIN webhook_endpoints e ON e.id = d.endpoint_id
             WHERE e.account_id = '@id'",
            // What a message is about.
            "SELECT d.subject AS id FROM webhook_deliveries d JOIN webhook_endpoints e ON e.id = d.endpoint_id
             WHERE e.account_id = '@id'",
        ],
    ),
];

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
            let owner = callers
                .iter()
                .find(|asker| asker.label == format!("Owner at {}", name("platform")));
            let owner = &owner.expect("the owner was made above").caller;
            fill(&app, owner, &places, &rules, &name).await;
            accounts.extend(PLACES.iter().map(|place| name(place)).zip(places));
        }
        let signed_in = app.tamper("UPDATE users SET last_sign_in_at = created_at").await;
        signed_in.expect("users can be changed");
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

    /// Nobody in particular.
    pub(super) fn nobody(&self) -> &Asker {
        let mut callers = self.callers.iter();
        callers
            .find(|asker| asker.grant.is_none())
            .expect("nobody is among the callers")
    }

    /// Who is to try it all, as numbers of callers: everybody of the first tree and nobody. The second tree is what they
    /// must not see. Roles with the same levels in all that can be read are told apart at one account only.
    pub(super) fn kinds(&self) -> Vec<usize> {
        let mut seen: Vec<(&str, Option<Vec<Level>>)> = Vec::new();
        let mut is_new = |asker: &'_ Asker, grant| {
            let kind = (grant, asker.role.map(levels));
            let is_new = !seen.contains(&kind);
            seen.push(kind);
            is_new
        };
        let numbered = self.callers.iter().enumerate();
        let asked = numbered.filter(|(_, asker)| match asker.grant.as_deref() {
            Some(grant) if grant.starts_with("omega") => false,
            Some("alpha.main") | None => true,
            Some(grant) => is_new(asker, grant),
        });
        asked.map(|(number, _)| number).collect()
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

    /// The ids that an asker may be told.
    pub(super) async fn allowed_ids(&self, asker: &Asker) -> BTreeSet<String> {
        let mut allowed = BTreeSet::new();
        for name in self.visible(asker) {
            let id = self.accounts[&name].id.as_str();
            allowed.insert(id.to_owned());
            let told = TOLD.iter().filter(|(key, level, _)| asker.may(*key, *level));
            for sql in told.flat_map(|(_, _, statements)| *statements) {
                allowed.extend(self.ids(&sql.replace("@id", id)).await);
            }
        }
        if asker.grant.is_some() {
            allowed.extend(self.shipped_rules().await);
            allowed.extend(
                self.ids(&format!("SELECT id FROM users WHERE name = '{}'", asker.name()))
                    .await,
            );
        }
        allowed
    }

    /// The rules that Canopy ships.
    pub(super) async fn shipped_rules(&self) -> BTreeSet<String> {
        let ids = self
            .ids("SELECT id FROM rule_versions WHERE owner_account_id IS NULL")
            .await;
        ids.into_iter().collect()
    }

    async fn ids(&self, sql: &str) -> Vec<String> {
        let rows = self.app.rows(sql).await;
        rows.iter()
            .map(|row| row["id"].as_str().expect("an id is text").to_owned())
            .collect()
    }

    /// Every id of every table that has ids.
    pub(super) async fn all_ids(&self) -> BTreeMap<&'static str, Vec<String>> {
        let mut ids = BTreeMap::new();
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
            ids.insert(
                table,
                self.ids(&format!("SELECT id FROM {table} ORDER BY id")).await,
            );
        }
        ids
    }
}
