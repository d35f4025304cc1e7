//! How a price came about, as it is kept with a rating.

use canopy_entity::rating;
use serde::{Deserialize, Serialize};

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

/// The items of an answer of a rule as they are stored.
pub(super) fn stored(priced: &canopy_rules_host::PricedLine) -> serde_json::Value {
    let mut items = serde_json::json!(priced.items);
    if let (Some(items), false) = (items.as_array_mut(), priced.reason.is_empty()) {
        items.push(serde_json::json!({ "description": priced.reason, "quantity": 0, "amount": 0 }));
    }
    items
}
