//! The walk itself: each document of each place, for each account, as each kind of caller, both ways.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use canopy_domain::Actor;
use canopy_schema::{CanopySchema, Data};
use futures_util::stream::{self, StreamExt};
use serde_json::{Value, json};

use super::answers::{Allowed, Told};
use super::places::{Given, Place, Root, places, roots};
use super::planned_sdl;
use super::sdl::Sdl;
use super::world::{Asker, World};
use crate::app::answered;

/// How many callers ask at the same time.
const AT_ONCE: usize = 4;

/// How many ids `nodes` is given at once.
const IDS: usize = 50;

/// How many ids of a table are given to what takes one.
const SOME: usize = 4;

/// Fields that nobody is told by resolvers, since the world has nothing of them.
const SILENT: &[&str] = &[
    "ApiKey.allowedIps",
    "ApiKey.expiresAt",
    "ApiKey.revokedAt",
    "BillingTransfer.completedAt",
    "BillingTransfer.graceEndsAt",
    "BillingTransfer.id",
    "BillingTransfer.keepAgencyAccess",
    "BillingTransfer.startedAt",
    "BillingTransfer.status",
    "LimitStep.logs",
    "LimitStep.note",
    "Meter.uniqueBy",
    "PriceStep.logs",
    "PriceStep.note",
    "PriceStep.reason",
    "RuleQuarantine.at",
    "RuleQuarantine.failures",
    "RuleQuarantine.reason",
    "RuleRun.note",
    "RuleVersion.configurationSchema",
    "RuleVersion.quarantine",
    "Simulation.configuration",
    "Simulation.error",
    "Simulation.failureMessage",
    "UsageBucket.unit",
    "UsageTotal.unit",
];

/// The same by query plans.
const SILENT_IN_PLANS: &[&str] = &[
    "BillingTransfer.completedAt",
    "BillingTransfer.graceEndsAt",
    "BillingTransfer.id",
    "BillingTransfer.keepAgencyAccess",
    "BillingTransfer.startedAt",
    "BillingTransfer.status",
    "UsageBucket.unit",
    "UsageTotal.unit",
];

/// One of the two ways to an answer.
struct Side {
    by_plan: bool,
    schema: CanopySchema,
    places: Vec<Place>,
    sdl: Sdl,
    /// Fields that nobody is told, since the world has nothing of them.
    silent: &'static [&'static str],
}

struct Walk {
    world: World,
    sides: [Side; 2],
    /// All ids that there are, by table.
    ids: BTreeMap<&'static str, Vec<String>>,
}

impl Walk {
    async fn prepare() -> Self {
        let world = World::make().await;
        let side = |by_plan, sdl: Sdl, silent| Side {
            by_plan,
            schema: world.app.schema_with(|settings| settings.planned_reads = by_plan),
            places: places(&sdl, by_plan),
            sdl,
            silent,
        };
        let sides = [
            side(false, Sdl::read(), SILENT),
            side(true, planned_sdl(), SILENT_IN_PLANS),
        ];
        let ids = world.all_ids().await;
        let walk = Self { world, sides, ids };
        // The first run of a document validates it; those that come after it have a plan.
        walk.ask_all(walk.world.nobody()).await;
        walk
    }

    /// The variables that a document is asked with, each with what it asks for.
    fn given(&self, place: &Place) -> Vec<(String, Value)> {
        let one = |id: &String| (format!("{} of {id}", place.name), json!({"id": id}));
        let accounts = &self.world.accounts;
        match place.root.given {
            Given::Nothing => vec![(place.name.clone(), json!({}))],
            Given::Account => {
                let ids = accounts.iter();
                ids.map(|(name, account)| {
                    (
                        format!("{} of {name}", place.name),
                        json!({"id": account.id.as_str()}),
                    )
                })
                .collect()
            }
            Given::Row(table) => some(&self.ids[table]).map(one).collect(),
            Given::Node => self.ids.values().flat_map(|ids| some(ids)).map(one).collect(),
            Given::All => {
                let ids: Vec<&String> = self.ids.values().flatten().collect();
                let chunks = ids.chunks(IDS);
                chunks
                    .map(|ids| (place.name.clone(), json!({"ids": ids})))
                    .collect()
            }
        }
    }

    /// Asks everything as one caller, by resolvers and by plans: what was told by each.
    async fn ask_all(&self, asker: &Asker) -> [Told; 2] {
        let allowed = Allowed::of(&self.world, asker).await;
        let actor = self.world.app.actor(&asker.caller).await;
        let mut told = [Told::default(), Told::default()];
        for (side, told) in self.sides.iter().zip(&mut told) {
            for place in &side.places {
                for (context, variables) in self.given(place) {
                    let text = side.ask(actor.as_ref(), place, &variables).await;
                    let answer = serde_json::from_str(&text).expect("an answer is JSON");
                    allowed.assert_only(&answer, &text, &context);
                    assert_named(self, &allowed, place, &variables, &answer);
                    told.note(place, &answer);
                }
            }
        }
        told
    }
}

