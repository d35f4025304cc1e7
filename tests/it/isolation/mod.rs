//! Nothing of another tree or upward is ever told, by any field to anybody, and nothing that the asker's role does not
//! reach. The documents are made of the schema, so a new field is walked without being named here; one that is not in the
//! authorization table fails, one that no document asks for, and one of which the world has nothing to tell.
//!
//! # What is asked
//!
//! An object with an id stands for a row; what has none (a connection, an edge, a receipt's step) is a part of the object
//! above it. A *place* is a way from an object through its parts to the next object. For each place there is one document:
//! at a shortest way to the place, by the first rows of each page, it asks all leaves of the objects there and of their
//! parts, and the leaves of each next object. It is run for each account and each kind of caller, by resolvers and, where
//! it has one, by its query plan. So a document grows with one type and what that leads to, and not with the ways through
//! the schema, and there is one more for each new place.
//!
//! # Why that is enough
//!
//! What is told depends on three things: who asks, the object that is asked, and the field.
//!
//! - Who asks is the `Actor`, the same in the whole request. Accounts are read through its scope alone, and a gate is asked
//!   with the account in hand (`schema/src/authorization`), whose levels are made of the actor and the account's path: not
//!   of the way by which the account was come to.
//! - An object holds its row, or the view that the domain gave out, and nothing of what led to it. A service that reads on
//!   from there takes the actor and that row. So what could be wrong is a field that hands out an object that it should not
//!   (each such field is asked, at each place), or one that tells too much of the object in hand (each is asked of the
//!   objects of each place, since views of one type are made by several reads).
//! - A part is made by the field above and may hand on what that had in hand, which is why a place's document does not stop
//!   at parts. Two fields in a row are therefore seen together wherever the first gives an object: parent and child,
//!   account and member, rating and rule. A third could add something only if an object with an id handed on what the
//!   first field had in hand, and none has room for that.
//! - A query plan reads a level of accounts at once, and could mix up whose rows are whose. What hangs on accounts is asked
//!   of the account that is named and, with several beside each other, of those above, below and acted on; their own
//!   parents and children come with their names. `tests/it/differential` compares the two ways for shapes beyond.
//!
//! What only mutations and subscriptions tell is listed in `TOLD_BY_CHANGES`.

mod answers;
mod ids;
mod places;
mod sdl;
mod things;
mod walk;
mod ways;
mod world;

use std::collections::{BTreeSet, HashMap};

use async_graphql::parser::parse_query;
use async_graphql::parser::types::{DocumentOperations, Selection, SelectionSet};
use canopy_domain::entity::{Level, PermissionKey};
use canopy_schema::{Explainer, Requirement, requirements};
use serde_json::{Map, json};

use self::places::{ROOTS, Root, places, roots};
use self::sdl::{Sdl, family};
use self::world::World;
use crate::app::{App, schema_settings};

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

/// What no query tells, but the answers of mutations and the news of subscriptions. `ids.rs` proves that neither answers
/// anything for an id out of scope; their payloads hand on objects that are walked here.
const TOLD_BY_CHANGES: [&str; 12] = [
    "AccessChange",
    "AccountMove",
    "LimitChange",
    "PayerChange",
    "RuleChangeUpdate",
    "UsageAlertUpdate",
    "UsageCorrectionResult",
    "UsageQuote",
    "UsageResult",
    "UsageSum",
    "UsageUpdate",
    "UserError",
];

#[test]
fn each_type_is_walked_or_told_by_changes() {
    let sdl = Sdl::read();
    let of = |name: &str| {
        let fields = sdl.fields(name).iter();
        let first = fields.map(|field| (format!("{name}.{}", field.name), field.base.as_str()));
        sdl.reached(first.collect::<Vec<_>>())
    };
    let (asked, changed, followed) = (of("Query"), of("Mutation"), of("Subscription"));
    let told: Vec<&str> = sdl
        .composites()
        .map(|(name, _)| name)
        .filter(|name| !["Query", "Mutation", "Subscription", "Tenant", "Node"].contains(name))
        .filter(|name| !asked.contains_key(family(name)) && !name.ends_with("Payload"))
        .inspect(|name| {
            let is_led_to = changed.contains_key(*name) || followed.contains_key(*name);
            assert!(is_led_to, "nothing leads to {name}");
        })
        .collect();
    assert_eq!(told, TOLD_BY_CHANGES);
    for name in ["Account", "Subaccount"] {
        let fields = |name| {
            sdl.fields(name)
                .iter()
                .map(|field| &field.name)
                .collect::<BTreeSet<_>>()
        };
        assert_eq!(
            fields(name),
            fields("Tenant"),
            "what only {name} has is not walked"
        );
    }
    for field in sdl.fields("Query") {
        assert!(
            ROOTS.iter().any(|root| root.field == field.name),
            "say with what Query.{} is to be asked",
            field.name
        );
    }
}

