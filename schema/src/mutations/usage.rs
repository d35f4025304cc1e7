//! `recordUsage`.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use canopy_domain::usage::{EventOutcome, NewUsageEvent, RecordUsage};
use canopy_domain::{Error, Result};

use super::{parse_id, parse_optional_id};
use crate::authorization::gates;
use crate::errors::refuse;
use crate::scalars::{DateTime, Decimal, Json};
use crate::types::usage_event::UsageEvent;
use crate::types::user_error::UserError;

/// A part of `Mutation`.
#[derive(Default)]
pub(super) struct UsageMutations;

#[Object]
impl UsageMutations {
    /// Records usage events: each once, with its price. Needs USAGE FULL. An event that is refused for its
    /// own reason does not stop the others; `results` tells what became of each.
    async fn record_usage(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The events.")] input: RecordUsageInput,
    ) -> Option<Result<RecordUsagePayload>> {
        let payload = async {
            let caller = gates::RECORD_USAGE.caller(ctx)?;
            let batch = Batch::read(input)?;
            let outcomes = caller.domain().record_usage(caller.actor(), batch.readable).await;
            let (outcomes, user_errors) = refuse(outcomes)?;
            let results = outcomes.map_or_else(Vec::new, |outcomes| batch.places.results(outcomes));
            Ok(RecordUsagePayload {
                replayed: !results.is_empty()
                    && results
                        .iter()
                        .all(|result| result.status == UsageStatus::Replayed),
                results,
                user_errors,
            })
        };
        Some(payload.await)
    }
}

/// Events to record.
#[derive(InputObject)]
struct RecordUsageInput {
    /// Id of the account that used something. NOT_FOUND if it is out of scope.
    account_id: ID,
    /// The events, 1 to 1000.
    events: Vec<UsageEventInput>,
    /// Makes it safe to send the mutation again: the key of an event without its own is this one, a slash and
    /// the event's position in `events`, from 0.
    idempotency_key: Option<String>,
}

/// An event to record.
#[derive(InputObject)]
struct UsageEventInput {
    /// The key under which this account's event is counted once. Required unless the input has an
    /// `idempotencyKey`.
    idempotency_key: Option<String>,
    /// What was measured: 1 to 64 of a-z, 0-9, "_" and ".".
    meter: String,
    /// How much, in the meter's own unit; not negative.
    quantity: Decimal,
    /// When it was used: by default at most 35 days back and 5 minutes ahead, as the server is configured. Now if not given.
    occurred_at: Option<DateTime>,
    /// What else is to be kept: an object of at most 4096 bytes. Empty if not given.
    attributes: Option<Json>,
    /// Id of the account that used it, if it is one below that of the input.
    account_id: Option<ID>,
}

/// What recording a batch came to.
#[derive(SimpleObject)]
struct RecordUsagePayload {
    /// What became of each event, in the order of the input; empty if the whole batch was refused.
    results: Vec<UsageResult>,
    /// True if each event had been recorded before.
    replayed: bool,
    /// Why the whole batch was refused; empty if it was not.
    user_errors: Vec<UserError>,
}

/// What became of an event, or of a correction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(super) enum UsageStatus {
    /// It was recorded now.
    Accepted,
    /// It had been recorded before, with the same content; it was not counted again.
    Replayed,
    /// Its key was used before with another content, or it corrects what was voided or takes something out itself. It
    /// was not recorded.
    Conflict,
    /// It was not recorded; `userErrors` says why.
    Rejected,
}

/// What became of one event.
#[derive(SimpleObject)]
struct UsageResult {
    /// The event's position in the input, from 0.
    index: i32,
    /// The event's key; null if it has none.
    idempotency_key: Option<String>,
    /// What became of it.
    status: UsageStatus,
    /// The recorded event; null if it was not recorded.
    event: Option<UsageEvent>,
    /// Why it was not recorded; empty if it was.
    user_errors: Vec<UserError>,
}

/// A batch of which the readable events go to the domain, and the others do not.
struct Batch {
    readable: RecordUsage,
    places: Places,
}

/// For each event of the input its key, and what is wrong with it if it was not readable.
struct Places(Vec<(Option<String>, Option<Error>)>);

impl Batch {
    fn read(input: RecordUsageInput) -> Result<Self> {
        let account_id = parse_id(&input.account_id, "account")?;
        let mut events = Vec::with_capacity(input.events.len());
        let mut places = Vec::with_capacity(input.events.len());
        for (index, event) in input.events.into_iter().enumerate() {
            let batch_key = input.idempotency_key.as_ref();
            let key = event
                .idempotency_key
                .clone()
                .or_else(|| batch_key.map(|key| format!("{key}/{index}")));
            match event.read(key.as_ref()) {
                Ok(event) => {
                    events.push(event);
                    places.push((key, None));
                }
                Err(error) => places.push((key, Some(error))),
            }
        }
        Ok(Self {
            readable: RecordUsage { account_id, events },
            places: Places(places),
        })
    }
}

impl UsageEventInput {
    fn read(self, key: Option<&String>) -> Result<NewUsageEvent> {
        let key = key.ok_or_else(|| {
            let message = "An event needs an `idempotencyKey` unless the input has one.";
            Error::bad_input(&["idempotencyKey"], message)
        })?;
        Ok(NewUsageEvent {
            account_id: parse_optional_id(self.account_id.as_ref(), "account")?,
            idempotency_key: key.clone(),
            meter: self.meter,
            quantity: self.quantity.0,
            occurred_at: self.occurred_at.map(|instant| instant.0),
            attributes: self
                .attributes
                .map_or_else(|| serde_json::json!({}), |json| json.0),
        })
    }
}

impl Places {
    /// Puts the outcomes of the readable events back in the places of the input.
    fn results(self, outcomes: Vec<EventOutcome>) -> Vec<UsageResult> {
        let mut outcomes = outcomes.into_iter();
        let places = self.0.into_iter().enumerate();
        places
            .filter_map(|(index, (key, unreadable))| {
                let outcome = unreadable
                    .map(EventOutcome::Refused)
                    .or_else(|| outcomes.next())?;
                Some(UsageResult::new(index, key, outcome))
            })
            .collect()
    }
}

impl UsageResult {
    fn new(index: usize, idempotency_key: Option<String>, outcome: EventOutcome) -> Self {
        let (status, event, error) = match outcome {
            EventOutcome::Accepted(event) => (UsageStatus::Accepted, Some(event), None),
            EventOutcome::Replayed(event) => (UsageStatus::Replayed, Some(event), None),
            EventOutcome::Refused(error @ Error::Conflict { .. }) => {
                (UsageStatus::Conflict, None, Some(error))
            }
            EventOutcome::Refused(error) => (UsageStatus::Rejected, None, Some(error)),
        };
        Self {
            index: i32::try_from(index).unwrap_or(i32::MAX),
            idempotency_key,
            status,
            event: event.map(|event| Arc::unwrap_or_clone(event).into()),
            user_errors: error
                .map(|error| UserError::of_event(error, index))
                .into_iter()
                .collect(),
        }
    }
}
