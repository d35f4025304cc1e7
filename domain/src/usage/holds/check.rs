//! Checking what was asked, and what tells one quote and one payload from another, without a database.

use std::time::Duration;

use canopy_entity::time::Timestamp;
use canopy_entity::usage_hold::{self, HoldStatus};
use canopy_entity::{UsageHoldId, digest};
use sha2::{Digest, Sha256};

use super::{HoldSettings, HoldUsage, MeteredUse};
use crate::usage::check::{canonical, is_key, measured};
use crate::{AccountView, Error, Micros, Result};

/// The hold that `usage` of `account` would make, without its price, if nothing is wrong with it in itself.
pub(super) fn draft(account: &AccountView, usage: &MeteredUse, now: Timestamp) -> Result<usage_hold::Model> {
    let attributes = measured(&usage.meter, usage.quantity, &usage.attributes);
    let attributes = attributes.map_err(|(field, message)| Error::bad_input(&[field], message))?;
    Ok(usage_hold::Model {
        id: UsageHoldId::new(),
        account_id: account.id().clone(),
        path: account.path().clone(),
        idempotency_key: String::new(),
        payload_digest: String::new(),
        meter: usage.meter.clone(),
        quantity: usage.quantity.get(),
        attributes,
        currency: account.row().currency.clone(),
        price: 0,
        rule_version_id: None,
        rule_digest: None,
        status: HoldStatus::Held,
        created_at: now,
        expires_at: now,
        ended_at: None,
        event_id: None,
    })
}

/// For how long it is to be held, if the key and the time of a hold are as they must be.
pub(super) fn lasting(input: &HoldUsage, settings: HoldSettings) -> Result<Duration> {
    if !is_key(&input.idempotency_key) {
        return Err(Error::bad_input(
            &["idempotencyKey"],
            "An idempotency key has 1 to 255 bytes and no control characters.",
        ));
    }
    let lasting = input.expires_in.unwrap_or(settings.usual.min(settings.longest));
    match !lasting.is_zero() && lasting <= settings.longest {
        true => Ok(lasting),
        false => Err(Error::bad_input(
            &["expiresIn"],
            format!(
                "Credits are held for 1 to {} seconds.",
                settings.longest.as_secs()
            ),
        )),
    }
}

/// The instant that is so much later.
pub(super) fn later(at: Timestamp, by: Duration) -> Result<Timestamp> {
    let by = chrono::Duration::from_std(by).map_err(Error::internal)?;
    at.checked_add_signed(by)
        .ok_or_else(|| Error::bad_input(&["expiresIn"], "This is beyond the calendar."))
}

/// A part of a hold that is to be settled.
pub(super) fn part(hold: &usage_hold::Model, quantity: Micros) -> Result<()> {
    if quantity < Micros::ZERO {
        return Err(Error::bad_input(&["quantity"], "A quantity is not negative."));
    }
    if quantity.get() > hold.quantity {
        return Err(Error::bad_input(
            &["quantity"],
            "This is more than is held: record the rest as usage of its own.",
        ));
    }
    Ok(())
}

/// A hold that is not what it would have to be any more.
pub(super) fn over(message: &str) -> Error {
    Error::conflict(&["holdId"], message)
}

/// What tells one payload from another under the same key.
pub(super) fn digest(input: &HoldUsage) -> String {
    let MeteredUse {
        meter,
        quantity,
        attributes,
        ..
    } = &input.usage;
    let seconds = input.expires_in.map(|lasting| lasting.as_secs());
    let payload = serde_json::json!([
        "hold",
        meter,
        quantity,
        canonical(attributes),
        seconds,
        input.quote
    ]);
    digest::kept(&Sha256::digest(payload.to_string()).into())
}

/// What tells a quote from another. It is made only of what whoever asked for the quote was told.
pub(super) fn token(quoted: &usage_hold::Model) -> String {
    // Which are kept as the text of an object, whether any were given or not.
    let attributes: serde_json::Value = serde_json::from_str(&quoted.attributes).unwrap_or_default();
    let terms = serde_json::json!([
        "quote",
        quoted.account_id,
        quoted.meter,
        quoted.quantity,
        canonical(&attributes),
        quoted.price,
        quoted.currency,
        quoted.rule_version_id,
    ]);
    hex::encode(Sha256::digest(terms.to_string()))
}

#[cfg(test)]
mod tests {
    use canopy_entity::AccountId;

    use super::*;

    fn input(expires_in: Option<u64>) -> HoldUsage {
        HoldUsage {
            usage: MeteredUse {
                account_id: AccountId::new(),
                meter: "minutes".to_owned(),
                quantity: "1.5".parse().unwrap(),
                attributes: serde_json::json!({"a": 1, "b": 2}),
            },
            idempotency_key: "one".to_owned(),
            expires_in: expires_in.map(Duration::from_secs),
            quote: None,
        }
    }

    #[test]
    fn credits_are_held_for_as_long_as_was_said_and_no_longer_than_is_allowed() {
        let settings = HoldSettings {
            usual: Duration::from_secs(60),
            longest: Duration::from_secs(100),
        };
        let lasting = |seconds| lasting(&input(seconds), settings).map(|lasting| lasting.as_secs());
        assert_eq!(lasting(None).unwrap(), 60);
        assert_eq!(lasting(Some(100)).unwrap(), 100);
        for wrong in [0, 101] {
            assert_eq!(lasting(Some(wrong)).unwrap_err().field(), ["expiresIn"]);
        }
    }

    #[test]
    fn a_payload_is_told_by_what_is_held_and_for_how_long() {
        let one = input(Some(5));
        let mut same = one.clone();
        same.usage.attributes = serde_json::json!({"b": 2, "a": 1});
        assert_eq!(digest(&one), digest(&same));
        let mut more = one.clone();
        more.usage.quantity = "2".parse().unwrap();
        let bound = HoldUsage {
            quote: Some("q".to_owned()),
            ..one.clone()
        };
        for other in [more, bound, input(None)] {
            assert_ne!(digest(&one), digest(&other));
        }
    }
}
