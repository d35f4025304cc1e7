//! Nothing of another tree or upward is ever told, by any field to anybody. The documents are made of the schema, so
//! a new field is walked without being named here, and a field without a row in the authorization table fails.

mod ids;
mod sdl;
mod ways;
mod world;

use std::collections::{BTreeSet, HashMap};

use canopy_domain::entity::{Level, PermissionKey};
use canopy_schema::{Explainer, Requirement, requirements};
use serde_json::{Map, Value, json};

use self::sdl::Sdl;
use self::world::{Asker, World};
use crate::app::{Answer, App, schema_settings};

#[test]
fn each_field_is_in_the_authorization_table_once_and_documented() {
    let sdl = Sdl::read();
    let mut rows: HashMap<(&str, &str), usize> = HashMap::new();
    for row in requirements() {
        *rows.entry((row.type_name, row.field)).or_default() += 1;
    }
    let mut known = BTreeSet::new();
    for (name, fields) in sdl.composites() {
        for field in fields {
            let count = rows.get(&(name, field.name.as_str())).copied().unwrap_or(0);
            assert_eq!(
                count, 1,
                "{name}.{} has {count} rows in the authorization table",
                field.name
            );
            assert!(field.described, "{name}.{} is not documented", field.name);
            known.insert((name.to_owned(), field.name.clone()));
        }
    }
    for (name, field) in rows.keys() {
        let key = ((*name).to_owned(), (*field).to_owned());
        assert!(
            known.contains(&key),
            "the authorization table has {name}.{field}, the schema has not"
        );
    }
}

#[test]
fn what_is_public_is_signing_in_and_nothing_else() {
    let public: BTreeSet<_> = requirements()
        .iter()
        .filter(|row| row.requirement == Requirement::Public)
        .map(|row| format!("{}.{}", row.type_name, row.field))
        .collect();
    let expected = [
        "Mutation.signIn",
        "SignInPayload.expiresAt",
        "SignInPayload.token",
        "SignInPayload.user",
        "SignInPayload.userErrors",
        "UserError.code",
        "UserError.field",
        "UserError.message",
    ];
    assert_eq!(public, expected.map(str::to_owned).into());
}

/// The same without what only resolvers answer: of each document, all runs but the first go through its query plan.
async fn planned_documents() -> (String, String) {
    let explainer = Explainer::new(&schema_settings());
    let mut resolved = BTreeSet::new();
    loop {
        let sdl = Sdl::read().without(&resolved);
        let account = format!(
            "query ($id: ID!) {{ account(id: $id) {} }}",
            sdl.everything("Tenant")
        );
        let without_id = format!("{{ me {} }}", sdl.everything("Me"));
        let mut reasons = Vec::new();
        for document in [&account, &without_id] {
            let explained = explainer.explain(document.clone(), None, &Map::new()).await;
            reasons.extend(explained.unwrap().remove(0).plan.err());
        }
        let Some(why) = reasons.pop() else {
            let fields: Vec<&str> = resolved.iter().map(String::as_str).collect();
            assert_eq!(fields, RESOLVED);
            return (account, without_id);
        };
        let field = why.strip_suffix(" is not planned");
        assert!(
            resolved.insert(field.unwrap_or_else(|| panic!("{why}")).to_owned()),
            "{why}"
        );
    }
}

/// The fields that only resolvers answer.
const RESOLVED: [&str; 13] = [
    "Me.apiKey",
    "Plan.meters",
    "Plan.undeclaredMeters",
    "ResourceLimit.explain",
    "Tenant.apiKeys",
    "Tenant.closedPeriods",
    "Tenant.maxVariance",
    "Tenant.ruleVersions",
    "Tenant.simulations",
    "Tenant.usageAlerts",
    "Tenant.usageEvents",
    "Tenant.usageHolds",
    "Tenant.webhookEndpoints",
];

