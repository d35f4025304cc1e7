//! Holds: a quote says what usage would cost, a hold reserves the credits for it at that price, and settling the hold charges
//! what was used of it, by the very rule versions that made the quote. A hold ends once: it is settled, voided, or expires.
//!
//! `quote` prices and prices again, `write` has the transactions, `ending` is what becomes of a hold that is not settled, and
//! `read` shows them. What is held lies in an account of the ledger of its own, so recording other usage knows nothing of
//! holds and cannot spend what they hold.

mod check;
mod ending;
mod quote;
mod read;
mod write;

use std::time::Duration;

use canopy_entity::time::{self, Timestamp};
use canopy_entity::usage_hold::{self, HoldStatus};
use canopy_entity::{AccountId, Level, PermissionKey, RuleVersionId, UsageHoldId, usage_event};

use self::write::{Ready, ToSettle};
use crate::idempotency::Replayable;
use crate::{AccountView, Actor, Domain, Error, Micros, Money, Result, transaction};

pub use write::HOLD_FAULT_POINTS;

/// How often something is begun again because what it goes by changed meanwhile.
const MAX_TRIES: usize = 5;

/// How long credits may be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldSettings {
    /// For how long they are if nothing is said.
    pub usual: Duration,
    /// For how long at most.
    pub longest: Duration,
}

impl Default for HoldSettings {
    fn default() -> Self {
        Self {
            usual: Duration::from_secs(15 * 60),
            longest: Duration::from_secs(7 * 24 * 60 * 60),
        }
    }
}

/// Usage that may come.
#[derive(Debug, Clone)]
pub struct MeteredUse {
    /// Whose it is.
    pub account_id: AccountId,
    /// What is measured, as in an event.
    pub meter: String,
    /// How much at most; not negative.
    pub quantity: Micros,
    /// What the rules are told beside it, as in an event.
    pub attributes: serde_json::Value,
}

/// What usage would cost now. It binds nobody.
#[derive(Debug, Clone)]
pub struct UsageQuote {
    /// What its account would pay.
    pub price: Money,
    /// The version of its own seller that priced it; none if the seller passed its cost on.
    pub rule_version_id: Option<RuleVersionId>,
    /// SHA-256 of that rule's wasm, in hex.
    pub rule_digest: Option<String>,
    /// When.
    pub quoted_at: Timestamp,
    /// Until when it could be held at most.
    pub holdable_until: Timestamp,
    /// What tells this quote from another: the same use at the same price by the same version has the same.
    pub token: String,
}

/// A hold to make.
#[derive(Debug, Clone)]
pub struct HoldUsage {
    /// For what.
    pub usage: MeteredUse,
    /// The caller's key, unique among the account's holds.
    pub idempotency_key: String,
    /// For how long; as the settings say if none.
    pub expires_in: Option<Duration>,
    /// The token of the quote that it must still agree with, if any.
    pub quote: Option<String>,
}

/// A hold that was settled.
#[derive(Debug, Clone)]
pub struct SettledHold {
    /// The hold.
    pub hold: usage_hold::Model,
    /// What was charged.
    pub event: usage_event::Model,
}

impl Domain {
    /// What usage would cost now. Needs `USAGE` FULL. The rules are really asked.
    pub async fn quote_usage(&self, actor: &Actor, usage: MeteredUse) -> Result<UsageQuote> {
        let account = self.metered_account(actor, &usage.account_id).await?;
        let draft = check::draft(&account, &usage, time::now())?;
        let quoted = self.quoted(actor, &draft).await?;
        Ok(UsageQuote {
            holdable_until: check::later(draft.created_at, self.0.holds.longest)?,
            token: check::token(&quoted.hold),
            price: Money {
                amount: Micros::new(quoted.hold.price).map_err(Error::internal)?,
                currency: quoted.hold.currency,
            },
            rule_version_id: quoted.hold.rule_version_id,
            rule_digest: quoted.hold.rule_digest,
            quoted_at: quoted.hold.created_at,
        })
    }

