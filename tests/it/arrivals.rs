//! Whatever the order in which usage arrives, however often and however late: the sums and the ledger come out the same,
//! each unit is paid by one account for each seller above, and a tree used what its accounts used.

use std::collections::BTreeMap;

use canopy_domain::entity::Role;
use canopy_domain::entity::account::Model as Account;
use chrono::{Duration, Utc};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::app::{App, Caller};

const METERS: [&str; 3] = ["minutes", "messages", "tokens"];
/// Within the days that usage may be late by.
const MINUTES: i64 = 34 * 24 * 60;

/// Usage of a tree, and how it arrives.
#[derive(Debug, Clone)]
struct Story {
    /// For each account but the first, the place of its parent.
    parents: Vec<usize>,
    used: Vec<Used>,
    /// Places of what was used: each once at least, in any order.
    arrivals: Vec<usize>,
    /// How many arrive together.
    batch: usize,
    /// Whether two batches are sent at a time.
    at_once: bool,
}

#[derive(Debug, Clone)]
struct Used {
    account: Index,
    meter: usize,
    tenths: u32,
    minutes_ago: i64,
}

fn stories() -> impl Strategy<Value = Story> {
    let used = (any::<Index>(), 0..METERS.len(), 1..5_000_u32, 0..MINUTES).prop_map(
        |(account, meter, tenths, minutes_ago)| Used {
            account,
            meter,
            tenths,
            minutes_ago,
        },
    );
    let tree = prop::collection::vec(any::<Index>(), 1..5);
    let used = prop::collection::vec(used, 1..20);
    let again = prop::collection::vec(any::<Index>(), 0..10);
    (tree, used, again, 1..6_usize, any::<bool>()).prop_flat_map(|(tree, used, again, batch, at_once)| {
        let parents: Vec<usize> = (1..).zip(tree).map(|(own, parent)| parent.index(own)).collect();
        let again = again.iter().map(|place| place.index(used.len()));
        let arrivals: Vec<usize> = (0..used.len()).chain(again).collect();
        Just(arrivals).prop_shuffle().prop_map(move |arrivals| Story {
            parents: parents.clone(),
            used: used.clone(),
            arrivals,
            batch,
            at_once,
        })
    })
}

/// A tree in a database of its own.
struct Shop {
    app: App,
    owner: Caller,
    accounts: Vec<Account>,
}

impl Shop {
    /// The first account sells to those below, and the second to those below it.
    async fn open(story: &Story) -> Self {
        let app = App::start().await;
        let mut accounts = vec![app.main_account(None, "Shop", "pln_itellico").await];
        for (parent, number) in story.parents.iter().zip(1..) {
            let account = app
                .subaccount(&accounts[*parent], &format!("Client {number}"))
                .await;
            accounts.push(account);
        }
        app.unit_price(&accounts[0], "0.5").await;
        app.unit_price(&accounts[1], "0.75").await;
        // What a wallet holds pays first, whichever event comes first.
        app.fund(&accounts[1], "40").await;
        let owner = app.member(&accounts[0], Role::Owner).await;
        Self { app, owner, accounts }
    }

    fn event(&self, story: &Story, place: usize, now: chrono::DateTime<Utc>) -> Value {
        let used = &story.used[place];
        json!({
            "accountId": self.accounts[used.account.index(self.accounts.len())].id,
            "idempotencyKey": format!("event {place}"),
            "meter": METERS[used.meter],
            "quantity": format!("{}.{}", used.tenths / 10, used.tenths % 10),
            "occurredAt": now - Duration::minutes(used.minutes_ago),
        })
    }

    /// Records events, of which some may have been recorded before.
    async fn record(&self, events: Vec<Value>) {
        let answer = self
            .app
            .record(&self.owner, &self.accounts[0], json!(events))
            .await;
        for result in answer.success()["results"].as_array().unwrap() {
            assert!(
                result["status"] == "ACCEPTED" || result["status"] == "REPLAYED",
                "{result:#}"
            );
        }
    }

