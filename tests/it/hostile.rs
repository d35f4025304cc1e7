//! Rules that mean harm end in RULE_FAILED, write nothing, and hold nobody else up.

mod generated;
mod memory;
mod schemas;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use canopy_domain::entity::Role;
use canopy_domain::entity::account::Model as Account;
use canopy_domain::entity::rule_version::{FailurePolicy, RuleKind};
use canopy_domain::rules::RuleSource;
use canopy_domain::rules_host::{Manifest, with_manifest};
use futures_util::{FutureExt, StreamExt};
use serde_json::{Value, json};

use self::generated::{Stage, Upload};
use crate::app::rules::{component, doubling, hurried_host, unlimited};
use crate::app::{Answer, App, Caller, within};
use crate::operations::{base64, event};

/// The hostile rules by name, as text.
fn hostile_rules() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/hostile");
    let files = fs::read_dir(folder).expect("the folder of hostile rules is there");
    let mut rules = BTreeMap::new();
    for file in files {
        let path = file.expect("a file of the folder").path();
        if path.extension().is_some_and(|extension| extension == "wat") {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            rules.insert(name, fs::read_to_string(&path).expect("a text"));
        }
    }
    for needed in [
        "endless-loop",
        "memory-growth",
        "deep-recursion",
        "huge-list",
        "trap",
        "invalid-utf8",
        "unknown-import",
    ] {
        assert!(rules.contains_key(needed), "{needed} is missing");
    }
    rules
}

async fn two_tenants() -> (App, [(Account, Caller); 2]) {
    tenants_of(App::start().await).await
}

async fn tenants_of(app: App) -> (App, [(Account, Caller); 2]) {
    let mut tenants = Vec::new();
    for name in ["Good", "Bad"] {
        let main = app.main_account(None, name, "pln_itellico").await;
        app.unit_price(&main, "1").await;
        let owner = app.member(&main, Role::Owner).await;
        tenants.push((main, owner));
    }
    (app, tenants.try_into().expect("two tenants"))
}

fn upload(account: &Account, kind: &str, wasm: &[u8]) -> Value {
    json!({
        "accountId": account.id.as_str(), "kind": kind, "name": "hostile",
        "source": {"wasm": base64(wasm)}, "configuration": {},
    })
}

fn generated(stage: Stage) -> impl Iterator<Item = Upload> {
    generated::uploads()
        .into_iter()
        .filter(move |upload| upload.stage == stage)
}

