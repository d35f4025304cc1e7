//! One line of a batch by itself: what a receipt needs to be replayed, since a line's price does not depend on its batch.

use serde::Serialize;

use super::{PeriodTotals, PricingAccount, PricingInput};
use crate::digest::Digest;

impl PricingInput {
    /// The input that has only this line, or none if there is no such line.
    pub fn single(&self, line: usize) -> Option<Self> {
        let mut line = self.lines.get(line)?.clone();
        let account = self.accounts.get(usize::try_from(line.account).ok()?)?.clone();
        line.account = 0;
        Some(Self {
            seller_path: self.seller_path.clone(),
            currency: self.currency.clone(),
            configuration: self.configuration.clone(),
            accounts: vec![account],
            lines: vec![line],
        })
    }

    /// The digest of [`single`](Self::single), without a copy of it.
    pub fn digest_of(&self, line: usize) -> Option<Digest> {
        let line = self.lines.get(line)?;
        let account = self.accounts.get(usize::try_from(line.account).ok()?)?;
        Some(Digest::of_json(&Single {
            seller_path: &self.seller_path,
            currency: &self.currency,
            configuration: &self.configuration,
            accounts: [account],
            lines: [SingleLine {
                account: 0,
                meter: &line.meter,
                quantity: line.quantity,
                cost: line.cost,
                occurred_at: line.occurred_at,
                attributes: line.attributes.as_deref(),
                period: line.period,
            }],
        }))
    }
}

/// A [`PricingInput`] that has one line.
#[derive(Serialize)]
struct Single<'a> {
    seller_path: &'a str,
    currency: &'a str,
    configuration: &'a str,
    accounts: [&'a PricingAccount; 1],
    lines: [SingleLine<'a>; 1],
}

/// A [`UsageLine`](super::UsageLine).
#[derive(Serialize)]
struct SingleLine<'a> {
    account: u32,
    meter: &'a str,
    quantity: i64,
    cost: i64,
    occurred_at: i64,
    attributes: Option<&'a str>,
    period: PeriodTotals,
}
