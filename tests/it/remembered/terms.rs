//! Plans, live limits rules, and what they said.

use std::sync::Arc;
use std::time::Duration;

use canopy_domain::entity::account::Model as Account;
use canopy_domain::entity::rule_version::{FailurePolicy, RuleKind};
use canopy_domain::entity::{Role, RuleVersionId};
use canopy_domain::rules::{ChangeRule, RollBackRule, RuleSource, RuleStep};
use serde_json::{Value, json};

use crate::app::rules::unlimited;
use crate::app::{App, Caller, until};

const READ: &str = "query ($id: ID!) { account(id: $id) {
  plan { id name configuration }
  limits { resource(name: \"subaccounts\") { max decidedBy { ruleVersion } } }
  subaccounts { nodes { plan { id } limits { resources { resource max used } } } }
} }";

async fn read(app: &App, caller: &Caller, account: &Account) -> Value {
    let answer = app.run(caller, READ, json!({"id": account.id.as_str()})).await;
    answer.data()["account"].clone()
}

/// The most subaccounts that the account may have.
async fn most(app: &App, caller: &Caller, account: &Account) -> Value {
    read(app, caller, account).await["limits"]["resource"]["max"].clone()
}

/// The statements of a read that ask for a plan or a rule.
async fn asked_for_terms(app: &App, caller: &Caller, account: &Account) -> Vec<String> {
    app.statements.take();
    read(app, caller, account).await;
    let about = |sql: &String| {
        ["\"plans\"", "rule_versions", "rule_activations"]
            .iter()
            .any(|table| sql.contains(table))
    };
    let statements = app.statements.take();
    statements.into_iter().map(|one| one.sql).filter(about).collect()
}

fn caps(subaccounts: u32) -> Value {
    json!({
        "max_depth": null, "caps": {"subaccounts": subaccounts}, "key_policy": "OWN", "member_policy": "OWN",
        "shared_resources": [], "starter_credits": 0, "credit_value": 0, "credit_modes": ["MANUAL"],
        "allow_below_cost": false,
    })
}

/// Makes a limits rule live that allows so many subaccounts.
async fn allow(app: &App, account: &Account, subaccounts: u32) -> RuleVersionId {
    let source = RuleSource::Builtin("limits-by-plan".to_owned());
    app.live_rule(account, RuleKind::Limits, source, caps(subaccounts), None)
        .await
}

