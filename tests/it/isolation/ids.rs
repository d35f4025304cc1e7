//! An id of another tree, an id of nobody and no id at all: byte for byte the same answer, wherever an id goes in.

use std::collections::BTreeSet;

use canopy_domain::entity::Role;
use futures_util::StreamExt;
use serde_json::{Value, json};

use super::lone_account;
use super::sdl::Sdl;
use super::ways::{Way, ways};
use super::world::{Asker, World};
use crate::app::{Answer, App, next};

/// The ids of a kind that an asker of `alpha.client` may not see: of the other tree, of upward, and of a sibling.
async fn foreign(world: &World, kind: &str) -> Vec<String> {
    let of = |name: &str| world.accounts[name].id.to_string();
    let hidden = [
        "omega.main",
        "omega.client",
        "alpha.platform",
        "alpha.main",
        "alpha.sibling",
    ]
    .map(of);
    let column = |sql: &str| sql.replace("@ids", &hidden.each_ref().map(|id| format!("'{id}'")).join(", "));
    let sql = match kind {
        "acc" => return hidden.to_vec(),
        "pln" => return vec!["pln_omega".to_owned()],
        "key" => column("SELECT id FROM api_keys WHERE account_id IN (@ids)"),
        "evt" => column("SELECT id FROM usage_events WHERE account_id IN (@ids)"),
        "mem" => column("SELECT id FROM members WHERE account_id IN (@ids)"),
        "alr" => column("SELECT id FROM usage_alerts WHERE account_id IN (@ids)"),
        "whe" => column("SELECT id FROM webhook_endpoints WHERE account_id IN (@ids)"),
        "whd" => column(
            "SELECT d.id FROM webhook_deliveries d JOIN webhook_endpoints e ON e.id = d.endpoint_id
             WHERE e.account_id IN (@ids)",
        ),
        "rul" => column("SELECT id FROM rule_versions WHERE owner_account_id IN (@ids)"),
        "hld" => column("SELECT id FROM usage_holds WHERE account_id IN (@ids)"),
        "sim" => column("SELECT id FROM simulations WHERE account_id IN (@ids)"),
        // The rating of an edge whose buyer is hidden.
        "rat" => column("SELECT id FROM ratings WHERE buyer_account_id IN (@ids)"),
        _ => panic!("no ids of {kind}"),
    };
    let rows = world.app.rows(&sql).await;
    rows.iter()
        .map(|row| row["id"].as_str().expect("an id is text").to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_id_answers_as_an_unknown_one_and_as_nonsense() {
    let world = World::make().await;
    give_omega_a_plan(&world.app, world.accounts["omega.main"].id.as_str()).await;
    let before = world.app.counts().await;
    for label in [
        "Owner at alpha.client",
        "API key of alpha.client",
        "Viewer at alpha.client",
    ] {
        let asker = world
            .callers
            .iter()
            .find(|asker| asker.label == label)
            .expect("the asker is in the world");
        for way in ways() {
            let unknown = match way.kind {
                "pln" => "pln_unknown".to_owned(),
                "rat" => "rat_01jd0000000000000000000000_0".to_owned(),
                kind => format!("{kind}_01jd0000000000000000000000"),
            };
            let expected = ask(&world, asker, &way, &unknown).await;
            let mut ids = foreign(&world, way.kind).await;
            if label != "Viewer at alpha.client" {
                // Who may not do it at all is told so, but only once the input can be read.
                ids.extend(["nonsense".to_owned(), String::new()]);
            }
            for id in ids {
                let answer = ask(&world, asker, &way, &id).await;
                assert_eq!(
                    answer, expected,
                    "{label} gives {id} as {} of {}",
                    way.at, way.field
                );
            }
            assert_refused(&expected, &way);
        }
    }
    assert_eq!(world.app.counts().await, before);
}

/// A way in must not answer anything at all.
fn assert_refused(answer: &Answer, way: &Way) {
    let text = answer.0.to_string();
    match way.field {
        "node" | "rating" => assert_eq!(answer.data()[way.field], Value::Null),
        "nodes" => assert_eq!(answer.data()["nodes"], json!([null])),
        _ => assert!(
            text.contains("NOT_FOUND") || text.contains("FORBIDDEN") || text.contains("BAD_USER_INPUT"),
            "{text}"
        ),
    }
}

async fn ask(world: &World, asker: &Asker, way: &Way, id: &str) -> Answer {
    let text = way.variables.to_string();
    let text = text.replace("@account", world.accounts["alpha.client"].id.as_str());
    let text = text.replace("@below", world.accounts["alpha.branch"].id.as_str());
    let text = text.replace("@rule", &world.rules["alpha.client"]);
    let mut variables: Value = serde_json::from_str(&text).expect("still JSON");
    *variables.pointer_mut(way.at).expect("the id has its place") = json!(id);
    if way.document.starts_with("subscription") {
        let mut stream = world.app.subscribe(&asker.caller, &way.document, variables).await;
        let first = next(&mut stream).await.expect("a refusal is told");
        assert!(stream.next().await.is_none());
        return first;
    }
    world.app.run(&asker.caller, &way.document, variables).await
}

async fn give_omega_a_plan(app: &App, owner: &str) {
    let insert = format!(
        "INSERT INTO plans (id, owner_account_id, name, description, limits_rule_version_id, limits_configuration,
           created_at)
         SELECT 'pln_omega', '{owner}', 'omega', '', limits_rule_version_id, limits_configuration, created_at
         FROM plans WHERE id = 'pln_itellico'"
    );
    app.tamper(&insert).await.expect("a plan can be inserted");
}

#[test]
fn each_place_where_an_id_goes_in_is_tried() {
    let sdl = Sdl::read();
    let tried: BTreeSet<(String, String)> = ways()
        .iter()
        .map(|way| {
            let names = way
                .at
                .split('/')
                .filter(|part| !part.is_empty() && part.parse::<usize>().is_err());
            (
                way.field.to_owned(),
                names
                    .filter(|name| *name != "input")
                    .collect::<Vec<_>>()
                    .join("."),
            )
        })
        .collect();
    for mutation in sdl.fields("Mutation") {
        let input = format!(
            "{}{}Input",
            mutation.name[..1].to_uppercase(),
            &mutation.name[1..]
        );
        assert!(
            !sdl.input_fields(&input).is_empty(),
            "{input} is the input of {}",
            mutation.name
        );
        let mut ids = Vec::new();
        id_places(&sdl, &input, "", &mut ids);
        for place in ids {
            let key = (mutation.name.clone(), place);
            assert!(
                tried.contains(&key),
                "{} takes an id at {}: try it here",
                key.0,
                key.1
            );
        }
    }
    for subscription in sdl.fields("Subscription") {
        assert!(
            tried.iter().any(|(field, _)| *field == subscription.name),
            "{} is not tried",
            subscription.name
        );
    }
}

/// The fields of an input that are ids, with the fields above them.
fn id_places(sdl: &Sdl, input: &str, above: &str, found: &mut Vec<String>) {
    for (name, base) in sdl.input_fields(input) {
        let place = if above.is_empty() {
            name.clone()
        } else {
            format!("{above}.{name}")
        };
        if base == "ID" {
            found.push(place);
        } else {
            id_places(sdl, base, &place, found);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_of_one_account_is_nobody_elsewhere() {
    let app = App::start().await;
    let lone = lone_account(&app).await;
    let other = app.main_account(None, "Other", "pln_itellico").await;
    let owner = app.member(&lone, Role::Owner).await;
    let document = "query ($id: ID!) { account(id: $id) { name } node(id: $id) { id } }";
    let answer = app.run(&owner, document, json!({"id": other.id.as_str()})).await;
    assert_eq!(answer.0["data"], json!({"account": null, "node": null}));
    assert_eq!(answer.code(), "NOT_FOUND");
}
