//! What became of each event, as clients are told it.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use canopy_domain::{Error, entity::UsageEventId, usage::EventOutcome};
use serde::Serialize;

/// Where an event stands in its request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Its position among the events, from 0.
    pub(super) index: u64,
    /// Its line, from 1, where events are lines.
    pub(super) line: Option<u64>,
}

impl Place {
    pub(super) fn of_batch(index: u64) -> Self {
        Self { index, line: None }
    }
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    /// It was recorded now.
    Accepted,
    /// It had been recorded before, with the same content; it was not counted again.
    Replayed,
    /// Its source and id were used before with another content. It was not recorded.
    Conflict,
    /// It was not recorded, for the reason that is told.
    Rejected,
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Replayed => "replayed",
            Self::Conflict => "conflict",
            Self::Rejected => "rejected",
        }
    }

    /// The HTTP status of an event that was recorded.
    pub(super) fn of_http(self) -> StatusCode {
        match self {
            Self::Accepted => StatusCode::CREATED,
            _ => StatusCode::OK,
        }
    }
}

/// What became of an event, and of which.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventResult {
    index: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    id: Option<String>,
    pub(super) status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<UsageEventId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<String>,
    /// The path of what is to blame within the event.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) field: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u32>,
    /// What was wrong as other answers say it, where the event is all of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) errors: Option<serde_json::Value>,
    #[serde(skip)]
    pub(super) error: Option<Error>,
}

impl EventResult {
    /// What became of an event.
    pub(super) fn new(place: Place, id: Option<String>, outcome: EventOutcome) -> Self {
        let (status, event, error) = match outcome {
            EventOutcome::Accepted(event) => (Status::Accepted, Some(event), None),
            EventOutcome::Replayed(event) => (Status::Replayed, Some(event), None),
            EventOutcome::Refused(error @ Error::Conflict { .. }) => (Status::Conflict, None, Some(error)),
            EventOutcome::Refused(error) => (Status::Rejected, None, Some(error)),
        };
        let field = error.as_ref().map(field).unwrap_or_default();
        Self {
            index: place.index,
            line: place.line,
            id,
            status,
            event_id: event.map(|event| event.id.clone()),
            code: error.as_ref().map(|error| error.code().as_str()),
            message: error.as_ref().map(|error| message(error, &field)),
            retry_after: error
                .as_ref()
                .and_then(Error::retry_after)
                .map(canopy_schema::whole_seconds),
            field,
            errors: None,
            error,
        }
    }
}

/// Counts the events of an answer by what became of them.
pub(super) fn count(results: &[EventResult]) {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for result in results {
        *counts.entry(result.status.name()).or_default() += 1;
    }
    for (outcome, count) in counts {
        metrics::counter!("canopy_usage_events_total", "outcome" => outcome).increment(count);
    }
}

/// The path of what is to blame, in the words of a CloudEvent.
fn field(error: &Error) -> Vec<String> {
    let path: &[&str] = match error.field() {
        // The service tells the path in its own input: `events`, the position, and the field.
        [events, _, field] if events == "events" => match field.as_str() {
            "accountId" => &["subject"],
            "idempotencyKey" => &["id"],
            "meter" => &["type"],
            "quantity" => &["data", "quantity"],
            "occurredAt" => &["time"],
            "attributes" => &["data", "attributes"],
            other => return vec![other.to_owned()],
        },
        own => return own.to_vec(),
    };
    path.iter().map(|part| (*part).to_owned()).collect()
}

fn message(error: &Error, field: &[String]) -> String {
    match (error, field) {
        (Error::Conflict { .. }, [id]) if id == "id" => {
            "This source and id were used before with another content.".to_owned()
        }
        (Error::BadInput { .. }, [subject]) if subject == "subject" => {
            "The subject is not the account that is acted on, nor one below it.".to_owned()
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_blame_is_told_in_the_words_of_the_event() {
        let told = |error| {
            let result = EventResult::new(
                Place::of_batch(7),
                Some("a".to_owned()),
                EventOutcome::Refused(error),
            );
            serde_json::to_value(&result).expect("JSON")
        };
        let conflict = Error::conflict(&["events", "3", "idempotencyKey"], "m");
        assert_eq!(
            told(conflict),
            serde_json::json!({
                "index": 7, "id": "a", "status": "conflict", "code": "CONFLICT", "field": ["id"],
                "message": "This source and id were used before with another content.",
            })
        );
        let wrong = told(Error::bad_input(
            &["events", "3", "quantity"],
            "A quantity is not negative.",
        ));
        assert_eq!(wrong["field"], serde_json::json!(["data", "quantity"]));
        assert_eq!(wrong["status"], "rejected");
        let busy = Error::RateLimited {
            retry_after: std::time::Duration::from_millis(1_200),
        };
        assert_eq!(told(busy)["retryAfter"], 2);
    }
}
