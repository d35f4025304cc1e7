//! Who pays for what, as pure computation: prices of a chain in, movements between accounts of the ledger out.
//!
//! Funding sources are an ordered list and there is no other: what they do not hold is not paid, and then nothing
//! of the event is.

use std::collections::HashMap;

use canopy_entity::AccountId;
use canopy_entity::account::{BillingMode, CreditMode};
use canopy_entity::ledger_account::LedgerKind;

/// An ISO 4217 code, held in place: slots are made for each edge of each event.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Currency([u8; 3]);

impl Currency {
    /// The currency of this code.
    pub(crate) fn of(code: &str) -> Self {
        let code = code.as_bytes().try_into();
        Self(code.expect("a currency has three letters, as its check says"))
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("it was made of a text")
    }
}

impl std::fmt::Debug for Currency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An account of the ledger, by what it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Slot {
    pub(crate) account: AccountId,
    pub(crate) kind: LedgerKind,
    pub(crate) currency: Currency,
}

impl Slot {
    pub(crate) fn new(account: &AccountId, kind: LedgerKind, currency: Currency) -> Self {
        Self {
            account: account.clone(),
            kind,
            currency,
        }
    }
}

/// An amount that is to move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Movement {
    pub(crate) debit: Slot,
    pub(crate) credit: Slot,
    /// In micro-units; above zero.
    pub(crate) amount: i64,
}

impl Movement {
    /// A movement of `amount`, which the database would accept.
    pub(crate) fn new(debit: Slot, credit: Slot, amount: i64) -> Self {
        assert!(amount > 0, "only an amount above zero moves");
        assert_eq!(debit.currency, credit.currency, "a movement has one currency");
        assert_ne!(debit, credit, "a movement has two sides");
        Self {
            debit,
            credit,
            amount,
        }
    }
}

/// One edge of a chain that is to be paid.
#[derive(Debug, Clone)]
pub(crate) struct Due {
    pub(crate) seller: AccountId,
    pub(crate) buyer: AccountId,
    pub(crate) currency: Currency,
    /// In micro-units; not negative.
    pub(crate) price: i64,
    pub(crate) sources: &'static [Source],
}

/// Where the money for an edge comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// Credits that the buyer bought.
    Purchased,
    /// Credits that it was granted or paid in advance.
    Pool,
    /// The seller, its parent, which bills it on its own terms.
    Parent,
}

impl Source {
    /// The sources of a buyer, in order.
    pub(crate) fn of(billing_mode: BillingMode, credit_mode: CreditMode) -> &'static [Source] {
        match (billing_mode, credit_mode) {
            (BillingMode::Own, _) => &[Source::Purchased, Source::Pool],
            (BillingMode::Parent, CreditMode::Reselling) => {
                &[Source::Purchased, Source::Pool, Source::Parent]
            }
            (BillingMode::Parent, CreditMode::Manual) => &[Source::Pool, Source::Parent],
        }
    }
}

/// A buyer whose sources do not hold what it is to pay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Short {
    pub(crate) buyer: AccountId,
}

/// What is left in each wallet; a wallet that is missing is empty.
#[derive(Debug, Clone, Default)]
pub(crate) struct Balances(pub(crate) HashMap<Slot, i64>);

impl Balances {
    fn of(&self, slot: &Slot) -> i64 {
        self.0.get(slot).copied().unwrap_or(0)
    }

    /// Takes what all edges of one event cost out of the wallets and says what moves, edge by edge; or takes nothing.
    pub(crate) fn settle(&mut self, dues: &[Due]) -> Result<Vec<Vec<Movement>>, Short> {
        let mut taken: HashMap<Slot, i64> = HashMap::new();
        let mut settled = Vec::with_capacity(dues.len());
        for due in dues {
            let movements = self.pay(due, &mut taken)?;
            let paid: i64 = movements.iter().map(|movement| movement.amount).sum();
            assert_eq!(paid, due.price, "an edge is paid to the last micro-unit, once");
            settled.push(movements);
        }
        for (wallet, amount) in taken {
            let left = self.of(&wallet) - amount;
            assert!(left >= 0, "a wallet is never overdrawn");
            self.0.insert(wallet, left);
        }
        Ok(settled)
    }

    fn pay(&self, due: &Due, taken: &mut HashMap<Slot, i64>) -> Result<Vec<Movement>, Short> {
        assert!(due.price >= 0, "a price of usage is not negative");
        let revenue = Slot::new(&due.seller, LedgerKind::Revenue, due.currency);
        let mut missing = due.price;
        let mut movements = Vec::new();
        for source in due.sources {
            let (slot, amount) = match source {
                Source::Parent => (
                    Slot::new(&due.seller, LedgerKind::Receivable, due.currency),
                    missing,
                ),
                wallet => {
                    let kind = match wallet {
                        Source::Purchased => LedgerKind::Purchased,
                        _ => LedgerKind::Pool,
                    };
                    let slot = Slot::new(&due.buyer, kind, due.currency);
                    let left = self.of(&slot) - taken.get(&slot).copied().unwrap_or(0);
                    let amount = left.min(missing);
                    *taken.entry(slot.clone()).or_default() += amount;
                    (slot, amount)
                }
            };
            if amount > 0 {
                movements.push(Movement::new(slot, revenue.clone(), amount));
                missing -= amount;
            }
        }
        if missing == 0 {
            Ok(movements)
        } else {
            Err(Short {
                buyer: due.buyer.clone(),
            })
        }
    }
}

#[cfg(test)]
mod tests;