/// Some of the ids of a table, from its beginning to its end; `nodes` is given all of them.
fn some(ids: &[String]) -> impl Iterator<Item = &String> {
    ids.iter().step_by(ids.len() / SOME + 1)
}

impl Side {
    async fn ask(&self, actor: Option<&Actor>, place: &Place, variables: &Value) -> String {
        let reply = answered(&self.schema, actor, &place.document, variables.clone()).await;
        let by_plan = matches!(reply.data, Data::Written(_));
        assert_eq!(by_plan, self.by_plan && actor.is_some(), "{}", place.name);
        reply.to_json()
    }
}

/// Asserts that what is told under an id is what has that id, and that an account is told if and only if it is visible.
fn assert_named(walk: &Walk, allowed: &Allowed<'_>, place: &Place, variables: &Value, answer: &Value) {
    let told = &answer["data"][place.root.field];
    let context = || format!("{} of {variables} is {answer:#}", place.name);
    let is_named = |told: &Value, id: &Value| told.is_null() || told["id"] == *id;
    match (place.root.given, &variables["id"]) {
        (Given::Nothing, _) => {}
        (Given::All, _) => {
            let ids = variables["ids"].as_array().expect("ids were given");
            let told = told.as_array().map(Vec::as_slice).unwrap_or_default();
            assert!(told.is_empty() || told.len() == ids.len(), "{}", context());
            assert!(
                told.iter().zip(ids).all(|(told, id)| is_named(told, id)),
                "{}",
                context()
            );
        }
        (Given::Account, id) => {
            let mut accounts = walk.world.accounts.iter();
            let named = accounts.find(|(_, account)| *id == account.id.as_str());
            let (name, _) = named.expect("the account is of the world");
            assert_eq!(!told.is_null(), allowed.visible.contains(name), "{}", context());
            assert!(is_named(told, id), "{}", context());
        }
        (Given::Row(_) | Given::Node, id) => assert!(is_named(told, id), "{}", context()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_field_tells_anybody_of_another_tree_or_upward_or_beyond_the_role() {
    let walk = Arc::new(Walk::prepare().await);
    let kinds = walk.world.kinds();
    let asking = stream::iter(kinds.clone()).map(|number| {
        let walk = Arc::clone(&walk);
        tokio::spawn(async move { walk.ask_all(&walk.world.callers[number]).await })
    });
    let mut all = [Told::default(), Told::default()];
    let mut answers = asking.buffer_unordered(AT_ONCE);
    while let Some(told) = answers.next().await {
        let told = told.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()));
        all.iter_mut().zip(told).for_each(|(all, told)| all.add(told));
    }
    for (side, told) in walk.sides.iter().zip(&all) {
        side.assert_told(told);
        let way = if side.by_plan { "query plans" } else { "resolvers" };
        let bytes = side.places.iter().map(|place| place.document.len());
        println!(
            "{way}: {} callers, {} places, documents of {} bytes and {} at most, {} requests, {} values",
            kinds.len(),
            side.places.len(),
            bytes.clone().sum::<usize>(),
            bytes.max().unwrap_or_default(),
            told.requests,
            told.values
        );
    }
    // What is allowed was in fact told to somebody.
    let mut allowed = BTreeSet::new();
    for asker in kinds.iter().map(|number| &walk.world.callers[*number]) {
        allowed.extend(walk.world.allowed_ids(asker).await);
    }
    let untold: Vec<_> = allowed.difference(&all[0].ids).collect();
    assert!(untold.is_empty(), "the walk never came to {untold:?}");
}

impl Side {
    /// Asserts that somebody was told an object at each place, and a value of each field but the silent ones.
    fn assert_told(&self, told: &Told) {
        let places = self.places.iter().map(|place| place.name.as_str());
        let empty: Vec<&str> = places.filter(|name| !told.places.contains(*name)).collect();
        assert!(
            empty.is_empty(),
            "nothing is proved of these, since the world has nothing there: {empty:#?}"
        );
        let fields = self
            .sdl
            .reached(roots(&self.sdl, self.by_plan).map(Root::edge))
            .into_keys();
        let fields = fields.flat_map(|name| {
            let own = self.sdl.fields(&name).iter();
            own.map(|field| format!("{name}.{}", field.name))
                .collect::<Vec<_>>()
        });
        let silent: Vec<String> = fields.filter(|field| !told.fields.contains(field)).collect();
        assert_eq!(silent, self.silent, "nobody is told a value of these");
    }
}
