//! One line of a batch by itself: what a receipt needs to be replayed, since a line's price does not depend on its batch.

use serde::Serialize;
use sha2::{Digest as _, Sha256};

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

    /// The digests of [`single`](Self::single) inputs, without a copy of each.
    pub fn line_digests(&self) -> LineDigests<'_> {
        LineDigests {
            input: self,
            before: vec![None; self.accounts.len()],
            json: Vec::new(),
        }
    }
}

/// The digests of the lines of an input, each by itself. What many lines have in common comes first in their JSON, and is
/// digested once.
pub struct LineDigests<'i> {
    input: &'i PricingInput,
    /// For each account, what comes before the line.
    before: Vec<Option<Sha256>>,
    json: Vec<u8>,
}

impl LineDigests<'_> {
    /// The digest of the input that has only this line, or none if there is no such line.
    pub fn of(&mut self, line: usize) -> Option<Digest> {
        let line = self.input.lines.get(line)?;
        let place = usize::try_from(line.account).ok()?;
        let account = self.input.accounts.get(place)?;
        let before = self.before[place].get_or_insert_with(|| before(self.input, account));
        let mut digest = before.clone();
        self.json.clear();
        write(
            &mut self.json,
            &SingleLine {
                account: 0,
                meter: &line.meter,
                quantity: line.quantity,
                cost: line.cost,
                occurred_at: line.occurred_at,
                attributes: line.attributes.as_deref(),
                period: line.period,
            },
        );
        digest.update(&self.json);
        digest.update(b"]}");
        Some(Digest::from(digest))
    }
}

/// The JSON of an input up to its lines, with one account.
fn before(input: &PricingInput, account: &PricingAccount) -> Sha256 {
    let mut json = Vec::new();
    write(
        &mut json,
        &Before {
            seller_path: &input.seller_path,
            currency: &input.currency,
            configuration: &input.configuration,
            accounts: [account],
        },
    );
    // Another member follows.
    json.pop();
    json.extend_from_slice(br#","lines":["#);
    Sha256::new_with_prefix(json)
}

fn write(json: &mut Vec<u8>, part: &impl Serialize) {
    serde_json::to_writer(json, part).expect("types of the contract have string keys only");
}

/// A [`PricingInput`] without its lines.
#[derive(Serialize)]
struct Before<'a> {
    seller_path: &'a str,
    currency: &'a str,
    configuration: &'a str,
    accounts: [&'a PricingAccount; 1],
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
