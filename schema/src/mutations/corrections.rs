//! `correctUsage`.

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use canopy_domain::usage::{Change, CorrectUsage, Correction, CorrectionOutcome, NamedEvent, NewCorrection};
use canopy_domain::{Error, Result};

use super::usage::UsageStatus;
use super::{parse_id, parse_optional_id};
use crate::authorization::gates;
use crate::errors::refuse;
use crate::scalars::Decimal;
use crate::types::usage_event::UsageEvent;
use crate::types::user_error::UserError;

/// A part of `Mutation`.
#[derive(Default)]
pub(super) struct CorrectionMutations;

#[Object]
impl CorrectionMutations {
    /// Takes usage events out again, or lets them stand with another quantity. What was recorded stays as it is: a
    /// correction is one more event that takes the other out, gives back what was paid for it and is told as CORRECTED,
    /// and a second one that stands for it if it is amended, at the prices of now. Needs USAGE FULL at the account, at
    /// the parent of each event's account, and at each account above that charged for the event: nobody voids its own
    /// bill. A correction that is refused for its own reason does not stop the others.
    async fn correct_usage(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The corrections.")] input: CorrectUsageInput,
    ) -> Option<Result<CorrectUsagePayload>> {
        let payload = async {
            let caller = gates::CORRECT_USAGE.caller(ctx)?;
            let batch = Batch::read(input)?;
            let outcomes = caller
                .domain()
                .correct_usage(caller.actor(), batch.readable)
                .await;
            let (outcomes, user_errors) = refuse(outcomes)?;
            let results = outcomes.map_or_else(Vec::new, |outcomes| results(batch.places, outcomes));
            let is_replay = |result: &UsageCorrectionResult| result.status == UsageStatus::Replayed;
            Ok(CorrectUsagePayload {
                replayed: !results.is_empty() && results.iter().all(is_replay),
                results,
                user_errors,
            })
        };
        Some(payload.await)
    }
}

/// What is to become of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
enum UsageCorrectionKind {
    /// It is taken out.
    Void,
    /// It stands with another quantity.
    Amend,
}

/// Corrections to make.
#[derive(InputObject)]
struct CorrectUsageInput {
    /// Id of the account that they are about. NOT_FOUND if it is out of scope.
    account_id: ID,
    /// The corrections, 1 to 100.
    corrections: Vec<UsageCorrectionInput>,
    /// Makes it safe to send the mutation again: the key of a correction without its own is this one, a slash and
    /// the correction's position in `corrections`, from 0.
    idempotency_key: Option<String>,
}

/// A correction to make.
#[derive(InputObject)]
struct UsageCorrectionInput {
    /// The key under which it is made once, among the keys of the account's events. Required unless the input has an
    /// `idempotencyKey`.
    idempotency_key: Option<String>,
    /// Id of the event. If it was corrected before, that which stands for it now is corrected.
    event_id: Option<ID>,
    /// The event's key, in place of its id.
    event_idempotency_key: Option<String>,
    /// Id of the account whose event it is, if it is one below that of the input.
    account_id: Option<ID>,
    /// What is to become of the event.
    kind: UsageCorrectionKind,
    /// The quantity with which it is to stand; only for AMEND, and required there.
    quantity: Option<Decimal>,
    /// Why: 1 to 500 characters, which whoever sees the event sees too.
    reason: String,
}

/// What correcting came to.
#[derive(SimpleObject)]
struct CorrectUsagePayload {
    /// What became of each correction, in the order of the input; empty if all were refused at once.
    results: Vec<UsageCorrectionResult>,
    /// True if each correction had been made before.
    replayed: bool,
    /// Why all were refused at once; empty if they were not.
    user_errors: Vec<UserError>,
}

/// What became of one correction.
#[derive(SimpleObject)]
struct UsageCorrectionResult {
    /// The correction's position in the input, from 0.
    index: i32,
    /// The correction's key; null if it has none.
    idempotency_key: Option<String>,
    /// What became of it.
    status: UsageStatus,
    /// What takes the event out; null if the correction was not made.
    reversal: Option<UsageEvent>,
    /// What stands for it; null if it was voided, or if the correction was not made.
    replacement: Option<UsageEvent>,
    /// Why it was not made; empty if it was.
    user_errors: Vec<UserError>,
}

