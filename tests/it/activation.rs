//! Activation under load: while usage is recorded, versions are activated back and forth and rolled back. Each event
//! has one price per edge, of the version that was live when it was recorded, and of no other.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use canopy_domain::entity::account::Model as Account;
use canopy_domain::entity::rule_version::RuleKind;
use canopy_domain::entity::{Role, RuleVersionId, rule_activation};
use canopy_domain::rules::RuleSource;
use futures_util::future::join_all;
use sea_orm::EntityTrait;
use serde_json::{Value, json};

use crate::app::{App, Caller};

/// Recorders at once, and the fewest batches of each.
const RECORDERS: usize = 4;
const BATCHES: usize = 6;
const EVENTS: usize = 5;
/// The fewest changes of a seller's live version while they record.
const CHANGES: usize = 12;

struct House {
    app: App,
    sellers: [Account; 2],
    client: Account,
    owner: Caller,
    /// The unit price of each version, in whole units of currency.
    prices: HashMap<RuleVersionId, i64>,
    versions: [Vec<RuleVersionId>; 2],
}

async fn house() -> House {
    let app = App::start().await;
    let platform = app.platform("Platform").await;
    let main = app.main_account(Some(&platform), "Main", "pln_itellico").await;
    let client = app.subaccount(&main, "Client").await;
    app.fund(&main, "1000000").await;
    let owner = app.member(&platform, Role::Owner).await;
    let sellers = [platform, main];
    let (mut prices, mut versions) = (HashMap::new(), [Vec::new(), Vec::new()]);
    for (seller, unit_prices) in [(0, [1, 2, 3]), (1, [10, 20, 30])] {
        for price in unit_prices {
            let source = RuleSource::Builtin("tiered-pricing".to_owned());
            let configuration = json!({"meters": {"*": {"unit_price": price.to_string()}}});
            let id = app
                .live_rule(&sellers[seller], RuleKind::Pricing, source, configuration, None)
                .await;
            prices.insert(id.clone(), price);
            versions[seller].push(id);
        }
    }
    House {
        app,
        sellers,
        client,
        owner,
        prices,
        versions,
    }
}

impl House {
    /// Changes a seller's live version until nobody records any more.
    async fn change(&self, seller: usize, changes: &AtomicUsize, recording: &AtomicBool) {
        let versions = &self.versions[seller];
        let mut turn = 0;
        while recording.load(Ordering::Relaxed) {
            let activate = json!({"ruleVersionId": versions[turn % versions.len()].as_str()});
            self.app.activate_rule(&self.owner, activate).await.success();
            if turn % 2 == 1 {
                let back = json!({"accountId": self.sellers[seller].id.as_str(), "kind": "PRICING"});
                self.app
                    .rule_step(&self.owner, "rollbackRule", back)
                    .await
                    .success();
            }
            turn += 1;
            changes.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Records batches until enough was changed beside it; answers how many events.
    async fn record(&self, recorder: usize, changes: [&AtomicUsize; 2]) -> usize {
        let mut batches = 0;
        let enough = || {
            changes
                .iter()
                .all(|changes| changes.load(Ordering::Relaxed) >= CHANGES)
        };
        while batches < BATCHES || !enough() {
            let event = |n: usize| {
                json!({
                    "idempotencyKey": format!("{recorder}.{batches}.{n}"), "meter": "minutes",
                    "quantity": (n + 1).to_string(),
                })
            };
            let events: Vec<Value> = (0..EVENTS).map(event).collect();
            self.recorded(&json!(events)).await;
            batches += 1;
        }
        batches * EVENTS
    }

    /// Sends a batch until it is taken: where the rules change faster than it can be priced, it is told to try again.
    async fn recorded(&self, events: &Value) {
        loop {
            let answer = self.app.record(&self.owner, &self.client, events.clone()).await;
            if answer.codes() == ["RATE_LIMITED"] {
                continue;
            }
            for result in answer.success()["results"].as_array().unwrap() {
                assert_eq!(result["status"], "ACCEPTED", "{result:#}");
            }
            return;
        }
    }

    /// Holds each rating against the activations of its seller.
    async fn assert_priced_by_what_was_live(&self) {
        let db = &self.app.probe;
        let activations = rule_activation::Entity::find().all(db).await.unwrap();
        let events = self.app.ratings().await;
        let mut used: HashMap<RuleVersionId, usize> = HashMap::new();
        for (event, rating) in events
            .iter()
            .flat_map(|(event, ratings)| ratings.iter().map(move |rating| (event, rating)))
        {
            let version = rating
                .rule_version_id
                .clone()
                .expect("each seller has a live rule");
            let live = activations.iter().filter(|activation| {
                activation.account_id == rating.seller_account_id
                    && activation.activated_at <= event.recorded_at
                    && activation.retired_at.is_none_or(|at| event.recorded_at <= at)
            });
            let live: Vec<&RuleVersionId> = live.map(|activation| &activation.rule_version_id).collect();
            assert!(
                live.contains(&&version),
                "{version} was not live at {}",
                event.recorded_at
            );
            assert_eq!(rating.price, event.quantity * self.prices[&version], "{version}");
            *used.entry(version).or_default() += 1;
        }
        let ratings: usize = used.values().sum();
        assert_eq!(
            ratings,
            2 * events.len(),
            "one rating for each edge of each event"
        );
        println!("ratings by version: {:?}", used.values().collect::<Vec<_>>());
    }

    /// Runs the receipts of the newest events again.
    async fn assert_replayed(&self) {
        let document =
            "query ($id: ID!) { account(id: $id) { usageEvents(last: 40) { nodes { ratings { explain {
          steps { rating { id } replay note } } } } } } }";
        let variables = json!({"id": self.client.id.as_str()});
        let answer = self.app.run(&self.owner, document, variables).await;
        let mut replayed = 0;
        for event in answer.at("/account/usageEvents/nodes").as_array().unwrap() {
            for rating in event["ratings"].as_array().unwrap() {
                for step in rating["explain"]["steps"].as_array().unwrap() {
                    assert_eq!(step["replay"], "EQUAL", "{step:#}");
                    replayed += 1;
                }
            }
        }
        assert!(replayed >= 80, "{replayed} receipts were run again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_versions_change_each_event_is_priced_by_the_one_that_was_live() {
    let house = house().await;
    let recording = AtomicBool::new(true);
    let changes = [AtomicUsize::new(0), AtomicUsize::new(0)];
    let record = async {
        let recorders = (0..RECORDERS).map(|n| house.record(n, [&changes[0], &changes[1]]));
        let recorded = join_all(recorders).await;
        recording.store(false, Ordering::Relaxed);
        recorded.into_iter().sum::<usize>()
    };
    let (recorded, ..) = tokio::join!(
        record,
        house.change(0, &changes[0], &recording),
        house.change(1, &changes[1], &recording)
    );
    let events = house.app.count("usage_events").await;
    assert_eq!(usize::try_from(events).unwrap(), recorded);
    let pending = "SELECT count(*) FROM usage_events WHERE rating_status <> 'RATED'";
    assert_eq!(house.app.number(pending).await, 0, "each event has its price");
    println!("{recorded} events beside {changes:?} changes");
    house.assert_priced_by_what_was_live().await;
    house.assert_replayed().await;
    house.app.assert_counted_once().await;
    house.app.assert_balanced().await;
}
