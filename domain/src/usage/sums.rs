//! Adding events to the sums by hour, day and month. A sum does not depend on the order in which events arrive.

use std::collections::BTreeMap;

use canopy_entity::time::Timestamp;
use canopy_entity::usage_aggregate::{self, Granularity};
use canopy_entity::{AccountId, usage_event};
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, Query};
use sea_orm::{ConnectionTrait, EntityTrait, IntoActiveModel, QueryTrait};

use super::bucket;
use crate::{Error, Micros, Result};

/// Rows of one statement.
const ROWS: usize = 500;

/// What is to be added, by account, place among the granularities, bucket and meter: always in this order, so that
/// two transactions that add to the same sums wait for each other and never in a circle.
#[derive(Debug, Default)]
pub(super) struct Sums(BTreeMap<(AccountId, usize, Timestamp, String), Added>);

#[derive(Debug, Default)]
struct Added {
    quantity: i64,
    events: i64,
    amount: i64,
}

impl Sums {
    /// Adds an event, with what its account is charged for it so far.
    pub(super) fn add(&mut self, event: &usage_event::Model, amount: i64) {
        self.plus(event, event.quantity, 1, amount);
    }

    /// Adds what the account is charged for an event that counts already.
    pub(super) fn add_amount(&mut self, event: &usage_event::Model, amount: i64) {
        self.plus(event, 0, 0, amount);
    }

    fn plus(&mut self, event: &usage_event::Model, quantity: i64, events: i64, amount: i64) {
        for (place, granularity) in bucket::GRANULARITIES.into_iter().enumerate() {
            let start = bucket::start_of(granularity, event.occurred_at);
            let key = (event.account_id.clone(), place, start, event.meter.clone());
            let added = self.0.entry(key).or_default();
            // A batch has at most 1000 events of at most 2^53 each, which 64 bits hold.
            added.quantity += quantity;
            added.events += events;
            added.amount += amount;
        }
    }

    /// Writes the sums. One that would leave the range of exact numbers is an error.
    pub(super) async fn write(self, txn: &impl ConnectionTrait) -> Result<()> {
        use usage_aggregate::Column;
        let rows: Vec<_> = self.0.into_iter().map(row).collect();
        let plus = |column: Column, excluded: &'static str| {
            let sum = Expr::col((usage_aggregate::Entity, column)).add(Expr::cust(excluded));
            (column, sum)
        };
        for chunk in rows.chunks(ROWS) {
            let conflict = OnConflict::columns([
                Column::AccountId,
                Column::Granularity,
                Column::BucketStart,
                Column::Meter,
            ])
            .values([
                plus(Column::Quantity, "excluded.quantity"),
                plus(Column::Events, "excluded.events"),
                plus(Column::Amount, "excluded.amount"),
            ])
            .to_owned();
            let mut statement = usage_aggregate::Entity::insert_many(chunk.iter().cloned())
                .on_conflict(conflict)
                .into_query();
            statement.returning(Query::returning().columns([Column::Quantity, Column::Amount]));
            for sum in txn.query_all(&statement).await? {
                for column in ["quantity", "amount"] {
                    Micros::new(sum.try_get("", column)?).map_err(|_| {
                        Error::bad_input(&["events"], "The sum of a meter would be too large.")
                    })?;
                }
            }
        }
        Ok(())
    }
}

fn row(
    ((account_id, place, bucket_start, meter), added): ((AccountId, usize, Timestamp, String), Added),
) -> usage_aggregate::ActiveModel {
    let granularity: Granularity = bucket::GRANULARITIES[place];
    usage_aggregate::Model {
        account_id,
        granularity,
        bucket_start,
        meter,
        quantity: added.quantity,
        events: added.events,
        amount: added.amount,
    }
    .into_active_model()
}
