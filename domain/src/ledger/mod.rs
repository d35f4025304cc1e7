//! The ledger: wallets, and postings that move amounts between accounts of the ledger.
//!
//! `settle` computes what moves, `holds` what is set aside, and `books` writes it. The database checks both again: a posting balances by its
//! shape, a wallet cannot be overdrawn, and nothing is ever changed.

mod books;
mod credits;
mod holds;
mod refund;
mod settle;

use std::collections::HashMap;

use canopy_entity::AccountId;

use crate::{AccountView, Actor, Domain, Micros, Money, Result};

pub(crate) use books::Books;
pub(crate) use credits::{grant_starter, granted, return_granted};
pub(crate) use holds::Held;
pub(crate) use refund::refunds;
pub(crate) use settle::{Currency, Due, Movement, Source};

/// The credits of an account.
#[derive(Debug, Clone)]
pub struct Credits {
    /// What it bought and has left.
    pub purchased: Money,
    /// What it was granted or paid in advance and has left.
    pub pool: Money,
    /// What is held of both for usage to come, and is in neither.
    pub held: Money,
    /// What is left and not held: `purchased` and `pool` together.
    pub available: Money,
}

impl Domain {
    /// The credits of each account. One without `BILLING` FULL is missing from the answer, and so is a subaccount
    /// in manual credit mode unless the actor's grant is above it: it does not see what its agency allocated.
    pub async fn credits(
        &self,
        actor: &Actor,
        accounts: &[AccountView],
    ) -> Result<HashMap<AccountId, Credits>> {
        credits::read(&self.0.db, actor, accounts).await
    }

    /// Grants credits to an account's pool: from its parent's pool (needs `BILLING` FULL at the parent), or from
    /// funding where the actor is the system.
    pub async fn grant_credits(&self, actor: &Actor, account: &AccountView, amount: Micros) -> Result<()> {
        self.grant(actor, account, amount).await
    }

    /// Books credits that an account bought by other means (seeding; checkout comes later). Needs `BILLING` FULL at
    /// the parent, which was paid; for a root only the system may.
    pub async fn book_purchase(&self, actor: &Actor, account: &AccountView, amount: Micros) -> Result<()> {
        self.purchase(actor, account, amount).await
    }
}
