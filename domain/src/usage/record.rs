//! Recording usage: who may, what is wrong with an event in itself, and what became of each.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use canopy_entity::time::Timestamp;
use canopy_entity::{AccountId, AccountPath, Level, PermissionKey, usage_event};

use super::check::Reported;
use super::commit::Fate;
use super::keyed::Keyed;
use crate::{Actor, Domain, Error, Micros, Result};

/// The most events that a batch may have.
pub const MAX_BATCH: usize = 1_000;
/// An event to record.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct NewUsageEvent {
    /// Who used something; the batch's account if none. Must be that account or below it.
    pub account_id: Option<AccountId>,
    /// The caller's key, unique in the account.
    pub idempotency_key: String,
    /// What was measured: 1 to 64 of `a-z 0-9 _ .`.
    pub meter: String,
    /// How much; not negative.
    pub quantity: Micros,
    /// When; now if none. Within the [`UsageWindow`](super::UsageWindow) of the settings.
    pub occurred_at: Option<Timestamp>,
    /// What else is to be kept; an object of at most 4 KiB, or null for none.
    pub attributes: serde_json::Value,
}

/// A batch of events.
#[derive(Debug, Clone)]
pub struct RecordUsage {
    /// The account that the batch is about.
    pub account_id: AccountId,
    /// The events, at most [`MAX_BATCH`].
    pub events: Vec<NewUsageEvent>,
}

/// What became of one event of a batch.
#[derive(Debug, Clone)]
pub enum EventOutcome {
    /// Recorded now.
    Accepted(Arc<usage_event::Model>),
    /// Recorded before, with the same payload.
    Replayed(Arc<usage_event::Model>),
    /// Not recorded: `Conflict`, `BadInput`, `LimitExceeded`, `RuleFailed`, `NotFound` or `Forbidden`.
    Refused(Error),
}

/// Events that passed their own checks, with their places in the batch.
type Candidates = Vec<(usize, Arc<usage_event::Model>)>;

impl Domain {
    /// Records a batch; the outcomes are in the order of the events. Needs `USAGE` FULL. An event that is refused
    /// for its own reason does not stop the others.
    pub async fn record_usage(&self, actor: &Actor, input: RecordUsage) -> Result<Vec<EventOutcome>> {
        let size = input.events.len();
        if size > MAX_BATCH {
            return Err(Error::bad_input(
                &["events"],
                format!("A batch has at most {MAX_BATCH} events."),
            ));
        }
        let named = input.events.iter().filter_map(|event| event.account_id.as_ref());
        let named: HashSet<&AccountId> = named.chain([&input.account_id]).collect();
        let accounts = self.remembered_accounts(actor, &named).await?;
        let account = accounts.get(&input.account_id);
        let account = account.ok_or(Error::NotFound("account"))?;
        account.access().require(PermissionKey::Usage, Level::Full)?;

        let reported = Reported::new(account, &accounts, self.0.usage_window);
        let mut batch = Batch::new(size);
        for (index, event) in input.events.into_iter().enumerate() {
            match reported.row(index, event) {
                Ok(row) => batch.admit(index, Arc::new(row)),
                Err(error) => batch.decide(index, EventOutcome::Refused(error)),
            }
        }
        let candidates = std::mem::take(&mut batch.candidates);
        let rows = candidates.iter().map(|(_, row)| Arc::clone(row)).collect();
        let fates = self.take_in(rows).await?;
        for ((index, row), fate) in candidates.into_iter().zip(fates) {
            batch.decide(index, outcome(actor, index, &row.payload_digest, fate));
        }
        Ok(batch.finish())
    }
}