#[test]
fn each_field_is_asked_for_from_each_field_that_leads_to_its_type() {
    for (sdl, by_plan) in [(Sdl::read(), false), (planned_sdl(), true)] {
        let (mut asked, whole) = (BTreeSet::new(), Sdl::read());
        for place in places(&sdl, by_plan) {
            let document = parse_query(&place.document).expect("the document parses");
            let DocumentOperations::Single(operation) = document.operations else {
                panic!("{} has one operation", place.name);
            };
            let selections = asked_by(
                &whole,
                &operation.node.selection_set.node,
                ("", "Query"),
                &mut asked,
            );
            assert!(selections <= MOST, "{} selects {selections} fields", place.name);
        }
        for (name, leading) in sdl.reached(roots(&sdl, by_plan).map(Root::edge)) {
            for (edge, field) in leading
                .iter()
                .flat_map(|edge| sdl.fields(&name).iter().map(move |field| (edge, field)))
            {
                let key = (edge.clone(), format!("{name}.{}", field.name));
                assert!(
                    asked.contains(&key),
                    "{} is not asked for behind {}",
                    key.1,
                    key.0
                );
            }
        }
    }
}

/// The most that a document selects. A server takes 5000 unless it is told otherwise.
const MOST: usize = 1_000;

/// Notes each field that is selected, with the field that leads to its object; how many there are.
fn asked_by(
    sdl: &Sdl,
    set: &SelectionSet,
    (edge, name): (&str, &str),
    asked: &mut BTreeSet<(String, String)>,
) -> usize {
    let selections = set.items.iter().map(|selection| match &selection.node {
        Selection::Field(field) => {
            let (called, inside) = (&field.node.name.node, &field.node.selection_set.node);
            let own = format!("{name}.{called}");
            asked.insert((edge.to_owned(), own.clone()));
            let known = sdl
                .fields(name)
                .iter()
                .find(|known| known.name == called.as_str());
            1 + known.map_or(0, |known| {
                asked_by(sdl, inside, (&own, family(&known.base)), asked)
            })
        }
        Selection::InlineFragment(fragment) => {
            let on = fragment
                .node
                .type_condition
                .as_ref()
                .map(|on| on.node.on.node.as_str());
            let inside = &fragment.node.selection_set.node;
            1 + asked_by(sdl, inside, (edge, on.unwrap_or(name)), asked)
        }
        Selection::FragmentSpread(_) => panic!("documents here have no named fragments"),
    });
    selections.sum()
}

/// The fields that only resolvers answer. What they lead to has no plan either.
const RESOLVED: [&str; 17] = [
    "Me.apiKey",
    "Plan.meters",
    "Plan.undeclaredMeters",
    "Query.nodes",
    "Query.plans",
    "Query.rating",
    "Query.simulation",
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

/// The schema without what only resolvers answer.
fn planned_sdl() -> Sdl {
    Sdl::read().without(&RESOLVED.map(str::to_owned).into())
}

#[tokio::test]
async fn what_has_no_query_plan_is_known() {
    let explainer = Explainer::new(&schema_settings());
    let mut resolved = BTreeSet::new();
    loop {
        let mut reasons = BTreeSet::new();
        for place in places(&Sdl::read().without(&resolved), true) {
            let explained = explainer.explain(place.document, None, &Map::new()).await;
            reasons.extend(explained.unwrap().remove(0).plan.err());
        }
        if reasons.is_empty() {
            let fields: Vec<&str> = resolved.iter().map(String::as_str).collect();
            assert_eq!(fields, RESOLVED);
            return;
        }
        for why in reasons {
            let field = why.strip_suffix(" is not planned");
            resolved.insert(field.unwrap_or_else(|| panic!("{why}")).to_owned());
        }
    }
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
