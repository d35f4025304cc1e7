//! What happens when a seller's own rule fails: what was declared for it, and the receipt names what really decided.

use std::collections::BTreeSet;

use canopy_domain::entity::Role;
use canopy_domain::entity::account::Model as Account;
use serde_json::{Value, json};

use crate::app::rules::{doubling, unlimited};
use crate::app::{Answer, App, Caller, next};
use crate::operations::{base64, base64url, event};

/// A platform that sells at 7 a unit to a main account, whose own rule traps on 5000 units.
struct House {
    app: App,
    platform: Account,
    seller: Account,
    client: Account,
    owner: Caller,
}

/// How many failures lead to a quarantine in these tests: as many as by default.
const TOO_MANY: usize = 10;

async fn house() -> House {
    let app = App::start().await;
    let platform = app.platform("Platform").await;
    let seller = app.main_account(Some(&platform), "Seller", "pln_itellico").await;
    let client = app.subaccount(&seller, "Client").await;
    app.fund(&seller, "10000000").await;
    let owner = app.member(&seller, Role::Owner).await;
    House {
        app,
        platform,
        seller,
        client,
        owner,
    }
}

fn units(key: &str, quantity: &str) -> Value {
    json!({"idempotencyKey": key, "meter": "minutes", "quantity": quantity})
}

impl House {
    async fn live(&self, source: Value, configuration: Value, kind: &str, policy: &str) -> Value {
        let input = json!({
            "accountId": self.seller.id.as_str(), "kind": kind, "name": "mine", "source": source,
            "configuration": configuration, "failurePolicy": policy,
        });
        self.app.upload_and_activate(&self.owner, input).await["id"].clone()
    }

    async fn priced_at(&self, unit_price: &str) -> Value {
        let configuration = json!({"meters": {"*": {"unit_price": unit_price}}});
        self.live(
            json!({"builtin": "tiered-pricing"}),
            configuration,
            "PRICING",
            "DENY",
        )
        .await
    }

    /// Twice the quantity, and a trap for 5000 units.
    async fn trapping(&self, policy: &str) -> Value {
        let source = json!({"wasm": base64(&doubling("(unreachable)"))});
        self.live(source, json!({}), "PRICING", policy).await
    }

    async fn record(&self, events: Value) -> Answer {
        self.app.record(&self.owner, &self.client, events).await
    }

    /// Price and version at the seller's own edge for 5000 units.
    async fn rating_of_5000(&self, key: &str) -> (Value, Value) {
        let events = self.app.accepted(&self.record(json!([units(key, "5000")])).await);
        assert_eq!(events[0]["ratingStatus"], "RATED", "{events:#?}");
        let rating = &events[0]["ratings"].as_array().unwrap().last().unwrap().clone();
        (rating["price"]["amount"].clone(), rating["ruleVersion"].clone())
    }

    async fn is_pending(&self, key: &str) -> bool {
        let events = self.app.accepted(&self.record(json!([units(key, "5000")])).await);
        events[0]["ratingStatus"] == "PENDING" && events[0]["ratings"] == json!([])
    }

