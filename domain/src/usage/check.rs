//! Checking what was reported, event by event, without a database.

use std::collections::{BTreeMap, HashMap};

use canopy_entity::time::{self, Timestamp};
use canopy_entity::usage_event::{self, RatingStatus};
use canopy_entity::{AccountId, Level, PermissionKey, UsageBatchId, UsageEventId, digest};
use sha2::{Digest, Sha256};

use super::{NewUsageEvent, UsageWindow};
use crate::statement::storable;
use crate::{AccountView, Error, Micros, Result};

const MAX_METER: usize = 64;
const MAX_KEY: usize = 255;
const MAX_ATTRIBUTES: usize = 4 << 10;

/// Whether a text may name a meter.
pub(crate) fn is_meter(text: &str) -> bool {
    let in_meter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.".contains(&byte);
    (1..=MAX_METER).contains(&text.len()) && text.bytes().all(in_meter)
}

/// What the events of a batch are held against.
pub(super) struct Reported<'b> {
    /// The account that the batch is about.
    account: &'b AccountView,
    /// Those that it names, as far as they are in scope.
    accounts: &'b HashMap<AccountId, AccountView>,
    now: Timestamp,
    window: UsageWindow,
    /// For all of them, until they have their own when they are written.
    ids: (UsageEventId, UsageBatchId),
}

impl<'b> Reported<'b> {
    pub(super) fn new(
        account: &'b AccountView,
        accounts: &'b HashMap<AccountId, AccountView>,
        window: UsageWindow,
    ) -> Self {
        Self {
            account,
            accounts,
            now: time::now(),
            window,
            ids: (UsageEventId::new(), UsageBatchId::new()),
        }
    }

    /// The row that `event`, which stands at `index`, makes if nothing is wrong with it in itself.
    pub(super) fn row(&self, index: usize, event: NewUsageEvent) -> Result<usage_event::Model> {
        let wrong =
            |field: &str, message: &str| Error::bad_input(&["events", &index.to_string(), field], message);
        let account = match &event.account_id {
            None => self.account,
            Some(id) => {
                let named = self.accounts.get(id).ok_or(Error::NotFound("account"))?;
                if !self.account.path().contains(named.path()) {
                    return Err(wrong(
                        "accountId",
                        "This account is not below the batch's account.",
                    ));
                }
                named
            }
        };
        account.access().require(PermissionKey::Usage, Level::Full)?;
        if !is_key(&event.idempotency_key) {
            return Err(wrong(
                "idempotencyKey",
                "An idempotency key has 1 to 255 bytes and no control characters.",
            ));
        }
        let attributes = measured(&event.meter, event.quantity, &event.attributes);
        let attributes = attributes.map_err(|(field, message)| wrong(field, message))?;
        let payload_digest = digest(&event, &attributes);
        let occurred_at = time::truncate(event.occurred_at.unwrap_or(self.now));
        if !self.window.holds(occurred_at, self.now) {
            return Err(wrong("occurredAt", &self.window.sentence()));
        }
        let (id, batch_id) = self.ids.clone();
        Ok(usage_event::Model {
            id,
            account_id: account.id().clone(),
            path: account.path().clone(),
            batch_id,
            place: 0,
            idempotency_key: event.idempotency_key,
            payload_digest,
            meter: event.meter,
            quantity: event.quantity.get(),
            occurred_at,
            recorded_at: self.now,
            attributes,
            rating_status: RatingStatus::Pending,
            rating_attempts: 0,
            ratings: None,
            rated_batch_id: None,
            correction: None,
            corrects_id: None,
            reason: None,
            corrected_by: None,
            counted_at: None,
            adjusts: None,
        })
    }
}

/// The text of the attributes with which a meter is used, if nothing is wrong with the use in itself; else what is to blame,
/// and why.
pub(super) fn measured(
    meter: &str,
    quantity: Micros,
    attributes: &serde_json::Value,
) -> Result<String, (&'static str, &'static str)> {
    if !is_meter(meter) {
        return Err(("meter", "A meter has 1 to 64 of a-z, 0-9, _ and a dot."));
    }
    if quantity < Micros::ZERO {
        return Err(("quantity", "A quantity is not negative."));
    }
    let text = match attributes {
        serde_json::Value::Null => "{}".to_owned(),
        attributes => attributes.to_string(),
    };
    let is_object = attributes.is_null() || attributes.is_object();
    if !is_object || !storable(attributes) || text.len() > MAX_ATTRIBUTES {
        return Err((
            "attributes",
            "Attributes are a JSON object of at most 4096 bytes, without NUL characters.",
        ));
    }
    Ok(text)
}