/// RULE_FAILED, with a sentence for one of the kinds of error that says nothing of the machine.
fn refused(name: &str, label: &str, answer: &Answer, kinds: &[&str]) {
    let code = answer.user_error();
    assert_eq!(code, "RULE_FAILED", "{name} as {label}: {:#}", answer.0);
    assert_eq!(answer.payload()["ruleVersion"], Value::Null);
    let message = answer.payload()["userErrors"][0]["message"].as_str().unwrap();
    let is_safe = !message.is_empty() && message.len() < 5000 && !message.contains("wasmtime");
    assert!(is_safe, "{name}: {message}");
    let words = |kind: &&str| match *kind {
        "invalid" => "is not acceptable",
        "too_large" => "is larger than",
        "compile_timeout" => "too long to compile",
        "compile_failed" => "could not be compiled",
        kind => panic!("no sentence is known for {kind}"),
    };
    let is_of_a_kind = kinds.is_empty() || kinds.iter().map(words).any(|words| message.contains(words));
    assert!(is_of_a_kind, "{name}: {message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compile_bomb_is_ended_by_the_bounds_of_its_process() {
    let (app, [_, (bad, bad_owner)]) = tenants_of(App::with_sandbox(hurried_host()).await).await;
    let before = app.counts().await;
    for bomb in generated(Stage::Compiler) {
        let answer = app
            .upload_rule(&bad_owner, upload(&bad, "PRICING", &bomb.wasm))
            .await;
        refused(bomb.name, "PRICING", &answer, bomb.expect);
        assert_eq!(app.counts().await, before, "{} wrote something", bomb.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_configuration_schema_is_the_rules_fault() {
    let (app, [_, (bad, bad_owner)]) = two_tenants().await;
    let before = app.counts().await;
    let refused = schemas::schemas()
        .into_iter()
        .filter(|case| case.expect == ["invalid_schema"]);
    for case in refused {
        let manifest = Manifest {
            configuration_schema: Some(case.schema),
            ..Manifest::default()
        };
        let mut input = upload(&bad, "PRICING", &with_manifest(&doubling(""), &manifest));
        input["configuration"] = case.configuration;
        let answer = app.upload_rule(&bad_owner, input).await;
        assert_eq!(
            answer.user_error(),
            "RULE_FAILED",
            "{}: {:#}",
            case.name,
            answer.0
        );
        let message = answer.payload()["userErrors"][0]["message"].as_str().unwrap();
        assert!(
            message.contains("configuration schema cannot be used"),
            "{message}"
        );
        assert!(message.len() < 1000, "{message}");
        assert_eq!(app.counts().await, before, "{} wrote something", case.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_rule_is_refused_while_others_work_and_nothing_is_written() {
    let (app, [(good, good_owner), (bad, bad_owner)]) = two_tenants().await;
    let client = app.subaccount(&good, "Client").await;
    let mut uploads = Vec::new();
    for (name, text) in hostile_rules() {
        for (kind, label) in [(RuleKind::Pricing, "PRICING"), (RuleKind::Limits, "LIMITS")] {
            uploads.push((name.clone(), label, component(kind, &text), &[] as &[_]));
        }
    }
    for Upload {
        name, expect, wasm, ..
    } in generated(Stage::Structure)
    {
        uploads.push((name.to_owned(), "PRICING", wasm, expect));
    }
    let before = app.counts().await;
    for (name, label, wasm, kinds) in uploads {
        let answer = app.upload_rule(&bad_owner, upload(&bad, label, &wasm)).await;
        refused(&name, label, &answer, kinds);
        assert_eq!(app.counts().await, before, "{name} as {label} wrote something");
    }
    // The house is whole afterwards.
    app.accepted(&app.record(&good_owner, &client, json!([event("after")])).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn others_are_served_while_hostile_rules_run() {
    let (app, [(good, good_owner), (bad, bad_owner)]) = two_tenants().await;
    let client = app.subaccount(&good, "Client").await;
    let rules = hostile_rules();
    for name in [
        "endless-loop",
        "memory-growth",
        "deep-recursion",
        "allocation-loop",
    ] {
        let wasm = component(RuleKind::Pricing, &rules[name]);
        let input = upload(&bad, "PRICING", &wasm);
        // The storm has no end of its own: as long as the others' requests run, so do hostile rules.
        let attack = || async {
            loop {
                let answer = app.upload_rule(&bad_owner, input.clone()).await;
                assert_eq!(answer.user_error(), "RULE_FAILED", "{name}");
            }
        };
        let storm = futures_util::future::join_all((0..4).map(|_| attack()));
        let others = async {
            for n in 0..3 {
                let recorded = app
                    .record(&good_owner, &client, json!([event(&format!("{name}-{n}"))]))
                    .await;
                app.accepted(&recorded);
            }
        };
        futures_util::select_biased! {
            _ = storm.fuse() => unreachable!("the storm goes on"),
            () = within("others to be served", others).fuse() => {}
        }
        let answer = app.upload_rule(&bad_owner, input).await;
        assert_eq!(answer.user_error(), "RULE_FAILED", "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_by_hand_prices_and_is_replaced_by_a_changed_one() {
    let (app, [(main, owner), _]) = two_tenants().await;
    let client = app.subaccount(&main, "Client").await;
    app.upload_and_activate(&owner, upload(&main, "PRICING", &doubling("")))
        .await;
    let events = app.accepted(&app.record(&owner, &client, json!([event("a")])).await);
    assert_eq!(events[0]["ratings"][0]["price"]["amount"], "2");
    let text = include_str!("rules/doubling.wat")
        .replace("(i64.const 2)", "(i64.const 3)")
        .replace("(;when large;)", "");
    let changed = component(RuleKind::Pricing, &text);
    let rule = app
        .upload_and_activate(&owner, upload(&main, "PRICING", &changed))
        .await;
    let events = app.accepted(&app.record(&owner, &client, json!([event("b")])).await);
    assert_eq!(events[0]["ratings"][0]["price"]["amount"], "3");
    assert_eq!(events[0]["ratings"][0]["ruleDigest"], rule["digest"]);
}

/// What a rule does with one quantity, that it does with none of those that it is checked with.
const TURNS: [(&str, &str); 3] = [
    ("trap", "(unreachable)"),
    ("endless loop", "(loop $for_ever (br $for_ever))"),
    (
        "memory growth",
        "(loop $more (drop (memory.grow (i32.const 16))) (br $more))",
    ),
];

fn large(key: &str) -> Value {
    json!({"idempotencyKey": key, "meter": "minutes", "quantity": "5000"})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_turns_hostile_later_refuses_the_event_or_leaves_it_pending() {
    for (turn, code) in TURNS {
        let (app, [(main, owner), _]) = two_tenants().await;
        let client = app.subaccount(&main, "Client").await;
        let source = || RuleSource::Wasm(doubling(code));
        app.live_rule(
            &main,
            RuleKind::Pricing,
            source(),
            json!({}),
            Some(FailurePolicy::Deny),
        )
        .await;
        app.accepted(&app.record(&owner, &client, json!([event("small")])).await);
        let before = app.counts().await;
        let answer = app.record(&owner, &client, json!([large("large")])).await;
        let result = &answer.success()["results"][0];
        assert_eq!(result["status"], "REJECTED", "{turn}");
        assert_eq!(result["userErrors"][0]["code"], "RULE_FAILED", "{turn}");
        assert_eq!(app.counts().await, before, "{turn} wrote something");

        app.live_rule(
            &main,
            RuleKind::Pricing,
            source(),
            json!({}),
            Some(FailurePolicy::KeepPending),
        )
        .await;
        let postings = app.count("postings").await;
        let events = app.accepted(&app.record(&owner, &client, json!([large("large")])).await);
        assert_eq!(events[0]["ratingStatus"], "PENDING", "{turn}");
        assert_eq!(app.count("postings").await, postings);
        // The same batch's other lines have their price.
        let events = app.accepted(
            &app.record(&owner, &client, json!([large("larger"), event("fine")]))
                .await,
        );
        assert_eq!(events[0]["ratingStatus"], "PENDING");
        assert_eq!(events[1]["ratingStatus"], "RATED", "{turn}");
        app.assert_counted_once().await;
        app.assert_balanced().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limits_rule_that_turns_hostile_later_denies_and_writes_nothing() {
    for (turn, code) in TURNS {
        let (app, [(main, owner), _]) = two_tenants().await;
        app.upload_and_activate(&owner, upload(&main, "LIMITS", &unlimited("")))
            .await;
        let input = |name: &str| json!({"parentId": main.id.as_str(), "name": name});
        app.create_subaccount(&owner, input("First")).await.success();

        app.upload_and_activate(&owner, upload(&main, "LIMITS", &unlimited(code)))
            .await;
        let before = app.counts().await;
        let answer = app.create_subaccount(&owner, input("Second")).await;
        assert_eq!(answer.user_error(), "RULE_FAILED", "{turn}");
        assert_eq!(app.counts().await, before, "{turn} wrote something");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limits_rule_that_turned_hostile_takes_no_limits_from_its_siblings() {
    let (app, [(main, owner), _]) = two_tenants().await;
    let calm = app.subaccount(&main, "Calm").await;
    let wild = app.subaccount(&main, "Wild").await;
    let wild_owner = app.member(&wild, Role::Owner).await;
    app.upload_and_activate(&wild_owner, upload(&wild, "LIMITS", &unlimited("(unreachable)")))
        .await;
    let document = "query ($id: ID!) {
      account(id: $id) { subaccounts { nodes { id limits { resources { resource } } } } }
    }";
    let answer = app.run(&owner, document, json!({"id": main.id.as_str()})).await;
    let nodes = answer.0["data"]["account"]["subaccounts"]["nodes"]
        .as_array()
        .expect("both are listed")
        .clone();
    for node in nodes {
        let shown = !node["limits"].is_null();
        assert_eq!(shown, node["id"] == calm.id.as_str(), "{:#}", answer.0);
    }
    assert_eq!(answer.codes(), ["RULE_FAILED"]);
    let input = json!({"parentId": calm.id.as_str(), "name": "Below"});
    app.create_subaccount(&owner, input).await.success();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_rule_at_all_is_refused() {
    let (app, [(main, owner), _]) = two_tenants().await;
    let good = doubling("");
    let truncated = &good[..good.len() / 2];
    let empty_component = wat::parse_str("(component)").unwrap();
    let empty_module = wat::parse_str("(module)").unwrap();
    let noise: Vec<u8> = (0..4_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let large = vec![0; 2 << 20];
    let before = app.counts().await;
    for (what, wasm) in [
        ("nothing", &[] as &[u8]),
        ("noise", &noise),
        ("half a rule", truncated),
        ("an empty component", &empty_component),
        ("a core module", &empty_module),
        ("an ELF file", b"\x7fELF\x02\x01\x01"),
        ("something large", &large),
    ] {
        let answer = app.upload_rule(&owner, upload(&main, "PRICING", wasm)).await;
        assert_eq!(answer.user_error(), "RULE_FAILED", "{what}: {:#}", answer.0);
    }
    let answer = app.upload_rule(&owner, upload(&main, "LIMITS", &good)).await;
    let code = answer.user_error().to_owned();
    assert!(
        ["RULE_FAILED", "BAD_USER_INPUT"].contains(&code.as_str()),
        "a rule of the other kind: {code}"
    );
    assert_eq!(app.counts().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_hostile_uploads_at_once_end_and_leave_room() {
    let (app, [(good, good_owner), (bad, bad_owner)]) = two_tenants().await;
    let client = app.subaccount(&good, "Client").await;
    let rules = hostile_rules();
    let wasm = component(RuleKind::Pricing, &rules["endless-loop"]);
    let storm = futures_util::stream::iter(0..8)
        .map(|_| app.upload_rule(&bad_owner, upload(&bad, "PRICING", &wasm)))
        .buffer_unordered(8)
        .collect::<Vec<_>>();
    let (answers, recorded) = tokio::join!(storm, app.record(&good_owner, &client, json!([event("calm")])));
    for answer in answers {
        assert_eq!(answer.user_error(), "RULE_FAILED");
    }
    app.accepted(&recorded);
}
