//! Corrections: what was recorded is taken out again, or stands with another quantity. Nothing that there is changes: a
//! correction is one more event that takes the other out, and for another quantity a second one that stands for it.
//!
//! `check` looks at what was asked, `standing` finds what is to be corrected and who may, and `write` is the one transaction
//! in which events, ratings, postings, sums, news and the entry in the audit log are written or not.

mod check;
mod standing;
mod write;

use canopy_entity::time;
use canopy_entity::usage_event::{self, CorrectionPart};
use canopy_entity::{AccountId, Level, PermissionKey, UsageEventId};

use self::standing::Standing;
use self::write::Ready;
use super::commit::line;
use super::{periods, record};
use crate::ledger::refunds;
use crate::pricing::{EdgePrice, Facts, Line, Outcome, Totals};
use crate::{AccountView, Actor, Domain, Error, Micros, Result, transaction};

pub use write::CORRECTION_FAULT_POINTS;

/// The most corrections that are made at once.
pub const MAX_CORRECTIONS: usize = 100;
/// How often a correction is begun again because something changed meanwhile.
const MAX_TRIES: usize = 5;

/// Corrections to make.
#[derive(Debug, Clone)]
pub struct CorrectUsage {
    /// The account that they are about: the events are its own, or of those below it.
    pub account_id: AccountId,
    /// The corrections, at most [`MAX_CORRECTIONS`].
    pub corrections: Vec<NewCorrection>,
}

/// A correction to make.
#[derive(Debug, Clone)]
pub struct NewCorrection {
    /// Whose event it is; that of the account above if none. Must be that account or below it.
    pub account_id: Option<AccountId>,
    /// The caller's key, unique among the account's events and corrections.
    pub idempotency_key: String,
    /// What is corrected. If it was corrected before, that which stands for it now is.
    pub event: NamedEvent,
    /// What is to become of it.
    pub change: Change,
    /// Why, in 1 to 500 characters.
    pub reason: String,
}

/// How an event is named.
#[derive(Debug, Clone)]
pub enum NamedEvent {
    /// By its id.
    Id(UsageEventId),
    /// By the key under which it was recorded.
    Key(String),
}

/// What is to become of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is taken out.
    Void,
    /// It stands with this quantity, at the prices of now.
    Amend(Micros),
}

/// A correction as it was made.
#[derive(Debug, Clone)]
pub struct Correction {
    /// What takes the event out.
    pub reversal: usage_event::Model,
    /// What stands for it; none if it was voided.
    pub replacement: Option<usage_event::Model>,
}

/// What became of one correction.
#[derive(Debug, Clone)]
pub enum CorrectionOutcome {
    /// Made now.
    Accepted(Correction),
    /// Made before, with the same content.
    Replayed(Correction),
    /// Not made.
    Refused(Error),
}

impl Domain {
    /// Makes corrections, one after another, each by itself; the outcomes are in their order. Needs `USAGE` FULL at the
    /// account, and for each event at those who sold it: see [`Standing::seller`].
    pub async fn correct_usage(&self, actor: &Actor, input: CorrectUsage) -> Result<Vec<CorrectionOutcome>> {
        let account = self.account(actor, &input.account_id).await?;
        account.access().require(PermissionKey::Usage, Level::Full)?;
        if input.corrections.len() > MAX_CORRECTIONS {
            let message = format!("At most {MAX_CORRECTIONS} corrections are made at once.");
            return Err(Error::bad_input(&["corrections"], message));
        }
        let mut outcomes = Vec::with_capacity(input.corrections.len());
        for correction in &input.corrections {
            outcomes.push(match self.correct(actor, &account, correction).await {
                Ok(outcome) => outcome,
                Err(error @ Error::Internal(_)) => return Err(error),
                Err(error) => CorrectionOutcome::Refused(error),
            });
        }
        Ok(outcomes)
    }

    async fn correct(
        &self,
        actor: &Actor,
        account: &AccountView,
        wanted: &NewCorrection,
    ) -> Result<CorrectionOutcome> {
        check::correction(wanted)?;
        let named = self.named_event(actor, account, wanted).await?;
        let digest = check::digest(&named, wanted);
        for _ in 0..MAX_TRIES {
            if let Some(known) = self.known_correction(&named, wanted, &digest).await? {
                return Ok(CorrectionOutcome::Replayed(known));
            }
            let standing = self.standing(&named).await?;
            self.require_seller(actor, &standing).await?;
            let facts = self.facts_of([&standing.event.path]).await?;
            let priced = match wanted.change {
                Change::Void => None,
                Change::Amend(quantity) => Some(self.price_anew(actor, &facts, &standing, quantity).await?),
            };
            let ready = Ready {
                refunds: refunds(&self.0.db, &standing.ratings).await?,
                standing,
                wanted,
                digest: &digest,
                priced,
            };
            let (domain, facts, ready) = (self, &facts, &ready);
            let written = transaction::run(&self.0.writer, "correct-usage", |txn| {
                transaction::work(async move {
                    write::correction(txn, &domain.0.faults, actor, facts, ready).await
                })
            })
            .await?;
            if let Some(correction) = written {
                self.0.hub.written();
                self.0.faults.check("usage.correct.committed")?;
                return Ok(CorrectionOutcome::Accepted(correction));
            }
        }
        Err(Error::busy())
    }

    /// The prices of an event with another quantity, by the rules that are live now, as if it had never been counted
    /// with its own; none within if they are pending.
    async fn price_anew(
        &self,
        actor: &Actor,
        facts: &Facts,
        standing: &Standing,
        quantity: Micros,
    ) -> Result<(Micros, Option<Vec<EdgePrice>>)> {
        let event = &standing.event;
        if !facts.all_active(&event.path) {
            return Err(record::inactive());
        }
        let was = [line(event)];
        let again = periods::placed_again(facts, event, time::now());
        let lines = [Line {
            quantity: quantity.get(),
            ..line(&again)
        }];
        let totals = Totals::read(&self.0.db, facts, &lines).await?.without(&was);
        let outcome = self.rate(facts, &lines, totals).await?.pop();
        match outcome.ok_or_else(|| Error::internal("a line without an outcome"))? {
            Outcome::Rated(edges) => Ok((quantity, Some(edges))),
            Outcome::Pending => Ok((quantity, None)),
            Outcome::Denied { seller, message } => Err(record::denied(actor, &seller, &message)),
            Outcome::Throttled => Err(Error::busy()),
        }
    }

    /// The correction that was made under this key before; a conflict if the key stands for something else.
    async fn known_correction(
        &self,
        named: &usage_event::Model,
        wanted: &NewCorrection,
        digest: &str,
    ) -> Result<Option<Correction>> {
        let known = self
            .event_by_key(&named.account_id, &wanted.idempotency_key)
            .await?;
        let Some(known) = known else {
            return Ok(None);
        };
        if known.payload_digest != digest {
            let message = "This idempotency key was used with another payload.";
            return Err(Error::conflict(&["idempotencyKey"], message));
        }
        match (known.correction, &known.corrects_id) {
            (Some(CorrectionPart::Replacement), Some(corrected)) => Ok(Some(Correction {
                reversal: self.reversal_of(corrected).await?,
                replacement: Some(known),
            })),
            _ => Ok(Some(Correction {
                reversal: known,
                replacement: None,
            })),
        }
    }
}