    /// Reserves the credits for usage at the price of now, of all on the path that would pay for it. Needs `USAGE` FULL.
    /// `LimitExceeded`, and nothing is held, if somebody cannot pay.
    pub async fn hold_usage(&self, actor: &Actor, input: HoldUsage) -> Result<Replayable<usage_hold::Model>> {
        let account = self.metered_account(actor, &input.usage.account_id).await?;
        let lasting = check::lasting(&input, self.0.holds)?;
        let digest = check::digest(&input);
        for _ in 0..MAX_TRIES {
            if let Some(known) = self.hold_by_key(account.id(), &input.idempotency_key).await? {
                return match known.payload_digest == digest {
                    true => Ok(Replayable::replayed(known)),
                    false => Err(Error::conflict(
                        &["idempotencyKey"],
                        "This idempotency key was used with another payload.",
                    )),
                };
            }
            let draft = check::draft(&account, &input.usage, time::now())?;
            let draft = usage_hold::Model {
                idempotency_key: input.idempotency_key.clone(),
                payload_digest: digest.clone(),
                expires_at: check::later(draft.created_at, lasting)?,
                ..draft
            };
            let ready = self.quoted(actor, &draft).await?;
            if let Some(token) = &input.quote
                && *token != check::token(&ready.hold)
            {
                let message = "The price, or the rule that makes it, is not what was quoted any more.";
                return Err(Error::conflict(&["quote"], message));
            }
            if self.write_hold(&ready).await? {
                return Ok(Replayable::fresh(ready.hold));
            }
        }
        Err(Error::busy())
    }

    async fn write_hold(&self, ready: &Ready) -> Result<bool> {
        let faults = &self.0.faults;
        let written = transaction::run(&self.0.writer, "hold-usage", |txn| {
            transaction::work(async move { write::hold(txn, faults, ready).await })
        });
        let is_written = written.await?;
        if is_written {
            faults.check("hold.committed")?;
        }
        Ok(is_written)
    }

    /// Charges `quantity` of what is held, at the price that was quoted, as one usage event; what is left goes back. Needs
    /// `USAGE` FULL at the hold's account. Settling again with the same quantity is answered as before.
    pub async fn settle_hold(
        &self,
        actor: &Actor,
        id: &UsageHoldId,
        quantity: Micros,
    ) -> Result<Replayable<SettledHold>> {
        for _ in 0..MAX_TRIES {
            let hold = self.own_hold(actor, id).await?;
            check::part(&hold, quantity)?;
            match hold.status_at(time::now()) {
                HoldStatus::Settled => {
                    let event = self.event_of_hold(&hold).await?;
                    return match event.quantity == quantity.get() {
                        true => Ok(Replayable::replayed(SettledHold { hold, event })),
                        false => Err(check::over("This hold was settled with another quantity.")),
                    };
                }
                HoldStatus::Voided => return Err(check::over("This hold was voided.")),
                HoldStatus::Expired => return Err(check::over("This hold has expired.")),
                HoldStatus::Held => {}
            }
            let ready = self.priced_again(actor, hold, quantity).await?;
            if let Some(event) = self.write_settled(&ready).await? {
                let hold = self.own_hold(actor, id).await?;
                return Ok(Replayable::fresh(SettledHold { hold, event }));
            }
        }
        Err(Error::busy())
    }

    async fn write_settled(&self, ready: &ToSettle) -> Result<Option<usage_event::Model>> {
        let faults = &self.0.faults;
        let written = transaction::run(&self.0.writer, "settle-hold", |txn| {
            transaction::work(async move { write::settle(txn, faults, ready).await })
        });
        let event = written.await?;
        if event.is_some() {
            self.0.hub.written();
            faults.check("hold.settle.committed")?;
        }
        Ok(event)
    }

    /// An account whose usage the actor may report.
    async fn metered_account(&self, actor: &Actor, id: &AccountId) -> Result<AccountView> {
        let account = self.account(actor, id).await?;
        account.access().require(PermissionKey::Usage, Level::Full)?;
        Ok(account)
    }
}