/// Whether a text may be an idempotency key.
pub(super) fn is_key(text: &str) -> bool {
    let in_key = |character: char| !character.is_control();
    (1..=MAX_KEY).contains(&text.len()) && text.chars().all(in_key)
}

/// What tells one payload from another under the same key. A time that was not given stays so: a retry without a
/// time is the same payload. `attributes` is the text of the event's.
pub(crate) fn digest(event: &NewUsageEvent, attributes: &str) -> String {
    let occurred_at = event.occurred_at.map(|at| at.timestamp_micros());
    let mut payload = Sha256::new();
    // No meter has a zero byte, and numbers have one length.
    payload.update(event.meter.as_bytes());
    payload.update([0]);
    payload.update(event.quantity.get().to_be_bytes());
    payload.update([occurred_at.is_some().into()]);
    payload.update(occurred_at.unwrap_or_default().to_be_bytes());
    match is_sorted(&event.attributes) {
        true => payload.update(attributes),
        false => payload.update(canonical(&event.attributes)),
    }
    digest::kept(&payload.finalize().into())
}

/// The text of `json` that does not depend on the order of an object's members.
pub(super) fn canonical(json: &serde_json::Value) -> String {
    let mut text = String::new();
    write_canonical(json, &mut text);
    text
}

/// Whether the members of all objects are in order, as those of most are.
fn is_sorted(json: &serde_json::Value) -> bool {
    match json {
        serde_json::Value::Object(members) => members.keys().is_sorted() && members.values().all(is_sorted),
        serde_json::Value::Array(items) => items.iter().all(is_sorted),
        _ => true,
    }
}

/// Each value is written once: what is nested deeply must not grow with each level.
fn write_canonical(json: &serde_json::Value, text: &mut String) {
    match json {
        serde_json::Value::Object(members) => {
            let members: BTreeMap<&String, &serde_json::Value> = members.iter().collect();
            text.push('{');
            for (index, (name, value)) in members.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                text.push_str(&serde_json::json!(name).to_string());
                text.push(':');
                write_canonical(value, text);
            }
            text.push('}');
        }
        serde_json::Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_canonical(item, text);
            }
            text.push(']');
        }
        other => text.push_str(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new_event(attributes: serde_json::Value) -> NewUsageEvent {
        NewUsageEvent {
            account_id: None,
            idempotency_key: "one".to_owned(),
            meter: "minutes".to_owned(),
            quantity: "1.5".parse().unwrap(),
            occurred_at: None,
            attributes,
        }
    }

    fn digest_of(event: &NewUsageEvent) -> String {
        let text = measured(&event.meter, event.quantity, &event.attributes);
        digest(event, &text.unwrap())
    }

    #[test]
    fn a_payload_is_told_by_what_it_says_and_not_by_how() {
        let json = |text| serde_json::from_str(text).unwrap();
        let event = new_event(json(r#"{"a": {"b": 1, "c": [2, "x"]}, "d": null}"#));
        let same = new_event(json(r#"{"d":null,"a":{"c":[2,"x"],"b":1}}"#));
        assert_eq!(digest_of(&event), digest_of(&same));
        for other in [
            r#"{"a": {"b": 1, "c": ["x", 2]}, "d": null}"#,
            r#"{"a": {"b": 1, "c": [2, "x"]}}"#,
            "{}",
        ] {
            assert_ne!(digest_of(&event), digest_of(&new_event(json(other))), "{other}");
        }
        let nested = format!(r#"{{"a": {}1{}}}"#, "[".repeat(100), "]".repeat(100));
        assert_eq!(canonical(&json(&nested)).len(), nested.len() - 1);

        let quantity = NewUsageEvent {
            quantity: "1.500001".parse().unwrap(),
            ..event.clone()
        };
        let meter = NewUsageEvent {
            meter: "seconds".to_owned(),
            ..event.clone()
        };
        for other in [quantity, meter] {
            assert_ne!(digest_of(&event), digest_of(&other));
        }
    }
}
