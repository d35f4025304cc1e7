//! A view of an account's usage while its parts are read: parts in, sums as the plan of the account has them told out. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use canopy_entity::AccountId;

use super::asked::Zoned;
use super::read::{Part, UsageBucket, UsageTotal, UsageView};
use super::values::{Known, KnownValues};
use crate::plans::{Aggregation, Meters};
use crate::{Error, Micros, Money, Result};

/// A view while its parts are read.
pub(super) struct Building {
    zoned: Zoned,
    currency: String,
    pub(super) meters: Arc<Meters>,
    totals: BTreeMap<String, Total>,
    buckets: Vec<UsageBucket>,
}

#[derive(Default, Clone, Copy)]
struct Total {
    quantity: i64,
    events: i64,
    amount: i64,
}

impl Total {
    fn says_anything(&self) -> bool {
        self.quantity != 0 || self.events != 0 || self.amount != 0
    }
}

impl Building {
    pub(super) fn new(zoned: Zoned, currency: String, meters: Arc<Meters>) -> Self {
        Self {
            zoned,
            currency,
            meters,
            totals: BTreeMap::new(),
            buckets: Vec::new(),
        }
    }

    /// Adds a part. A sum that no exact number holds is an error, never a wrong number.
    pub(super) fn add(&mut self, part: Part, known: &KnownValues) -> Result<()> {
        let added = Total {
            quantity: part.quantity,
            events: part.events,
            amount: part.amount,
        };
        if let Some(start) = part.bucket_start {
            let key = (part.account, part.meter.clone(), Some(start));
            let total = self.told(part.meter.clone(), added, known.get(&key))?;
            self.buckets.push(UsageBucket { start, total });
        }
        let total = self.totals.entry(part.meter).or_default();
        let sum = || {
            Some(Total {
                quantity: total.quantity.checked_add(added.quantity)?,
                events: total.events.checked_add(added.events)?,
                amount: total.amount.checked_add(added.amount)?,
            })
        };
        *total = sum().ok_or_else(too_large)?;
        Ok(())
    }

    pub(super) fn finish(mut self, account: &AccountId, known: &KnownValues) -> Result<UsageView> {
        // What was taken out of one bucket and put into another is no usage of both.
        let totals = std::mem::take(&mut self.totals).into_iter();
        let totals = totals.filter(|(_, total)| total.says_anything());
        let totals = totals.map(|(meter, total)| {
            let values = known.get(&(account.clone(), meter.clone(), None));
            self.told(meter, total, values)
        });
        Ok(UsageView {
            period: self.zoned.period,
            zone: self.zoned.zone,
            totals: totals.collect::<Result<_>>()?,
            buckets: self.buckets,
        })
    }

    /// A sum as the plan of the account has it told.
    fn told(&self, meter: String, total: Total, values: Option<&Known>) -> Result<UsageTotal> {
        let declared = self.meters.get(&meter);
        let aggregation = declared.map(|meter| meter.aggregation).unwrap_or_default();
        let values = values.copied().unwrap_or_default();
        let quantity = match aggregation {
            Aggregation::Sum => Some(total.quantity),
            Aggregation::Count => total.events.checked_mul(Micros::UNIT),
            Aggregation::Max | Aggregation::Unique => values.told(aggregation),
        };
        let quantity = quantity.and_then(|quantity| Micros::new(quantity).ok());
        Ok(UsageTotal {
            meter,
            unit: declared.and_then(|meter| meter.unit.clone()),
            aggregation,
            quantity: quantity.ok_or_else(too_large)?,
            events: total.events,
            amount: Money {
                amount: Micros::new(total.amount).map_err(|_| too_large())?,
                currency: self.currency.clone(),
            },
        })
    }
}

fn too_large() -> Error {
    Error::bad_input(
        &["period"],
        "The sum is too large to be exact: ask for a shorter period.",
    )
}
