//! How a price came about, as it is kept with a rating: enough to ask the same rule the same question again.

use canopy_entity::rating::{self, StoredItem};
use canopy_entity::{rule_version, usage_event};
use canopy_rules_host::{PeriodTotals, PricedLine, PricingAccount, PricingInput, UsageLine};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::Micros;

/// A part of a price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineItem {
    /// What it is for, in the rule's words.
    pub description: String,
    /// The quantity that it charges for.
    pub quantity: Micros,
    /// How much it adds to the price; negative for a discount.
    pub amount: Micros,
}

/// The line items of a rating; they add up to its price unless there are none. The rule's own reason, if it gave
/// one, comes last, with nothing charged.
pub fn line_items(rating: &rating::Model) -> Vec<LineItem> {
    serde_json::from_value(rating.line_items.clone()).unwrap_or_default()
}

/// What the rule of `version` was given for `rating` alone, a rating of `event`, byte for byte: its digest is the
/// rating's `input_digest`. None if no rule priced it, or if the three do not belong together.
pub fn input_of(
    rating: &rating::Model,
    event: &usage_event::Model,
    version: &rule_version::Model,
) -> Option<PricingInput> {
    let belong_together = rating.event_id == event.id && rating.rule_version_id.as_ref() == Some(&version.id);
    let path = event.path.seen_from(usize::try_from(rating.edge).ok()?)?;
    let seller = format!("{}/", rating.seller_account_id);
    let buyer = format!("{}/", rating.buyer_account_id);
    if !belong_together || !path.strip_prefix(&seller)?.starts_with(&buyer) {
        return None;
    }
    let mut input = PricingInput::new(seller, rating.currency.as_str(), configuration(version));
    let account = input.account(PricingAccount {
        path: path.to_owned(),
        buyer: rating.buyer_account_id.to_string(),
        buyer_plan: rating.buyer_plan.clone()?,
    });
    input.lines.push(UsageLine {
        account,
        meter: event.meter.clone(),
        quantity: event.quantity,
        cost: rating.cost,
        occurred_at: event.occurred_at.timestamp(),
        attributes: Some(event.attributes.clone()),
        period: PeriodTotals {
            start: rating.period_start?,
            quantity: rating.period_quantity?,
            lines: rating.period_lines?,
        },
    });
    Some(input)
}

/// The configuration of a version, as its rule is given it.
pub(crate) fn configuration(version: &rule_version::Model) -> String {
    version.configuration.to_string()
}

/// True if both databases can keep the texts of an answer.
pub(super) fn is_storable(priced: &PricedLine) -> bool {
    let mut items = priced.items.iter();
    !priced.reason.contains('\0') && items.all(|item| !item.description.contains('\0'))
}

/// The items of a price as they are stored: a JSON array.
#[derive(Debug, Clone)]
pub(crate) struct StoredItems(Box<RawValue>);

impl StoredItems {
    pub(crate) fn json(&self) -> &RawValue {
        &self.0
    }
}

impl PartialEq for StoredItems {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

/// The items of an answer of a rule as they are stored; none if there are none.
pub(crate) fn stored(priced: &PricedLine) -> Option<StoredItems> {
    if priced.items.is_empty() && priced.reason.is_empty() {
        return None;
    }
    let items = priced.items.iter();
    let items = items.map(|item| (item.description.as_str().into(), item.quantity, item.amount));
    let reason = (!priced.reason.is_empty()).then(|| (priced.reason.as_str().into(), 0, 0));
    let items: Vec<StoredItem<'_>> = items.chain(reason).collect();
    let json = serde_json::value::to_raw_value(&items);
    Some(StoredItems(json.expect("an item has texts and numbers only")))
}
