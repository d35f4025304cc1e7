//! Checking what was asked, without a database.

use canopy_entity::{digest, usage_event};
use sha2::{Digest, Sha256};

use super::{Change, NewCorrection};
use crate::usage::check::is_key;
use crate::{Error, Micros, Result};

const MAX_REASON: usize = 500;

/// Refuses a correction that is wrong in itself.
pub(super) fn correction(wanted: &NewCorrection) -> Result<()> {
    if !is_key(&wanted.idempotency_key) {
        return Err(Error::bad_input(
            &["idempotencyKey"],
            "An idempotency key has 1 to 255 bytes and no control characters.",
        ));
    }
    let characters = wanted.reason.chars().count();
    let is_blank = wanted.reason.trim().is_empty();
    if is_blank || characters > MAX_REASON || wanted.reason.chars().any(char::is_control) {
        return Err(Error::bad_input(
            &["reason"],
            format!("A reason has 1 to {MAX_REASON} characters, and no control characters."),
        ));
    }
    match wanted.change {
        Change::Amend(quantity) if quantity < Micros::ZERO => {
            Err(Error::bad_input(&["quantity"], "A quantity is not negative."))
        }
        Change::Amend(_) | Change::Void => Ok(()),
    }
}

/// What tells one payload from another under the same key: the same event is the same, however it was named. No event that
/// was reported has this digest: what that is of begins with a meter, and no meter with a bracket.
pub(super) fn digest(named: &usage_event::Model, wanted: &NewCorrection) -> String {
    let (kind, quantity) = match wanted.change {
        Change::Void => ("VOID", None),
        Change::Amend(quantity) => ("AMEND", Some(quantity)),
    };
    let payload = serde_json::json!(["correction", kind, named.id, quantity, wanted.reason]);
    digest::kept(&Sha256::digest(payload.to_string()).into())
}

#[cfg(test)]
mod tests {
    use canopy_entity::UsageEventId;

    use super::super::NamedEvent;
    use super::*;

    fn wanted(key: &str, reason: &str, change: Change) -> NewCorrection {
        NewCorrection {
            account_id: None,
            idempotency_key: key.to_owned(),
            event: NamedEvent::Id(UsageEventId::new()),
            change,
            reason: reason.to_owned(),
        }
    }

    #[test]
    fn a_correction_has_a_key_a_reason_and_a_quantity_that_is_not_negative() {
        let amend = |quantity: &str| Change::Amend(quantity.parse().unwrap());
        let long = "é".repeat(500);
        for (key, reason, change, field) in [
            ("k", "Because.", Change::Void, None),
            ("k", long.as_str(), amend("0"), None),
            ("", "Because.", Change::Void, Some("idempotencyKey")),
            ("k\n", "Because.", Change::Void, Some("idempotencyKey")),
            ("k", " ", Change::Void, Some("reason")),
            ("k", "a\0b", Change::Void, Some("reason")),
            ("k", &format!("{long}e"), Change::Void, Some("reason")),
            ("k", "Because.", amend("-0.000001"), Some("quantity")),
        ] {
            let found = correction(&wanted(key, reason, change)).err();
            let blamed = found.as_ref().and_then(|error| error.field().first());
            assert_eq!(blamed.map(String::as_str), field, "{key:?} {reason:?} {change:?}");
        }
    }
}