    /// Sums and totals of the ledger, by places in the tree instead of ids.
    async fn books(&self) -> BTreeMap<String, Value> {
        self.app.relay().await;
        self.app.assert_counted_once().await;
        let mut books = BTreeMap::new();
        for (sql, names) in [
            (SUMS, &["granularity", "bucket_start", "meter"] as &[_]),
            (LEDGER, &["kind", "currency"]),
        ] {
            for mut row in self.app.rows(sql).await {
                let id = row["account_id"].take();
                let place = self.accounts.iter().position(|account| id == json!(account.id));
                let names: Vec<String> = names.iter().map(|name| row[*name].to_string()).collect();
                books.insert(format!("{place:?} {}", names.join(" ")), row);
            }
        }
        books
    }

    /// What each account used by meter, as the API tells it.
    async fn told(&self, below: bool) -> Vec<BTreeMap<String, i64>> {
        let document = "query ($id: ID!, $below: Boolean!) {
          account(id: $id) { usage(granularity: HOUR, includeDescendants: $below) { totals { meter events } } }
        }";
        let mut told = Vec::new();
        for account in &self.accounts {
            let variables = json!({"id": account.id, "below": below});
            let answer = self.app.run(&self.owner, document, variables).await;
            let totals = answer.at("/account/usage/totals").as_array().unwrap().clone();
            let total = |total: &Value| {
                let meter = total["meter"].as_str().unwrap().to_owned();
                (meter, total["events"].as_i64().unwrap())
            };
            told.push(totals.iter().map(total).collect());
        }
        told
    }
}

const SUMS: &str = "
SELECT account_id, granularity, bucket_start, meter, CAST(sum(quantity) AS bigint) AS quantity,
  CAST(sum(events) AS bigint) AS events, CAST(sum(amount) AS bigint) AS amount,
  CAST(sum(tree_quantity) AS bigint) AS tree_quantity, CAST(sum(tree_events) AS bigint) AS tree_events,
  CAST(sum(tree_amount) AS bigint) AS tree_amount
FROM usage_sums GROUP BY account_id, granularity, bucket_start, meter";
const LEDGER: &str =
    "SELECT account_id, kind, currency, debits, credits FROM ledger_accounts WHERE debits + credits > 0";

async fn holds(story: &Story) {
    let now = Utc::now();
    let in_order = Shop::open(story).await;
    let mut places: Vec<usize> = (0..story.used.len()).collect();
    places.sort_by_key(|place| -story.used[*place].minutes_ago);
    for place in places {
        in_order.record(vec![in_order.event(story, place, now)]).await;
    }

    let as_it_comes = Shop::open(story).await;
    let batches: Vec<&[usize]> = story.arrivals.chunks(story.batch).collect();
    for pair in batches.chunks(if story.at_once { 2 } else { 1 }) {
        let events = |batch: &[usize]| {
            batch
                .iter()
                .map(|place| as_it_comes.event(story, *place, now))
                .collect()
        };
        let sent = pair.iter().map(|batch| as_it_comes.record(events(batch)));
        futures_util::future::join_all(sent).await;
    }
    assert_eq!(as_it_comes.books().await, in_order.books().await);

    let (own, all) = (as_it_comes.told(false).await, as_it_comes.told(true).await);
    for (place, account) in as_it_comes.accounts.iter().enumerate() {
        let mut sum: BTreeMap<String, i64> = BTreeMap::new();
        for (other, used) in as_it_comes.accounts.iter().zip(&own) {
            if account.path.contains(&other.path) {
                used.iter()
                    .for_each(|(meter, events)| *sum.entry(meter.clone()).or_default() += events);
            }
        }
        assert_eq!(all[place], sum, "account {place} and those below it");
    }
}

#[test]
fn order_repetition_and_delay_change_neither_sums_nor_ledger() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = Config {
        cases: 8,
        max_shrink_iters: 20,
        failure_persistence: None,
        ..Config::default()
    };
    let held = TestRunner::new(config).run(&stories(), |story| {
        runtime.block_on(holds(&story));
        Ok(())
    });
    held.unwrap_or_else(|error| panic!("{error}"));
}
