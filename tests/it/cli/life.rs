//! The steps of a version's life, by commands.

use canopy_domain::entity::rule_version::RuleKind;
use serde_json::{Value, json};

use super::{Shop, id, shop};
use crate::app::rules::{component, doubling};
use crate::operations::event;

impl Shop {
    /// What the client pays for one unit now.
    async fn price(&self, key: &str) -> Value {
        let events = json!([event(key)]);
        let recorded = self
            .house
            .app
            .record(&self.house.owner, &self.client, events)
            .await;
        self.house.app.accepted(&recorded)[0]["ratings"][0]["price"]["amount"].clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_goes_from_a_file_to_a_price_and_back() {
    let shop = shop().await;
    let main = shop.house.main.id.clone();
    let first = shop.priced("3", "--activate").await;
    assert_eq!(
        (&first["status"], &first["version"]),
        (&json!("ACTIVE"), &json!(1))
    );
    assert!(first["activeSince"].is_string());
    assert_eq!(shop.price("a").await, "3");

    let double = shop.uploaded("double", &doubling("")).await;
    let told = [
        &double["status"],
        &double["class"],
        &double["kind"],
        &double["failurePolicy"],
    ];
    assert_eq!(told, ["CHECKED", "SMALL", "PRICING", "KEEP_PENDING"]);
    assert_eq!(double["sizeBytes"], doubling("").len());
    assert_eq!(shop.price("b").await, "3", "it is not live yet");

    let id = id(&double);
    let shadow = shop.rules(&format!("shadow {id}")).await.json();
    assert_eq!(
        (&shadow["id"], &shadow["status"]),
        (&double["id"], &json!("SHADOW"))
    );
    let why = ["--reason", "new prices of March"];
    let live = shop.rules_with(&format!("activate {id}"), &why).await.json();
    assert_eq!(live["status"], "ACTIVE");
    assert_eq!(shop.price("c").await, "2");

    let back = shop
        .rules(&format!("rollback --account {main} --kind pricing"))
        .await
        .json();
    assert_eq!((&back["id"], &back["status"]), (&first["id"], &json!("ACTIVE")));
    assert_eq!(shop.price("d").await, "3");
    let retired = shop.rules(&format!("retire {}", super::id(&first))).await.json();
    assert_eq!(retired["status"], "RETIRED");

    let history = &shop
        .house
        .app
        .rule_version(&shop.house.owner, &double["id"])
        .await["history"];
    let reasons = history.as_array().unwrap().iter().map(|step| &step["reason"]);
    assert!(reasons.into_iter().any(|reason| reason == why[1]), "{history:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_checked_by_the_server() {
    let shop = shop().await;
    shop.file("rule.wasm", &doubling(""));
    let main = &shop.house.main.id;
    let upload = format!("upload --account {main} --kind pricing --name draft --wasm rule.wasm --draft");
    let draft = shop.rules(&upload).await.json();
    assert_eq!(draft["status"], "DRAFT");
    let check = format!("check --rule {}", id(&draft));
    assert_eq!(shop.rules(&check).await.json()["status"], "CHECKED");

    let words = shop.rules(&format!("{check} --text")).await;
    let words = words.words();
    assert!(words.starts_with("draft version 1 (rul_"), "{words}");
    assert!(words.contains("is CHECKED.\nIts class is SMALL"), "{words}");
    assert!(
        words.ends_with(&format!("Digest {}.", draft["digest"].as_str().unwrap())),
        "{words}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_made_of_an_earlier_ones_component() {
    let shop = shop().await;
    let main = &shop.house.main.id;
    let first = shop.priced("1", "").await;
    let from = format!(
        "upload --account {main} --kind pricing --name prices --from {} --failure-policy last-good",
        id(&first)
    );
    let file = shop.file("prices.json", br#"{"meters":{"*":{"unit_price":"7"}}}"#);
    let configured = ["--configuration", file.to_str().unwrap()];
    let second = shop.rules_with(&from, &configured).await.json();
    assert_eq!(
        (&second["version"], &second["digest"]),
        (&json!(2), &first["digest"])
    );
    assert_eq!(second["failurePolicy"], "LAST_GOOD");
    shop.rules(&format!("activate {}", id(&second))).await.json();
    assert_eq!(shop.price("a").await, "7");
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_listed_newest_first() {
    let shop = shop().await;
    let list = format!("list --account {}", shop.house.main.id);
    assert_eq!(shop.rules(&list).await.json(), json!([]));
    assert_eq!(shop.rules(&format!("{list} --text")).await.words(), "None.");

    let versions = [shop.priced("1", "--activate").await, shop.priced("2", "").await];
    let listed = shop.rules(&list).await.json();
    let ids: Vec<&Value> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| &rule["id"])
        .collect();
    assert_eq!(ids, [&versions[1]["id"], &versions[0]["id"]]);
    let table = shop.rules(&format!("{list} --text")).await;
    let lines: Vec<Vec<&str>> = table
        .words()
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        lines[0],
        ["ID", "KIND", "NAME", "VERSION", "CLASS", "STATUS", "DIGEST"]
    );
    let digest = &versions[0]["digest"].as_str().unwrap()[..19];
    assert_eq!(
        lines[2],
        [
            id(&versions[0]),
            "PRICING",
            "prices",
            "1",
            "SMALL",
            "ACTIVE",
            digest
        ]
    );
    assert_eq!(lines.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_uploaded_is_named_where_it_cannot_go_live() {
    let shop = shop().await;
    let main = &shop.house.main;
    shop.house.app.guard(main, "1").await;
    let upload = format!(
        "upload --account {} --kind pricing --name prices --builtin tiered-pricing --activate",
        main.id
    );
    let with = ["--configuration", r#"{"meters":{"*":{"unit_price":"1"}}}"#];
    let refused = shop.rules_with(&upload, &with).await;
    let told = refused.failed(4);
    let version = &shop.rules(&format!("list --account {}", main.id)).await.json()[0];
    assert_eq!(version["status"], "CHECKED");
    assert!(
        told.contains(id(version)) && told.contains("(CONFLICT)"),
        "{told}"
    );

    // What it takes then is a dry run, or to say that one means it.
    let activate = format!("activate {}", id(version));
    let told = shop.rules(&activate).await;
    assert!(told.failed(4).contains("canopy rules simulate"), "{told:?}");
    let live = shop.rules(&format!("{activate} --confirm-variance")).await.json();
    assert_eq!(live["status"], "ACTIVE");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_breaks_the_contract_is_refused_with_the_smallest_case() {
    let shop = shop().await;
    let trap = component(RuleKind::Pricing, include_str!("../hostile/trap.wat"));
    shop.file("rule.wasm", &trap);
    let main = &shop.house.main.id;
    let upload = format!("upload --account {main} --kind pricing --name trap --wasm rule.wasm");
    let told = shop.rules(&upload).await;
    let told = told.failed(4);
    assert!(told.starts_with("canopy: ") && told.contains("trap"), "{told}");
    assert!(told.ends_with("(RULE_FAILED)"), "{told}");
    assert_eq!(
        shop.rules(&format!("list --account {main}")).await.json(),
        json!([])
    );
}