/// What the fate of the event at `index`, with this payload, means to who reported it.
fn outcome(actor: &Actor, index: usize, digest: &str, fate: Fate) -> EventOutcome {
    EventOutcome::Refused(match fate {
        Fate::Recorded(row) => return EventOutcome::Accepted(row),
        Fate::Known(row) => return answer(index, digest, &row),
        Fate::Inactive => inactive(),
        Fate::Throttled => Error::busy(),
        Fate::Unfit(unfit) => Error::bad_input(&["events", &index.to_string(), unfit.field], unfit.message),
        Fate::Denied { seller, message } => denied(actor, &seller, &message),
        Fate::Unpaid { its_own } => unpaid(its_own),
    })
}

/// Usage of an account that is not in use.
pub(super) fn inactive() -> Error {
    Error::Forbidden("The account, or one above it, is suspended or closed.".to_owned())
}

/// Usage that a rule has no price for. The rule's own words are for its owner; whoever only buys learns that it failed.
pub(super) fn denied(actor: &Actor, seller: &AccountPath, message: &str) -> Error {
    Error::RuleFailed(match actor.scope().covers(seller) {
        true => format!("A pricing rule failed: {message}"),
        false => "A pricing rule of a seller above failed.".to_owned(),
    })
}

/// Usage that its account cannot pay for, or one above.
pub(super) fn unpaid(its_own: bool) -> Error {
    Error::LimitExceeded {
        resource: "credits".to_owned(),
        message: match its_own {
            true => "There are not enough credits to pay for this usage.".to_owned(),
            false => "An account above does not have enough credits to pay for this usage.".to_owned(),
        },
    }
}

/// What a key that was seen before is answered.
fn answer(index: usize, digest: &str, known: &Arc<usage_event::Model>) -> EventOutcome {
    if known.payload_digest == digest {
        EventOutcome::Replayed(Arc::clone(known))
    } else {
        conflict(index)
    }
}

fn conflict(index: usize) -> EventOutcome {
    EventOutcome::Refused(Error::conflict(
        &["events", &index.to_string(), "idempotencyKey"],
        "This idempotency key was used with another payload.",
    ))
}

/// A batch on its way: what is decided, and what is still to be recorded.
struct Batch {
    outcomes: Vec<Option<EventOutcome>>,
    candidates: Candidates,
    /// For each key of the batch its first event, and that one's place.
    first: HashMap<Keyed, usize>,
    /// Events with the key and payload of an earlier one, and that one's place.
    repeated: Vec<(usize, usize)>,
}

impl Batch {
    fn new(size: usize) -> Self {
        Self {
            outcomes: vec![None; size],
            candidates: Vec::with_capacity(size),
            first: HashMap::with_capacity(size),
            repeated: Vec::new(),
        }
    }

    fn decide(&mut self, index: usize, outcome: EventOutcome) {
        self.outcomes[index] = Some(outcome);
    }

    /// Takes an event whose key is the first of its kind in the batch; a later one gets the answer of the first, or
    /// is a conflict.
    fn admit(&mut self, index: usize, row: Arc<usage_event::Model>) {
        match self.first.entry(Keyed(Arc::clone(&row))) {
            Entry::Vacant(none) => {
                none.insert(index);
                self.candidates.push((index, row));
            }
            Entry::Occupied(first) if first.key().0.payload_digest == row.payload_digest => {
                self.repeated.push((index, *first.get()));
            }
            Entry::Occupied(_) => self.decide(index, conflict(index)),
        }
    }

    fn finish(mut self) -> Vec<EventOutcome> {
        for (index, first) in std::mem::take(&mut self.repeated) {
            let answer = match &self.outcomes[first] {
                Some(EventOutcome::Accepted(row) | EventOutcome::Replayed(row)) => {
                    EventOutcome::Replayed(row.clone())
                }
                Some(EventOutcome::Refused(error)) => EventOutcome::Refused(error.clone()),
                None => unreachable!("the first event of a key was decided"),
            };
            self.decide(index, answer);
        }
        self.outcomes
            .into_iter()
            .map(|outcome| outcome.expect("each event was decided"))
            .collect()
    }
}