/// All that can be asked about an account, and all that can be asked without naming one.
fn documents(sdl: &Sdl) -> (String, String) {
    let account = format!(
        "query ($id: ID!) {{ account(id: $id) {} }}",
        sdl.everything("Tenant")
    );
    let without_id = format!(
        "{{ me {} account {} plans {} }}",
        sdl.everything("Me"),
        sdl.everything("Tenant"),
        sdl.everything("Plan")
    );
    (account, without_id)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_field_tells_anybody_of_another_tree_or_upward_by_a_resolver_or_a_query_plan() {
    let (world, sdl) = (World::make().await, Sdl::read());
    let asked = [documents(&sdl), planned_documents().await];
    let (mut told, mut tellable) = (BTreeSet::new(), BTreeSet::new());
    for asker in world.askers() {
        let allowed = world.allowed_ids(asker).await;
        let visible = world.visible(asker);
        tellable.extend(allowed.iter().cloned());
        for (document, without_id) in &asked {
            let answer = world.app.run(&asker.caller, without_id, json!({})).await;
            assert_only(&answer, &allowed, &visible, &world, asker, &asker.label);
            collect_ids(&answer.0, &mut told);
            for (name, account) in &world.accounts {
                let variables = json!({"id": account.id.as_str()});
                let answer = world.app.run(&asker.caller, document, variables).await;
                let context = format!("{} asks for {name}", asker.label);
                assert_only(&answer, &allowed, &visible, &world, asker, &context);
                let seen = !answer.0["data"]["account"].is_null();
                assert_eq!(seen, visible.contains(name), "{context}: {:#}", answer.0);
                collect_ids(&answer.0, &mut told);
            }
        }
    }
    // What is allowed was in fact told to somebody: the walk reaches all kinds of things.
    for table in [
        "accounts",
        "users",
        "members",
        "api_keys",
        "usage_events",
        "usage_holds",
        "ratings",
        "simulations",
        "usage_alerts",
        "usage_alert_crossings",
        "webhook_endpoints",
        "webhook_deliveries",
    ] {
        for row in world.app.rows(&format!("SELECT id FROM {table}")).await {
            let id = row["id"].as_str().unwrap();
            assert!(
                told.contains(id) || !tellable.contains(id),
                "the walk never came to {id} of {table}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_id_leads_to_anything_of_another_tree_or_upward() {
    let (world, sdl) = (World::make().await, Sdl::read());
    let ids = world.all_ids().await;
    let everything = sdl.everything("Node");
    let document = format!("query ($ids: [ID!]!) {{ nodes(ids: $ids) {everything} }}");
    for asker in world.askers() {
        let allowed = world.allowed_ids(asker).await;
        let visible = world.visible(asker);
        for chunk in ids.chunks(50) {
            let answer = world
                .app
                .run(&asker.caller, &document, json!({"ids": chunk}))
                .await;
            let context = format!("{} asks for nodes", asker.label);
            assert_only(&answer, &allowed, &visible, &world, asker, &context);
            let Some(nodes) = answer.0["data"]["nodes"].as_array() else {
                assert_eq!(asker.grant, None, "{context}: {:#}", answer.0);
                continue;
            };
            assert_eq!(nodes.len(), chunk.len());
            for (node, id) in nodes.iter().zip(chunk).filter(|(node, _)| !node.is_null()) {
                assert_eq!(node["id"], id.as_str(), "{context}");
            }
        }
    }
}

/// Asserts that an answer names no id but the allowed ones and the asker's own, and no name of an account that is not
/// visible. Each text of an account has the account's name in it.
fn assert_only(
    answer: &Answer,
    allowed: &BTreeSet<String>,
    visible: &BTreeSet<String>,
    world: &World,
    asker: &Asker,
    context: &str,
) {
    let mut ids = BTreeSet::new();
    collect_ids(&answer.0["data"], &mut ids);
    for id in ids {
        assert!(
            allowed.contains(&id),
            "{context}: told {id}\n{}",
            path_to(&answer.0, &id)
        );
    }
    let text = answer.0.to_string();
    for (name, account) in &world.accounts {
        let tags = [name.clone(), name.replace('.', "-"), account.path.to_string()];
        for tag in tags.iter().filter(|_| !visible.contains(name)) {
            // A path contains the ids above; the asker's own name is that of a grant it has.
            let own = asker.grant.as_ref() == Some(name);
            assert!(
                own || !text.contains(tag.as_str()),
                "{context}: told of {tag}\n{}",
                path_to(&answer.0, tag)
            );
        }
    }
}

/// The texts that have the shape of an id.
fn collect_ids(value: &Value, ids: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            let is_id = text.len() == 30 && text.as_bytes()[3] == b'_';
            ids.extend(is_id.then(|| text.clone()));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_ids(item, ids)),
        Value::Object(fields) => fields.values().for_each(|field| collect_ids(field, ids)),
        _ => {}
    }
}

/// Where in a value a text stands, to find the field that leaks.
fn path_to(value: &Value, text: &str) -> String {
    match value {
        Value::String(found) if found.contains(text) => format!(" = {found}"),
        Value::Array(items) => first(
            items.iter().enumerate().map(|(n, item)| (n.to_string(), item)),
            text,
        ),
        Value::Object(fields) => first(fields.iter().map(|(name, field)| (name.clone(), field)), text),
        _ => String::new(),
    }
}

fn first<'v>(mut parts: impl Iterator<Item = (String, &'v Value)>, text: &str) -> String {
    let found = parts.find_map(|(name, part)| {
        let rest = path_to(part, text);
        (!rest.is_empty()).then(|| format!("/{name}{rest}"))
    });
    found.unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_the_role_does_not_reach_is_null_and_forbidden() {
    let (world, sdl) = (World::make().await, Sdl::read());
    let account = &world.accounts["alpha.client"];
    let gated: Vec<(&str, PermissionKey, Level)> = requirements()
        .iter()
        .filter(|row| row.type_name == "Tenant")
        .filter_map(|row| match row.requirement {
            Requirement::Permission(key, level) => Some((row.field, key, level)),
            _ => None,
        })
        .collect();
    assert_eq!(gated.len(), 15, "{gated:?}");
    for asker in world
        .callers
        .iter()
        .filter(|asker| asker.grant.as_deref() == Some("alpha.main"))
    {
        for (field, key, level) in &gated {
            let selection = if sdl.fields(base_of(&sdl, field)).is_empty() {
                ""
            } else {
                "{ __typename }"
            };
            let document = format!("query ($id: ID!) {{ account(id: $id) {{ id {field} {selection} }} }}");
            let answer = world
                .app
                .run(&asker.caller, &document, json!({"id": account.id.as_str()}))
                .await;
            let reached = asker.role.is_none_or(|role| role.level(*key).allows(*level));
            let value = &answer.0["data"]["account"][*field];
            let context = format!("{}: {field} is {value}", asker.label);
            assert_eq!(
                answer.0["data"]["account"]["id"],
                account.id.as_str(),
                "{context}"
            );
            assert_eq!(value.is_null(), !reached, "{context}");
            assert_eq!(
                answer.codes(),
                if reached { vec![] } else { vec!["FORBIDDEN"] },
                "{context}"
            );
        }
    }
}

fn base_of<'s>(sdl: &'s Sdl, field: &str) -> &'s str {
    let field = sdl.fields("Tenant").iter().find(|known| known.name == field);
    &field.expect("the field is in the schema").base
}

/// The same house twice: names are of the world, so a test that needs one account makes it here.
async fn lone_account(app: &App) -> canopy_domain::entity::account::Model {
    app.main_account(None, "Lone", "pln_itellico").await
}
