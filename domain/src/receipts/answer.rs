//! The answer that a rating keeps, and whether a rule still gives it. Pure.

use canopy_entity::{rating, rule_version};
use canopy_rules_host::{Digest, PricedLine, RuleError};

use super::Replay;

/// The answer that was charged: what the rating stores, if it has the digest of the receipt. None if no rule priced
/// it, or if price or line items are not what the rule answered.
pub fn answer_of(rating: &rating::Model) -> Option<PricedLine> {
    let digest: Digest = rating.output_digest.as_ref()?.parse().ok()?;
    let whole = PricedLine {
        amount: rating.price,
        items: serde_json::from_value(rating.line_items.clone()).ok()?,
        reason: String::new(),
    };
    if whole.digest() == digest {
        return Some(whole);
    }
    // A reason is stored as a last item that charges nothing.
    let PricedLine {
        amount, mut items, ..
    } = whole;
    let last = items
        .pop()
        .filter(|last| last.amount == 0 && last.quantity == 0)?;
    let with_reason = PricedLine {
        amount,
        items,
        reason: last.description,
    };
    (with_reason.digest() == digest).then_some(with_reason)
}

/// What is wrong with a receipt as it is stored, whatever its rule says: `asked` is the digest of the question that
/// it makes, `above` the price of the edge above, `reversed` the rating that it takes back.
pub(super) fn flaw(
    rating: &rating::Model,
    version: Option<&rule_version::Model>,
    asked: Option<Digest>,
    above: i64,
    reversed: Option<&rating::Model>,
) -> Option<&'static str> {
    let asked = asked.map(|digest| digest.to_string());
    let is_by = |version: &rule_version::Model| rating.rule_digest.as_ref() == Some(&version.digest);
    if rating.cost != above {
        Some("The cost is not the price of the edge above.")
    } else if rating.reverses_id.is_some() {
        let is_opposite = reversed.is_some_and(|reversed| takes_back(rating, reversed));
        (!is_opposite).then_some("It is not the opposite of the rating that it takes back.")
    } else if rating.rule_version_id.is_none() {
        (rating.price != rating.cost).then_some("The price is not the cost that was passed on.")
    } else if !version.is_some_and(is_by) {
        Some("The rule version has another digest than the receipt.")
    } else if asked.is_none() || asked != rating.input_digest {
        Some("What is stored of the question has another digest than the receipt.")
    } else if answer_of(rating).is_none() {
        Some("The price or its line items have another digest than the receipt.")
    } else {
        None
    }
}

/// True if `rating` takes back all of `reversed`, and nothing else.
fn takes_back(rating: &rating::Model, reversed: &rating::Model) -> bool {
    let edge = |rating: &rating::Model| {
        let sides = (rating.seller_account_id.clone(), rating.buyer_account_id.clone());
        (rating.edge, sides, rating.currency.clone())
    };
    edge(rating) == edge(reversed) && rating.price == -reversed.price && rating.cost == -reversed.cost
}

/// The rule's owner is not to blame for it.
const USED_UP: &str = "You have used up your fuel for running receipts again: ask again in a minute.";

/// What an answer of today says about the receipt.
pub(super) fn compared(
    rating: &rating::Model,
    again: &Result<PricedLine, RuleError>,
) -> (Replay, Option<String>) {
    match again {
        Ok(priced) if Some(priced.digest().to_string()) == rating.output_digest => (Replay::Equal, None),
        Ok(_) => (
            Replay::Different,
            Some("The rule answers something else now.".to_owned()),
        ),
        // The clock is the one bound that the same call may meet or not.
        Err(error) if error.is_rules_fault() && !matches!(error, RuleError::Timeout { .. }) => {
            (Replay::Different, Some(error.to_string()))
        }
        Err(RuleError::Throttled { .. }) => (Replay::Unavailable, Some(USED_UP.to_owned())),
        Err(error) => (Replay::Unavailable, Some(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use canopy_entity::rating::StoredItem;
    use canopy_entity::{AccountId, RatingId, RuleVersionId, UsageEventId, time};
    use canopy_rules_host::LineItem;

    use super::*;

    fn rated(priced: &PricedLine) -> rating::Model {
        let stored = crate::pricing::stored(priced);
        let stored = stored.as_ref().map_or("[]", |items| items.json().get());
        let items: Vec<StoredItem<'_>> = serde_json::from_str(stored).unwrap();
        let items = items.into_iter().map(|(description, quantity, amount)| {
            serde_json::json!({"description": description, "quantity": quantity, "amount": amount})
        });

        let event = UsageEventId::new();
        rating::Model {
            id: RatingId::new(&event, 0),
            batch_id: canopy_entity::UsageBatchId::new(),
            reverses_id: None,
            event_id: event,
            edge: 0,
            seller_account_id: AccountId::new(),
            buyer_account_id: AccountId::new(),
            rule_version_id: Some(RuleVersionId::new()),
            rule_digest: Some("d".repeat(64)),
            input_digest: Some(Digest::of(b"question").to_string()),
            output_digest: Some(priced.digest().to_string()),
            engine: Some("engine".to_owned()),
            buyer_plan: Some(String::new()),
            period_start: Some(0),
            period_quantity: Some(0),
            period_lines: Some(0),
            fuel: Some(1),
            cost: 0,
            price: priced.amount,
            currency: "USD".to_owned(),
            line_items: items.collect(),
            created_at: time::now(),
            counted_at: None,
        }
    }

    fn priced(reason: &str) -> PricedLine {
        PricedLine {
            amount: 5,
            items: vec![LineItem {
                description: "é".to_owned(),
                quantity: 1,
                amount: 5,
            }],
            reason: reason.to_owned(),
        }
    }

    #[test]
    fn the_answer_is_read_back_with_and_without_a_reason() {
        for reason in ["", "Because."] {
            let priced = priced(reason);
            let row = rated(&priced);
            assert_eq!(answer_of(&row), Some(priced));
            for forged in [
                rating::Model {
                    price: 6,
                    ..row.clone()
                },
                rating::Model {
                    line_items: serde_json::json!([]),
                    ..row.clone()
                },
            ] {
                assert_eq!(answer_of(&forged), None);
            }
        }
    }

    #[test]
    fn another_answer_is_different_and_none_for_want_of_time_is_unavailable() {
        let row = rated(&priced(""));
        let verdict = |again| compared(&row, &again).0;
        assert_eq!(verdict(Ok(priced(""))), Replay::Equal);
        assert_eq!(verdict(Ok(priced("Because."))), Replay::Different);
        assert_eq!(
            verdict(Err(RuleError::Refused("no".to_owned()))),
            Replay::Different
        );
        assert_eq!(
            verdict(Err(RuleError::Timeout { milliseconds: 1 })),
            Replay::Unavailable
        );
        assert_eq!(verdict(Err(RuleError::Unavailable)), Replay::Unavailable);
    }
}
