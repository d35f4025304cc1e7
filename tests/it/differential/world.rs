//! A tree with something of every kind in it, and callers of all kinds.

use canopy_domain::Actor;
use canopy_domain::entity::account::{CreditMode, Model as Account};
use canopy_domain::entity::rule_version::RuleKind;
use canopy_domain::entity::{Level, PermissionKey, Role};
use canopy_domain::rules::RuleSource;
use serde_json::{Value, json};

use super::Sides;
use crate::app::rules::unlimited;
use crate::app::{App, Caller};

pub(super) struct World {
    app: App,
    /// The accounts of the tree, and one of another.
    accounts: Vec<Account>,
    callers: Vec<(&'static str, Caller)>,
}

impl World {
    pub(super) async fn make() -> Self {
        let app = App::start().await;
        let platform = app.platform("Platform \"one\"").await;
        let main = app.main_account(Some(&platform), "Main", "pln_itellico").await;
        let client = app.subaccount(&main, "Client \u{1F332}").await;
        let branch = app.subaccount(&client, "Branch").await;
        let dealer = app.main_account(Some(&platform), "Dealer", "pln_connector").await;
        let sibling = app
            .subaccount_in_mode(&dealer, "Sibling", Some(CreditMode::Reselling))
            .await;
        let gone = app.subaccount(&main, "Gone").await;
        let foreign = app.main_account(None, "Foreign", "pln_itellico").await;
        let broken = app.main_account(Some(&platform), "Broken", "pln_itellico").await;
        let trap = RuleSource::Wasm(unlimited("(unreachable)"));
        app.live_rule(&broken, RuleKind::Limits, trap, json!({}), None)
            .await;
        app.fund(&main, "100").await;
        app.fund(&dealer, "100").await;
        app.purchase(&sibling, "2.5").await;
        app.unit_price(&platform, "0.1").await;
        app.unit_price(&main, "0.25").await;

        let owner = app.member(&platform, Role::Owner).await;
        let seller = app.member(&main, Role::Owner).await;
        let inside = app.member(&client, Role::Owner).await;
        let viewer = app.member(&client, Role::Viewer).await;
        for account in [&main, &client, &branch, &sibling] {
            app.member(account, Role::Member).await;
            app.member(account, Role::AgencyAdmin).await;
            let events: Vec<Value> = ["minutes", "calls"].iter().map(|meter| event(meter)).collect();
            app.accepted(&app.record(&owner, account, json!(events)).await);
        }
        for (account, zone) in [(&client, "Asia/Kathmandu"), (&branch, "America/New_York")] {
            let elsewhere = json!({"id": account.id.as_str(), "timeZone": zone});
            app.update_subaccount(&seller, elsewhere).await.success();
        }
        let closed = json!({"id": gone.id.as_str(), "status": "CLOSED"});
        app.update_subaccount(&seller, closed).await.success();
        let suspended = json!({"id": sibling.id.as_str(), "status": "SUSPENDED"});
        app.update_subaccount(&owner, suspended).await.success();
        let restricted = json!({
            "accountId": branch.id.as_str(),
            "permissions": [{"key": "SETTINGS", "level": "NONE"}, {"key": "MEMBERS", "level": "NONE"}],
        });
        app.set_permissions(&seller, restricted).await.success();
        let few = [
            (PermissionKey::Subaccounts, Level::Read),
            (PermissionKey::Usage, Level::Full),
        ];
        let few = app.api_key(&main, &few).await;
        let all = app.full_api_key(&client).await;
        let acting = seller.acting_on(&client.id);
        Self {
            app,
            accounts: vec![
                platform, main, client, branch, dealer, sibling, gone, broken, foreign,
            ],
            callers: vec![
                ("the owner of the platform", owner),
                ("the owner of the main account", seller),
                ("the same, acting on the client", acting),
                ("the owner of the client", inside),
                ("a viewer of the client", viewer),
                ("an API key with few levels", few),
                ("an API key of the client", all),
                ("nobody", Caller::nobody()),
            ],
        }
    }

    /// Ids that may be asked for, whoever sees them.
    pub(super) fn ids(&self) -> Vec<String> {
        let accounts = self.accounts.iter().map(|account| account.id.to_string());
        let others = ["acc_01jd0000000000000000000000", "acc_1", "mem_1", ""];
        accounts.chain(others.map(str::to_owned)).collect()
    }

    pub(super) fn sides(&self) -> Sides {
        Sides {
            planned: self.app.schema_with(|settings| settings.planned_reads = true),
            resolved: self.app.schema_with(|settings| settings.planned_reads = false),
        }
    }

    pub(super) async fn actors(&self) -> Vec<(&'static str, Option<Actor>)> {
        let mut actors = Vec::new();
        for (label, caller) in &self.callers {
            actors.push((*label, self.app.actor(caller).await));
        }
        actors
    }
}

fn event(meter: &str) -> Value {
    json!({"idempotencyKey": meter, "meter": meter, "quantity": "1.5"})
}
