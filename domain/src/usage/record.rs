//! Recording usage: each key once, with its price, its postings and its news in one transaction.

use std::collections::{HashMap, HashSet};

use canopy_entity::time::{self, Timestamp};
use canopy_entity::{AccountId, AccountPath, Level, PermissionKey, usage_event};
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult};

use super::write::{Fate, Ready};
use super::{check, write};
use crate::pricing::{Facts, Line, Outcome, Totals};
use crate::statement::{list, statement};
use crate::{Actor, Domain, Error, Micros, Result, transaction};

/// The most events that a batch may have.
pub const MAX_BATCH: usize = 1_000;
/// How often a batch is priced again because an account or a rule changed meanwhile.
const MAX_PRICINGS: usize = 5;

/// Each pair of account and key is looked up in the index; the pairs are one JSON parameter.
const KNOWN_POSTGRES: &str = "
SELECT e.* FROM jsonb_array_elements($1) AS pair
JOIN usage_events e ON e.account_id = (pair.value ->> 0) AND e.idempotency_key = (pair.value ->> 1)
";
const KNOWN_SQLITE: &str = "
SELECT e.* FROM json_each($1) AS pair
CROSS JOIN usage_events e ON e.account_id = json_extract(pair.value, '$[0]')
  AND e.idempotency_key = json_extract(pair.value, '$[1]')
";

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
    /// When; now if none. At most 35 days back and 5 minutes ahead.
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
    Accepted(usage_event::Model),
    /// Recorded before, with the same payload.
    Replayed(usage_event::Model),
    /// Not recorded: `Conflict`, `BadInput`, `LimitExceeded`, `RuleFailed`, `NotFound` or `Forbidden`.
    Refused(Error),
}

/// Events that passed their own checks, with their places in the batch.
type Candidates = Vec<(usize, usage_event::Model)>;

impl Domain {
    /// Records a batch; the outcomes are in the order of the events. Needs `USAGE` FULL. An event that is refused
    /// for its own reason does not stop the others.
    pub async fn record_usage(&self, actor: &Actor, input: RecordUsage) -> Result<Vec<EventOutcome>> {
        let account = self.account(actor, &input.account_id).await?;
        account.access().require(PermissionKey::Usage, Level::Full)?;
        let size = input.events.len();
        if size > MAX_BATCH {
            return Err(Error::bad_input(
                &["events"],
                format!("A batch has at most {MAX_BATCH} events."),
            ));
        }
        let named: HashSet<AccountId> = input
            .events
            .iter()
            .filter_map(|event| event.account_id.clone())
            .collect();
        let accounts = self
            .accounts(actor, &named.into_iter().collect::<Vec<_>>())
            .await?;

        let now = time::now();
        let mut batch = Batch::new(size);
        for (index, event) in input.events.into_iter().enumerate() {
            match check::event(index, event, &account, &accounts, now) {
                Ok(row) => batch.admit(index, row),
                Err(error) => batch.decide(index, EventOutcome::Refused(error)),
            }
        }
        let known = self.known(&batch.candidates).await?;
        batch.answer_known(&known);
        self.price_and_write(actor, &mut batch).await?;
        Ok(batch.finish())
    }

    /// The recorded events that have the same keys as `candidates`.
    async fn known(&self, candidates: &Candidates) -> Result<Vec<usage_event::Model>> {
        let rows: Vec<&usage_event::Model> = candidates.iter().map(|(_, row)| row).collect();
        read_known(&self.0.db, &rows).await
    }

    /// Prices what is new and writes it, again and again until nothing that the prices depend on has changed between
    /// the two.
    async fn price_and_write(&self, actor: &Actor, batch: &mut Batch) -> Result<()> {
        for _ in 0..MAX_PRICINGS {
            if batch.candidates.is_empty() {
                return Ok(());
            }
            let paths: Vec<AccountPath> = batch.candidates.iter().map(|(_, row)| row.path.clone()).collect();
            let facts = Facts::read(&self.0.db, &paths).await?;
            let ready = self.price(actor, &facts, batch).await?;
            let (domain, paths, facts, ready) = (self, &paths, &facts, &ready);
            let written = transaction::run(&self.0.db, "record-usage", |txn| {
                transaction::work(
                    async move { write::batch(txn, &domain.0.faults, paths, facts, ready).await },
                )
            })
            .await?;
            if let Some(fates) = written {
                self.0.hub.written();
                self.0.faults.check("usage.committed")?;
                for (ready, fate) in ready.iter().zip(fates) {
                    batch.decide(ready.index, outcome(ready, fate));
                }
                return Ok(());
            }
        }
        Err(Error::busy())
    }