async fn house() -> (App, Account, Caller) {
    let app = App::start().await;
    let main = app.main_account(None, "Main", "pln_itellico").await;
    app.subaccount(&main, "Child").await;
    let owner = app.member(&main, Role::Owner).await;
    (app, main, owner)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_read_asks_for_no_plan_and_no_rule() {
    let (app, main, owner) = house().await;
    assert!(
        !asked_for_terms(&app, &owner, &main).await.is_empty(),
        "the first one asks"
    );
    let again = asked_for_terms(&app, &owner, &main).await;
    assert!(again.is_empty(), "{again:#?}");
    // What a draft of another account does concerns nobody.
    let other = app.main_account(None, "Other", "pln_itellico").await;
    let again = asked_for_terms(&app, &owner, &main).await;
    assert!(again.is_empty(), "{again:#?}");
    allow(&app, &other, 3).await;
    assert!(
        !asked_for_terms(&app, &owner, &main).await.is_empty(),
        "a rule is live since"
    );

    let app = App::on_configured(Arc::clone(&app.database), |settings| {
        settings.remember = Duration::ZERO;
    })
    .await;
    let counts = [
        asked_for_terms(&app, &owner, &main).await.len(),
        asked_for_terms(&app, &owner, &main).await.len(),
    ];
    assert!(counts[1] > 0 && counts[0] == counts[1], "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_step_of_a_live_rule_holds_with_the_next_read() {
    let (app, main, owner) = house().await;
    let plans = most(&app, &owner, &main).await;
    let first = allow(&app, &main, 5).await;
    assert_eq!(most(&app, &owner, &main).await, 5);
    let second = allow(&app, &main, 4).await;
    assert_eq!(most(&app, &owner, &main).await, 4);
    let back = RollBackRule {
        account_id: main.id.clone(),
        kind: RuleKind::Limits,
        reason: None,
    };
    let system = app.system(&main);
    app.domain.roll_back_rule(&system, back, None).await.unwrap();
    assert_eq!(most(&app, &owner, &main).await, 5);
    let retire = ChangeRule::new(RuleStep::Retire, first);
    app.domain.change_rule(&system, retire, None).await.unwrap();
    assert_eq!(most(&app, &owner, &main).await, plans);
    let again = ChangeRule::new(RuleStep::Activate, second);
    app.domain.change_rule(&system, again, None).await.unwrap();
    assert_eq!(most(&app, &owner, &main).await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_fails_is_asked_each_time_until_it_is_in_quarantine() {
    let (app, main, owner) = house().await;
    let trap = RuleSource::Wasm(unlimited("(unreachable)"));
    let policy = Some(FailurePolicy::ParentRule);
    app.live_rule(&main, RuleKind::Limits, trap, json!({}), policy)
        .await;
    let failures = async || app.count("rule_failures").await;
    let quarantined = "SELECT id FROM rule_versions WHERE status = 'QUARANTINED'";
    let mut seen = failures().await;
    while app.rows(quarantined).await.is_empty() {
        read(&app, &owner, &main).await;
        assert!(failures().await > seen, "it is asked again");
        seen = failures().await;
    }
    read(&app, &owner, &main).await;
    assert_eq!(failures().await, seen, "what is in quarantine is not asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_reads_by_what_it_was_told_and_decides_by_what_there_is() {
    let (here, main, owner) = house().await;
    let there = App::on(Arc::clone(&here.database)).await;
    there.relay().await;
    assert_ne!(most(&there, &owner, &main).await, 1);
    allow(&here, &main, 1).await;
    // One more would be one too many, as this process finds though nobody told it.
    let input = json!({"parentId": main.id.as_str(), "name": "Second"});
    let refused = there.create_subaccount(&owner, input).await;
    assert_eq!(refused.user_error(), "LIMIT_EXCEEDED");
    there.relay().await;
    assert_eq!(most(&there, &owner, &main).await, 1);

    // One that hears nothing.
    let deaf = App::on_configured(Arc::clone(&here.database), |settings| {
        settings.remember = Duration::from_millis(300);
    })
    .await;
    assert_eq!(most(&deaf, &owner, &main).await, 1);
    allow(&here, &main, 2).await;
    until("the rule to be read again", async || {
        (most(&deaf, &owner, &main).await == 2).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_another_version_ships_is_news() {
    let (app, main, owner) = house().await;
    let name = async || read(&app, &owner, &main).await["plan"]["name"].clone();
    let shipped = name().await;
    let earlier = "UPDATE plans SET name = 'Earlier' WHERE id = 'pln_itellico'";
    app.tamper(earlier).await.unwrap();
    assert_eq!(name().await, shipped, "nobody told of it");
    // Somebody tells of something that concerns rules.
    allow(&app, &main, 7).await;
    assert_eq!(name().await, "Earlier");
    // A process that starts brings the plans up to date, and tells.
    App::on(Arc::clone(&app.database)).await;
    app.relay().await;
    assert_eq!(name().await, shipped);
    let told = "SELECT seq FROM outbox WHERE topic = 'plans'";
    assert_eq!(app.rows(told).await.len(), 1);
    App::on(Arc::clone(&app.database)).await;
    assert_eq!(app.rows(told).await.len(), 1, "what is up to date is no news");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_rule_said_follows_what_it_was_asked() {
    let (app, main, owner) = house().await;
    let used = async || {
        let account = read(&app, &owner, &main).await;
        let limits = account["subaccounts"]["nodes"][0]["limits"]["resources"].clone();
        let of = |limit: &&Value| limit["resource"] == "members";
        limits.as_array().unwrap().iter().find(of).unwrap()["used"].clone()
    };
    assert_eq!(used().await, 0);
    let child = app.rows("SELECT id FROM accounts WHERE depth = 1").await[0]["id"].clone();
    let id = canopy_domain::entity::AccountId::parse(child.as_str().unwrap()).unwrap();
    let system = app.system(&main);
    let view = app.domain.account(&system, &id).await.unwrap();
    let person = app.person("New").await;
    app.domain
        .add_member(&system, &view, &person, Role::Member)
        .await
        .unwrap();
    assert_eq!(used().await, 1);
}
