//! A batch of CloudEvents: a JSON array, of which an event that is wrong does not spoil the others. Pure.

use std::fmt;

use canopy_domain::usage::MAX_BATCH;
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{
    Refusal,
    cloud_event::{Received, structured},
};

/// The events of an array, not read yet. No more are looked at than a batch may have.
struct Events<'a>(Vec<&'a RawValue>);

impl<'de> Deserialize<'de> for Events<'de> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Array;
        impl<'de> Visitor<'de> for Array {
            type Value = Events<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of CloudEvents")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
                let mut events = Vec::new();
                while let Some(event) = array.next_element()? {
                    if events.len() == MAX_BATCH {
                        return Err(A::Error::custom(format_args!(
                            "a batch has at most {MAX_BATCH} events"
                        )));
                    }
                    events.push(event);
                }
                Ok(Events(events))
            }
        }
        input.deserialize_seq(Array)
    }
}

/// The events of a body.
pub(super) fn read(body: &[u8]) -> Result<Vec<Received>, Refusal> {
    let events: Events<'_> = serde_json::from_slice(body)
        .map_err(|error| Refusal::bad_request(format!("This is not a batch of CloudEvents: {error}.")))?;
    let events = events.0.into_iter();
    Ok(events.map(|event| structured(event.get().as_bytes())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_one_event_is_its_own() {
        let good = r#"{"specversion":"1.0","id":"1","source":"/a","type":"m","data":{"quantity":1}}"#;
        let events = read(format!(" [{good}, 7, {{\"id\": \"3\"}} ]").as_bytes()).expect("an array");
        let told: Vec<_> = events
            .iter()
            .map(|event| (event.id.as_deref(), event.event.is_ok()))
            .collect();
        assert_eq!(told, [(Some("1"), true), (None, false), (Some("3"), false)]);
        assert!(read(b"[]").expect("an array").is_empty());
    }

    #[test]
    fn what_is_no_array_or_too_long_is_refused_whole() {
        for text in ["", "{}", "[1", "[1,]", "[1] 2", "null"] {
            assert!(read(text.as_bytes()).is_err(), "{text}");
        }
        let of = |count: usize| format!("[{}]", vec!["0"; count].join(","));
        assert_eq!(read(of(MAX_BATCH).as_bytes()).expect("an array").len(), MAX_BATCH);
        let refusal = read(of(MAX_BATCH + 1).as_bytes()).expect_err("too many");
        assert!(
            refusal.message.contains("at most 1000 events"),
            "{}",
            refusal.message
        );
    }
}