    /// Prices the candidates; those that cannot be recorded as things stand are decided.
    async fn price(&self, actor: &Actor, facts: &Facts, batch: &mut Batch) -> Result<Vec<Ready>> {
        let (active, inactive): (Candidates, Candidates) = std::mem::take(&mut batch.candidates)
            .into_iter()
            .partition(|(_, row)| facts.all_active(&row.path));
        for (index, _) in inactive {
            let error = Error::Forbidden("The account, or one above it, is suspended or closed.".to_owned());
            batch.decide(index, EventOutcome::Refused(error));
        }
        let lines: Vec<Line> = active.iter().map(|(_, row)| line(row)).collect();
        let totals = Totals::read(&self.0.db, facts, &lines).await?;
        let prices = self.rate(facts, &lines, totals).await?;
        self.0.faults.check("usage.priced")?;

        let mut ready = Vec::with_capacity(active.len());
        for ((index, row), outcome) in active.iter().cloned().zip(prices) {
            match outcome {
                Outcome::Rated(edges) => ready.push(Ready {
                    index,
                    row,
                    edges: Some(edges),
                }),
                Outcome::Pending => ready.push(Ready {
                    index,
                    row,
                    edges: None,
                }),
                Outcome::Throttled => batch.decide(index, EventOutcome::Refused(Error::busy())),
                Outcome::Denied { seller, message } => {
                    // The rule's own words are for its owner; whoever only buys learns that it failed.
                    let message = match actor.scope().covers(&seller) {
                        true => format!("A pricing rule failed: {message}"),
                        false => "A pricing rule of a seller above failed.".to_owned(),
                    };
                    batch.decide(index, EventOutcome::Refused(Error::RuleFailed(message)));
                }
            }
        }
        // Kept in case they are to be priced again.
        batch.candidates = active;
        Ok(ready)
    }
}

/// The events that have the keys of `rows`.
pub(super) async fn read_known(
    db: &impl ConnectionTrait,
    rows: &[&usage_event::Model],
) -> Result<Vec<usage_event::Model>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let pairs = list(rows.iter().map(|row| (&row.account_id, &row.idempotency_key)));
    let backend = db.get_database_backend();
    let sql = match backend {
        DbBackend::Sqlite => KNOWN_SQLITE,
        _ => KNOWN_POSTGRES,
    };
    let statement = statement(backend, sql, [pairs]);
    Ok(usage_event::Model::find_by_statement(statement).all(db).await?)
}

/// What pricing needs to know of an event.
pub(super) fn line(row: &usage_event::Model) -> Line {
    Line {
        path: row.path.clone(),
        meter: row.meter.clone(),
        quantity: row.quantity,
        occurred_at: row.occurred_at,
        attributes: Some(row.attributes.clone()),
    }
}

fn outcome(ready: &Ready, fate: Fate) -> EventOutcome {
    match fate {
        Fate::Recorded(row) => EventOutcome::Accepted(row),
        Fate::Known(row) => answer(ready.index, &ready.row.payload_digest, &row),
        Fate::Unpaid { buyer } => EventOutcome::Refused(Error::LimitExceeded {
            resource: "credits".to_owned(),
            message: match buyer == ready.row.account_id {
                true => "There are not enough credits to pay for this usage.".to_owned(),
                false => "An account above does not have enough credits to pay for this usage.".to_owned(),
            },
        }),
    }
}

/// What a key that was seen before is answered.
fn answer(index: usize, digest: &str, known: &usage_event::Model) -> EventOutcome {
    if known.payload_digest == digest {
        EventOutcome::Replayed(known.clone())
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
    /// For each key of the batch the place of its first event, and that event's payload.
    first: HashMap<(AccountId, String), (usize, String)>,
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
    fn admit(&mut self, index: usize, row: usage_event::Model) {
        let key = (row.account_id.clone(), row.idempotency_key.clone());
        match self.first.get(&key) {
            None => {
                self.first.insert(key, (index, row.payload_digest.clone()));
                self.candidates.push((index, row));
            }
            Some((first, digest)) if *digest == row.payload_digest => self.repeated.push((index, *first)),
            Some(_) => self.decide(index, conflict(index)),
        }
    }

    fn answer_known(&mut self, known: &[usage_event::Model]) {
        let key = |row: &usage_event::Model| (row.account_id.clone(), row.idempotency_key.clone());
        let known: HashMap<_, _> = known.iter().map(|row| (key(row), row)).collect();
        for (index, row) in std::mem::take(&mut self.candidates) {
            match known.get(&key(&row)) {
                Some(known) => self.decide(index, answer(index, &row.payload_digest, known)),
                None => self.candidates.push((index, row)),
            }
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