    async fn version(&self, id: &Value) -> Value {
        self.app.rule_version(&self.owner, id).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deny_refuses_the_usage_and_keep_pending_keeps_it() {
    let house = house().await;
    let denying = house.trapping("DENY").await;
    let answer = house.record(json!([units("a", "5000"), event("b")])).await;
    let results = &answer.success()["results"];
    assert_eq!(results[0]["userErrors"][0]["code"], "RULE_FAILED");
    assert_eq!(results[1]["status"], "ACCEPTED");
    house.trapping("KEEP_PENDING").await;
    assert!(house.is_pending("a").await);
    let failures = house.version(&denying).await["failures"].clone();
    assert_eq!(failures.as_array().unwrap().len(), 1);
    assert_eq!(failures[0]["kind"], "trap");
    assert_eq!(failures[0]["account"], house.seller.id.as_str());
    assert_eq!(failures[0]["counted"], true);
    assert_eq!(failures[0]["input"]["lines"][0]["quantity"], 5_000_000_000_i64);
    house.app.assert_counted_once().await;
    house.app.assert_balanced().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rule_above_prices_in_place_of_one_that_failed_and_the_receipt_names_it() {
    let house = house().await;
    let above = house.app.unit_price(&house.platform, "1.5").await;
    let markup = json!({"meters": {"*": {"markup_ppm": 1_000_000}}});
    house
        .live(json!({"builtin": "tiered-pricing"}), markup, "PRICING", "DENY")
        .await;
    let (price, _) = house.rating_of_5000("before").await;
    assert_eq!(price, "15000", "twice the cost");
    house.trapping("PARENT_RULE").await;
    // 1.5 a unit at the platform's edge, and the same rule says 1.5 a unit at the seller's.
    // The version is the platform's: the rating names it, to those who may see it.
    let (price, version) = house.rating_of_5000("a").await;
    assert_eq!((price, version), (json!("7500"), Value::Null));
    let own = format!(
        "SELECT rule_version_id FROM ratings WHERE seller_account_id = '{}' ORDER BY id DESC LIMIT 1",
        house.seller.id
    );
    assert_eq!(house.app.rows(&own).await[0]["rule_version_id"], above.as_str());
    house.app.assert_balanced().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_version_before_prices_in_place_of_one_that_failed_and_the_receipt_names_it() {
    let house = house().await;
    let before = house.priced_at("3").await;
    let live = house.trapping("LAST_GOOD").await;
    let recorded = house.record(json!([units("a", "10"), units("b", "5000")])).await;
    let events = house.app.accepted(&recorded);
    let rating = |event: &Value| {
        let rating = &event["ratings"][1];
        (rating["price"]["amount"].clone(), rating["ruleVersion"].clone())
    };
    assert_eq!(rating(&events[0]), (json!("20"), live));
    assert_eq!(rating(&events[1]), (json!("15000"), before));
    house.app.assert_balanced().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nothing_stands_in_for_waits_and_is_never_free() {
    let house = house().await;
    house.trapping("LAST_GOOD").await;
    assert!(house.is_pending("nothing was live before").await);
    house.trapping("LAST_GOOD").await;
    assert!(house.is_pending("what was live before fails too").await);
    house.trapping("PARENT_RULE").await;
    assert!(house.is_pending("nobody above has a rule").await);
    house.app.assert_counted_once().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_fails_too_often_is_not_called_until_it_is_activated_again() {
    let house = house().await;
    let before = house.priced_at("3").await;
    let live = house.trapping("LAST_GOOD").await;
    let mut told = follow(&house, &house.owner).await;
    for n in 1..TOO_MANY {
        house.rating_of_5000(&format!("{n}")).await;
    }
    assert_eq!(house.version(&live).await["status"], "ACTIVE");
    house.rating_of_5000("one too many").await;
    let version = house.version(&live).await;
    assert_eq!(version["status"], "QUARANTINED");
    assert_eq!(version["quarantine"]["failures"], TOO_MANY);
    let reason = version["quarantine"]["reason"].as_str().unwrap();
    assert!(reason.contains("10 failures within 10 minutes"), "{reason}");
    assert_eq!(version["history"][0]["toStatus"], "QUARANTINED");
    assert_eq!(version["history"][0]["changedBy"], "system");
    assert_ne!(
        version["activeSince"],
        Value::Null,
        "it is still the one that was made live"
    );

    // The owner is told.
    house.app.relay().await;
    let news = next(&mut told).await.unwrap();
    assert_eq!(news.at("/ruleChanges/change/toStatus"), "QUARANTINED");
    assert_eq!(news.at("/ruleChanges/ruleVersion/id"), &live);
    let audited = house
        .app
        .number("SELECT count(*) FROM audit_log WHERE action = 'rule.quarantine' AND actor = 'system'")
        .await;
    assert_eq!(audited, 1);

    // Now the version before prices all usage, and the one in quarantine is not called at all.
    let events = house
        .app
        .accepted(&house.record(json!([units("small", "10")])).await);
    assert_eq!(events[0]["ratings"][1]["price"]["amount"], "30");
    assert_eq!(events[0]["ratings"][1]["ruleVersion"], before);
    let failures = house.app.count("rule_failures").await;
    house.rating_of_5000("while it is in quarantine").await;
    assert_eq!(house.app.count("rule_failures").await, failures);

    let lifted = house
        .app
        .activate_rule(&house.owner, json!({"ruleVersionId": live}))
        .await;
    assert_eq!(lifted.success()["ruleVersion"]["status"], "ACTIVE");
    assert_eq!(house.version(&live).await["quarantine"], Value::Null);
    let events = house
        .app
        .accepted(&house.record(json!([units("after", "10")])).await);
    assert_eq!(events[0]["ratings"][1]["ruleVersion"], live);
    // What happened before the activation does not count against it.
    house.rating_of_5000("again").await;
    assert_eq!(house.version(&live).await["status"], "ACTIVE");
    house.app.assert_balanced().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_in_quarantine_is_none_to_go_back_to() {
    let house = house().await;
    let good = house.priced_at("3").await;
    let bad = house.trapping("DENY").await;
    let line = |n: usize| {
        let mut line = units(&format!("{n}"), "5000");
        line["attributes"] = json!({"call": n});
        line
    };
    let lines: Vec<Value> = (0..TOO_MANY).map(line).collect();
    house.record(json!(lines)).await;
    assert_eq!(house.version(&bad).await["status"], "QUARANTINED");
    house.priced_at("4").await;
    assert_eq!(house.version(&bad).await["status"], "RETIRED");
    let back = json!({"accountId": house.seller.id.as_str(), "kind": "PRICING"});
    let back = house.app.rule_step(&house.owner, "rollbackRule", back).await;
    assert_eq!(back.success()["ruleVersion"]["id"], good);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_or_usage_that_is_tried_again_puts_no_rule_in_quarantine() {
    let house = house().await;
    let minutes = json!({"meters": {"minutes": {"unit_price": "1"}}});
    let live = house
        .live(
            json!({"builtin": "tiered-pricing"}),
            minutes,
            "PRICING",
            "KEEP_PENDING",
        )
        .await;
    let other = |n: usize| json!({"idempotencyKey": format!("m{n}"), "meter": "messages", "quantity": "1"});
    let lines: Vec<Value> = (0..2 * TOO_MANY).map(other).collect();
    house.app.accepted(&house.record(json!(lines)).await);
    let version = house.version(&live).await;
    assert_eq!(version["status"], "ACTIVE");
    let kinds: BTreeSet<String> = version["failures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|failure| format!("{} {}", failure["kind"], failure["counted"]))
        .collect();
    assert_eq!(kinds, BTreeSet::from(["\"refused\" false".to_owned()]));

    let trapping = house.trapping("KEEP_PENDING").await;
    assert!(house.is_pending("stuck").await);
    for _ in 0..2 * TOO_MANY {
        house.app.domain.rate_pending(100).await.unwrap();
    }
    let version = house.version(&trapping).await;
    assert_eq!(version["status"], "ACTIVE");
    let counted = version["failures"].as_array().unwrap().iter();
    assert_eq!(counted.filter(|failure| failure["counted"] == true).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_deny_or_fall_back_as_declared() {
    let house = house().await;
    let trap = || json!({"wasm": base64(&unlimited("(unreachable)"))});
    // The plan of the checks is another, so it traps for a real account only.
    let strict = json!({
        "max_depth": null, "caps": {"subaccounts": 1}, "key_policy": "OWN", "member_policy": "OWN",
        "shared_resources": [], "starter_credits": 0, "credit_value": 0, "credit_modes": ["MANUAL"],
        "allow_below_cost": false,
    });
    let good = house
        .live(json!({"builtin": "limits-by-plan"}), strict, "LIMITS", "DENY")
        .await;
    let limit = async || {
        let document = "query ($id: ID!) { account(id: $id) { limits { resource(name: \"subaccounts\") {
          max decidedBy { kind ruleVersion } } } } }";
        let variables = json!({"id": house.seller.id.as_str()});
        house.app.run(&house.owner, document, variables).await
    };
    assert_eq!(limit().await.at("/account/limits/resource/max"), 1);

    // The version before decides in its place, and is named.
    house.live(trap(), json!({}), "LIMITS", "LAST_GOOD").await;
    let answer = limit().await;
    assert_eq!(answer.at("/account/limits/resource/max"), 1);
    assert_eq!(answer.at("/account/limits/resource/decidedBy/ruleVersion"), &good);

    // Only what holds above holds: the plan.
    house.live(trap(), json!({}), "LIMITS", "PARENT_RULE").await;
    let answer = limit().await;
    assert_ne!(answer.at("/account/limits/resource/max"), 1);
    assert_ne!(answer.at("/account/limits/resource/decidedBy/ruleVersion"), &good);

    // The version before fails too.
    let last = house.live(trap(), json!({}), "LIMITS", "LAST_GOOD").await;
    assert_eq!(limit().await.code(), "RULE_FAILED");
    house.live(trap(), json!({}), "LIMITS", "DENY").await;
    assert_eq!(limit().await.code(), "RULE_FAILED");
    let failed = house.version(&last).await["failures"][0].clone();
    assert_eq!(
        (&failed["kind"], &failed["counted"]),
        (&json!("trap"), &json!(true))
    );
    let kept = json!({
        "accountId": house.seller.id.as_str(), "kind": "LIMITS", "name": "mine", "source": trap(),
        "failurePolicy": "KEEP_PENDING",
    });
    assert_eq!(
        house.app.upload_rule(&house.owner, kept).await.user_error(),
        "BAD_USER_INPUT"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limits_rule_that_fails_too_often_is_put_in_quarantine_too() {
    let house = house().await;
    let trap = json!({"wasm": base64(&unlimited("(unreachable)"))});
    let live = house.live(trap, json!({}), "LIMITS", "PARENT_RULE").await;
    let document = "query ($id: ID!) { account(id: $id) { limits { resources { max } } } }";
    for _ in 0..TOO_MANY {
        let variables = json!({"id": house.seller.id.as_str()});
        house.app.run(&house.owner, document, variables).await.data();
    }
    assert_eq!(house.version(&live).await["status"], "QUARANTINED");
}

/// News of the seller's rules from now on.
async fn follow(house: &House, caller: &Caller) -> impl futures_util::Stream<Item = Answer> + Unpin + use<> {
    let document = "subscription ($id: ID!, $after: String) { ruleChanges(accountId: $id, after: $after) {
      cursor change { fromStatus toStatus changedBy reason } ruleVersion { id status }
    } }";
    house.app.relay().await;
    let last = house.app.number("SELECT MAX(position) FROM outbox").await;
    let after = base64url(format!("v1:{last}").as_bytes());
    let variables = json!({"id": house.seller.id.as_str(), "after": after});
    house.app.subscribe(caller, document, variables).await
}
