//! More than one page: of events in a dry run, of accounts in its CSV.

use canopy_domain::entity::account::Model as Account;
use serde_json::{Value, json};

use super::{House, house};
use crate::app::process::Served;

/// A page of a dry run has 16,384 events.
const EVENTS: i64 = 20_000;
/// A page of the CSV has 1,000 accounts.
const ACCOUNTS: i64 = 2_500;

impl House {
    /// The one rated event of `account`, as often as it takes for more than a page. Copies have the same time, and their
    /// receipts tell of the same totals: to the rule each is the same question.
    async fn copy_usage(&self, account: &Account) {
        let numbers = format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {EVENTS}) INSERT INTO"
        );
        let id = |of: &str| format!("substr({of}, 1, 14) || '000000000' || CAST(1000000 + i AS text)");
        let event = "account_id, path, batch_id, place, payload_digest, meter, quantity, occurred_at, recorded_at, attributes,
            rating_status, ratings";
        let columns = event.split(',').map(|column| format!("e.{}", column.trim()));
        let columns = columns.collect::<Vec<_>>().join(", ");
        let (account, event_id) = (&account.id, id("e.id"));
        for sql in [
            format!(
                "{numbers} usage_events (id, idempotency_key, {event})
                 SELECT {event_id}, 'copy.' || CAST(i AS text), {columns} FROM usage_events e, n WHERE e.account_id = '{account}'"
            ),
            "UPDATE rated_batches SET first_event_id = (SELECT min(e.id) FROM usage_events e WHERE e.batch_id = rated_batches.batch_id),
               last_event_id = (SELECT max(e.id) FROM usage_events e WHERE e.batch_id = rated_batches.batch_id)"
                .to_owned(),
        ] {
            self.app.tamper(&sql).await.expect(&sql);
        }
    }

    /// The one account of a dry run's results, as often as it takes for more than a page, each time as another account.
    async fn copy_results(&self, simulation: &Value) {
        let numbers = format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ACCOUNTS}) INSERT INTO"
        );
        let id = |of: &str| format!("substr({of}, 1, 14) || '000000000' || CAST(1000000 + i AS text)");
        let account = "parent_id, depth, kind, name, status, currency, plan_id, plan_inherited, billing_mode,
            credit_mode, created_at, updated_at";
        let results =
            "events, failures, pending, before_amount, after_amount, p50_change, p95_change, changes";
        let (client, account_id, result_id) = (&self.client.id, id("a.id"), id("s.id"));
        let simulation = simulation.as_str().unwrap();
        for sql in [
            format!(
                "{numbers} accounts (id, path, {account})
                 SELECT {account_id}, substr(path, 1, length(path) - 31) || {account_id} || '/', {account}
                 FROM accounts a, n WHERE a.id = '{client}'"
            ),
            format!(
                "{numbers} simulation_accounts (id, simulation_id, account_id, {results})
                 SELECT {result_id}, simulation_id, {account_id}, {results}
                 FROM simulation_accounts s JOIN accounts a ON a.id = s.account_id, n
                 WHERE s.simulation_id = '{simulation}' AND a.id = '{client}'"
            ),
        ] {
            self.app.tamper(&sql).await.expect(&sql);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_goes_on_from_page_to_page() {
    let house = house().await;
    let live = house.app.unit_price(&house.main, "0.1").await.to_string();
    house.use_up(&house.client, "one", &["10"]).await;
    house.copy_usage(&house.client).await;
    let events = EVENTS + 1;
    let same = house.done(&live, json!({"verify": true})).await;
    assert_eq!(
        (&same["eventsDone"], &same["differing"], &same["failures"]),
        (&json!(events), &json!(0), &json!(0)),
        "{same:#}"
    );
    assert_eq!(same["before"]["amount"], events.to_string());
    assert_eq!(same["difference"]["amount"], "0");
    let dearer = house
        .upload(json!({"meters": {"*": {"unit_price": "0.3"}}}))
        .await;
    let dearer = house.done(&dearer, json!({})).await;
    assert_eq!(dearer["after"]["amount"], (3 * events).to_string());
    assert_eq!(dearer["variance"], "200");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_csv_of_many_pages_has_each_account_once_and_breaks_off_where_an_error_does() {
    let house = house().await;
    let rule = house.app.unit_price(&house.main, "0.1").await.to_string();
    house.use_up(&house.client, "one", &["10"]).await;
    let id = house.done(&rule, json!({})).await["id"].clone();
    house.copy_results(&id).await;
    let server = Served::start(&house.app).await;
    let client = canopy::tls::client_builder().build().unwrap();
    let url = server.url(&format!("/simulations/{}.csv", id.as_str().unwrap()));
    let get = || {
        client
            .get(&url)
            .header("authorization", house.owner.authorization.clone().unwrap())
            .send()
    };

    let text = get().await.unwrap().text().await.unwrap();
    let accounts: Vec<&str> = text
        .lines()
        .skip(1)
        .map(|line| line.split(',').next().unwrap())
        .collect();
    assert_eq!(accounts.len() as i64, ACCOUNTS + 1);
    assert!(accounts.is_sorted() || accounts[1..].is_sorted(), "in order");
    let mut once = accounts.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), accounts.len(), "each account once");

    // What was read until then was sent with the status 200; so the answer is broken off, and no client takes it for
    // the whole.
    house.app.faults.break_at("simulation.csv.next");
    let broken = get().await.unwrap();
    assert_eq!(broken.status(), 200);
    assert!(broken.text().await.is_err(), "it ended as if it were whole");
    house.app.faults.mend();
    assert_eq!(get().await.unwrap().text().await.unwrap(), text);
}