/// Corrections of which the readable ones go to the domain, and the others do not.
struct Batch {
    readable: CorrectUsage,
    places: Vec<Place>,
}

/// The key of a correction of the input, and what is wrong with it if it was not readable.
type Place = (Option<String>, Option<Error>);

impl Batch {
    fn read(input: CorrectUsageInput) -> Result<Self> {
        let account_id = parse_id(&input.account_id, "account")?;
        let mut corrections = Vec::with_capacity(input.corrections.len());
        let mut places = Vec::with_capacity(input.corrections.len());
        for (index, correction) in input.corrections.into_iter().enumerate() {
            let batch_key = input.idempotency_key.as_ref();
            let own_key = correction.idempotency_key.clone();
            let key = own_key.or_else(|| batch_key.map(|key| format!("{key}/{index}")));
            match correction.read(key.as_ref()) {
                Ok(correction) => {
                    corrections.push(correction);
                    places.push((key, None));
                }
                Err(error) => places.push((key, Some(error))),
            }
        }
        Ok(Self {
            readable: CorrectUsage {
                account_id,
                corrections,
            },
            places,
        })
    }
}

impl UsageCorrectionInput {
    fn read(self, key: Option<&String>) -> Result<NewCorrection> {
        let key = key.ok_or_else(|| {
            let message = "A correction needs an `idempotencyKey` unless the input has one.";
            Error::bad_input(&["idempotencyKey"], message)
        })?;
        let event = match (&self.event_id, self.event_idempotency_key) {
            (Some(id), None) => NamedEvent::Id(parse_id(id, "usage event")?),
            (None, Some(key)) => NamedEvent::Key(key),
            _ => {
                let message = "A correction names its event by `eventId` or by `eventIdempotencyKey`.";
                return Err(Error::bad_input(&["eventId"], message));
            }
        };
        let change = match (self.kind, self.quantity) {
            (UsageCorrectionKind::Void, None) => Change::Void,
            (UsageCorrectionKind::Amend, Some(quantity)) => Change::Amend(quantity.0),
            _ => {
                let message = "A `quantity` goes with AMEND, and with nothing else.";
                return Err(Error::bad_input(&["quantity"], message));
            }
        };
        Ok(NewCorrection {
            account_id: parse_optional_id(self.account_id.as_ref(), "account")?,
            idempotency_key: key.clone(),
            event,
            change,
            reason: self.reason,
        })
    }
}

/// Puts the outcomes of the readable corrections back in the places of the input.
fn results(places: Vec<Place>, outcomes: Vec<CorrectionOutcome>) -> Vec<UsageCorrectionResult> {
    let mut outcomes = outcomes.into_iter();
    let places = places.into_iter().enumerate();
    places
        .filter_map(|(index, (key, unreadable))| {
            let unreadable = unreadable.map(CorrectionOutcome::Refused);
            let outcome = unreadable.or_else(|| outcomes.next())?;
            Some(UsageCorrectionResult::new(index, key, outcome))
        })
        .collect()
}

impl UsageCorrectionResult {
    fn new(index: usize, idempotency_key: Option<String>, outcome: CorrectionOutcome) -> Self {
        let (status, made, error) = match outcome {
            CorrectionOutcome::Accepted(made) => (UsageStatus::Accepted, Some(made), None),
            CorrectionOutcome::Replayed(made) => (UsageStatus::Replayed, Some(made), None),
            CorrectionOutcome::Refused(error @ Error::Conflict { .. }) => {
                (UsageStatus::Conflict, None, Some(error))
            }
            CorrectionOutcome::Refused(error) => (UsageStatus::Rejected, None, Some(error)),
        };
        let (reversal, replacement) = match made {
            Some(Correction {
                reversal,
                replacement,
            }) => (Some(reversal.into()), replacement.map(UsageEvent::from)),
            None => (None, None),
        };
        let error = error.map(|error| UserError::of_item("corrections", error, index));
        Self {
            index: i32::try_from(index).unwrap_or(i32::MAX),
            idempotency_key,
            status,
            reversal,
            replacement,
            user_errors: error.into_iter().collect(),
        }
    }
}
