//! Where sums lie, at given times: in the row of the open quarter, or in those of quarters that are over, days and months.

use std::collections::BTreeMap;
use std::sync::Arc;

use canopy_entity::time::Timestamp;
use canopy_entity::usage_aggregate::BucketLength;
use canopy_entity::usage_alert::{self, AlertPeriod};
use canopy_entity::{AccountId, UsageAlertId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sea_orm::{DatabaseTransaction, FromQueryResult};

use super::super::split::Split;
use super::super::sums::{Added, Quarters, Sum};
use super::super::{bucket, sums_now};
use super::*;
use crate::pricing::Facts;
use crate::statement::statement;
use crate::testing::insert;

const METER: &str = "minutes";

/// Use of the client that counts at a time.
#[derive(Clone, Copy)]
struct Used {
    at: Timestamp,
    quantity: i64,
}

fn used(at: &str, quantity: i64) -> Used {
    let at = at.parse().unwrap();
    Used { at, quantity }
}

impl House {
    /// Adds what the client used, in one transaction; answers how many thresholds are crossed.
    async fn add(&self, now: &str, used: &[Used]) -> crate::Result<usize> {
        let txn = self.begin().await;
        let crossed = self.add_in(&txn, now, used).await?;
        txn.commit().await?;
        Ok(crossed)
    }

    async fn add_in(&self, txn: &DatabaseTransaction, now: &str, used: &[Used]) -> crate::Result<usize> {
        let mut quarters = Quarters::new();
        for used in used {
            let start = bucket::start_of(BucketLength::Quarter, used.at);
            let own = Sum {
                quantity: used.quantity,
                events: 1,
                amount: 0,
            };
            let key = (self.client.id.clone(), METER.to_owned(), start);
            quarters.entry(key).or_default().add(Added { own, tree: own });
        }
        let facts = Facts::read(txn, [&self.client.path]).await?;
        let now = now.parse().unwrap();
        Ok(Split::new(quarters, now).write(txn, &facts, now).await?.len())
    }

    /// The open quarter, with what is counted in it.
    async fn open_quarter(&self) -> Option<(Timestamp, i64)> {
        #[derive(FromQueryResult)]
        struct Open {
            quarter_start: Timestamp,
            tree_quantity: i64,
        }
        let db = &self.database.db;
        let sql = "SELECT quarter_start, tree_quantity FROM usage_open_quarters";
        let open = Open::find_by_statement(statement(db.get_database_backend(), sql, []));
        let open = open.one(db).await.unwrap();
        open.map(|open| (open.quarter_start, open.tree_quantity))
    }

    /// Quantity and events of each bucket that anything was `used` in.
    async fn sums(&self, used: &[Used]) -> BTreeMap<(&'static str, Timestamp), (i64, i64)> {
        let client: &AccountId = &self.client.id;
        let buckets = used.iter().flat_map(|used| {
            let bucket = |length| (client, length, bucket::start_of(length, used.at), METER);
            bucket::LENGTHS.map(bucket)
        });
        let sums = sums_now(&self.database.db, buckets).await.unwrap();
        let sums = sums.iter().map(|sum| {
            let key = (sum.granularity.as_str(), sum.bucket_start);
            assert_eq!((sum.quantity, sum.events), (sum.tree_quantity, sum.tree_events));
            (key, (sum.quantity, sum.events))
        });
        sums.collect()
    }
}

fn added_up(used: &[Used]) -> BTreeMap<(&'static str, Timestamp), (i64, i64)> {
    let mut sums = BTreeMap::<_, (i64, i64)>::new();
    for used in used {
        for length in bucket::LENGTHS {
            let sum = sums.entry((length.as_str(), bucket::start_of(length, used.at)));
            let sum = sum.or_default();
            sum.0 += used.quantity;
            sum.1 += 1;
        }
    }
    sums
}

#[tokio::test]
async fn usage_as_it_happens_is_one_row_until_a_later_quarter_has_any() {
    let house = house().await;
    let first = used("2026-05-31T23:46:00Z", 5);
    house.add("2026-05-31T23:47:00Z", &[first]).await.unwrap();
    house.add("2026-05-31T23:59:00Z", &[first]).await.unwrap();
    assert_eq!(house.count("usage_aggregates").await, 0);
    assert_eq!(
        house.open_quarter().await,
        Some(("2026-05-31T23:45:00Z".parse().unwrap(), 10))
    );

    let next = used("2026-06-01T00:00:00Z", 7);
    house.add("2026-06-01T00:00:01Z", &[next]).await.unwrap();
    assert_eq!(house.count("usage_aggregates").await, 3);
    assert_eq!(house.open_quarter().await, Some((next.at, 7)));

    // What is reported late, or ahead, goes to its own, and opens nothing.
    let ahead = used("2026-06-01T00:15:00Z", 1);
    house.add("2026-06-01T00:14:59Z", &[first, ahead]).await.unwrap();
    assert_eq!(house.open_quarter().await, Some((next.at, 7)));
    let all = [first, first, next, first, ahead];
    assert_eq!(house.sums(&all).await, added_up(&all));
}

#[tokio::test]
async fn in_any_order_buckets_add_up_to_what_was_counted_in_them() {
    let house = house().await;
    let mut random = StdRng::seed_from_u64(6);
    let start: Timestamp = "2026-05-31T22:00:00Z".parse().unwrap();
    let mut all = Vec::new();
    for minute in (0..180).step_by(5) {
        let now = start + chrono::Duration::minutes(minute);
        let some = (0..random.random_range(1..4)).map(|_| Used {
            at: now + chrono::Duration::minutes(random.random_range(-40..=5)),
            quantity: random.random_range(-3..10),
        });
        let some: Vec<Used> = some.collect();
        house.add(&now.to_rfc3339(), &some).await.unwrap();
        all.extend(some);
    }
    assert!(house.open_quarter().await.unwrap().0 > start);
    assert!(house.count("usage_aggregates").await > 10);
    assert_eq!(house.sums(&all).await, added_up(&all));
}

#[tokio::test]
async fn a_quarter_whose_sums_do_not_fit_elsewhere_stays_open_and_keeps_nobody_from_recording() {
    let house = house().await;
    let most = Micros::MAX.get();
    let first = used("2026-05-31T23:46:00Z", most);
    let next = used("2026-06-01T00:00:00Z", 7);
    // The same quarter is full of what was reported late.
    house.add("2026-06-01T12:00:00Z", &[first]).await.unwrap();
    house.add("2026-05-31T23:47:00Z", &[first]).await.unwrap();
    let more = house.add("2026-05-31T23:48:00Z", &[first]).await;
    assert_eq!(more.unwrap_err().code(), ErrorCode::BadUserInput);
    for _ in 0..2 {
        house.add("2026-06-01T00:00:01Z", &[next]).await.unwrap();
    }
    let open = "2026-05-31T23:45:00Z".parse().unwrap();
    assert_eq!(house.open_quarter().await, Some((open, most)));
    let all = [first, first, next, next];
    assert_eq!(house.sums(&all).await, added_up(&all));
}

#[tokio::test]
async fn of_usage_as_it_happens_and_late_at_once_one_sees_the_threshold_that_both_reach() {
    let house = Arc::new(house().await);
    let now = "2026-05-17T10:07:00Z";
    let alert = usage_alert::Model {
        id: UsageAlertId::new(),
        account_id: house.client.id.clone(),
        name: "A day".to_owned(),
        meter: METER.to_owned(),
        period: AlertPeriod::Day,
        include_descendants: false,
        quantity: Some(10),
        amount: None,
        currency: "USD".to_owned(),
        revision: 1,
        created_by: "system".to_owned(),
        created_at: now.parse().unwrap(),
        updated_at: now.parse().unwrap(),
    };
    insert::<usage_alert::Entity>(&house.database.db, alert).await;

    let txn = house.begin().await;
    let live = used("2026-05-17T10:06:00Z", 6);
    assert_eq!(house.add_in(&txn, now, &[live]).await.unwrap(), 0);
    let late = tokio::spawn({
        let house = Arc::clone(&house);
        async move { house.add(now, &[used("2026-05-17T06:00:00Z", 6)]).await }
    });
    while !late.is_finished() && !house.anybody_waits().await {
        tokio::task::yield_now().await;
    }
    txn.commit().await.unwrap();
    assert_eq!(late.await.unwrap().unwrap(), 1);
}
