//! Credits: what is in the wallets, and how it gets there.

use std::collections::HashMap;

use canopy_entity::account::{self, BillingMode, CreditMode};
use canopy_entity::ledger_account::{self, LedgerKind};
use canopy_entity::posting::PostingKind;
use canopy_entity::time::{self, Timestamp};
use canopy_entity::{AccountId, Level, PermissionKey};
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::settle::{Currency, Slot};
use super::{Books, Credits, Movement};
use crate::auth::GrantKind;
use crate::statement::{list, statement};
use crate::{AccountView, Actor, Domain, Error, Micros, Money, Principal, Result, audit, transaction};

const WALLETS: &str = "
SELECT * FROM ledger_accounts WHERE account_id IN [$1] AND kind IN ('PURCHASED', 'POOL', 'HELD')
";

pub(super) async fn read(
    db: &impl ConnectionTrait,
    actor: &Actor,
    accounts: &[AccountView],
) -> Result<HashMap<AccountId, Credits>> {
    let nothing = |currency: &str| Money {
        amount: Micros::ZERO,
        currency: currency.to_owned(),
    };
    let mut credits: HashMap<AccountId, Credits> = accounts
        .iter()
        .filter(|account| may_see(actor, account))
        .map(|account| {
            let currency = account.row().currency.as_str();
            let empty = Credits {
                purchased: nothing(currency),
                pool: nothing(currency),
                held: nothing(currency),
                available: nothing(currency),
            };
            (account.id().clone(), empty)
        })
        .collect();
    if credits.is_empty() {
        return Ok(credits);
    }
    let statement = statement(db.get_database_backend(), WALLETS, [list(credits.keys())]);
    for wallet in ledger_account::Model::find_by_statement(statement)
        .all(db)
        .await?
    {
        let Some(credits) = credits.get_mut(&wallet.account_id) else {
            continue;
        };
        let money = match wallet.kind {
            LedgerKind::Purchased => &mut credits.purchased,
            LedgerKind::Held => &mut credits.held,
            _ => &mut credits.pool,
        };
        if money.currency == wallet.currency {
            money.amount = Micros::new(wallet.credits - wallet.debits).map_err(Error::internal)?;
        }
    }
    for credits in credits.values_mut() {
        let both = credits.purchased.amount.get() + credits.pool.amount.get();
        credits.available.amount = Micros::new(both).map_err(Error::internal)?;
    }
    Ok(credits)
}

fn may_see(actor: &Actor, account: &AccountView) -> bool {
    let row = account.row();
    let hidden = row.billing_mode == BillingMode::Parent && row.credit_mode == CreditMode::Manual;
    let billing_from_above = || {
        actor.grants().iter().any(|grant| {
            let level = match &grant.kind {
                GrantKind::Role(role) => role.level(PermissionKey::Billing),
                GrantKind::Levels(levels) => {
                    let level = levels.get(&PermissionKey::Billing);
                    level.copied().unwrap_or(Level::None)
                }
            };
            level == Level::Full && grant.path != row.path && grant.path.contains(&row.path)
        })
    };
    let may_bill = account
        .access()
        .require(PermissionKey::Billing, Level::Full)
        .is_ok();
    may_bill && (!hidden || *actor.principal() == Principal::System || billing_from_above())
}

/// Puts starter credits into the pool of `child`, which `seller` pays for out of its funding. Part of the
/// transaction that makes the child.
pub(crate) async fn grant_starter(
    txn: &impl ConnectionTrait,
    seller: &account::Model,
    child: &account::Model,
    amount: Micros,
) -> Result<()> {
    if amount == Micros::ZERO {
        return Ok(());
    }
    let movement = into_wallet(seller, LedgerKind::Funding, child, LedgerKind::Pool, amount)?;
    let mut books = Books::lock(txn, [&seller.id, &child.id]).await?;
    books
        .post(txn, PostingKind::StarterGrant, &[movement], time::now())
        .await
}

/// What is in the pool of an account, in micro-units.
pub(crate) async fn granted(db: &impl ConnectionTrait, account: &account::Model) -> Result<i64> {
    let wallets = statement(db.get_database_backend(), WALLETS, [list([&account.id])]);
    let wallets = ledger_account::Model::find_by_statement(wallets).all(db).await?;
    let pools = wallets
        .iter()
        .filter(|wallet| wallet.kind == LedgerKind::Pool && wallet.currency == account.currency);
    Ok(pools.map(|wallet| wallet.credits - wallet.debits).sum())
}

/// Gives what is left in the pool of an account back to the pool of `seller`, which it leaves. Part of the transaction that
/// moves the account. Answers how much.
pub(crate) async fn return_granted(
    txn: &impl ConnectionTrait,
    account: &account::Model,
    seller: &AccountId,
    at: Timestamp,
) -> Result<i64> {
    let mut books = Books::lock(txn, [&account.id, seller]).await?;
    let currency = Currency::of(&account.currency);
    let from = Slot::new(&account.id, LedgerKind::Pool, currency);
    let left = books.balances.0.get(&from).copied().unwrap_or(0);
    if left > 0 {
        let to = Slot::new(seller, LedgerKind::Pool, currency);
        let movement = Movement::new(from, to, left);
        books.post(txn, PostingKind::Return, &[movement], at).await?;
    }
    Ok(left)
}

impl Domain {
    pub(super) async fn grant(&self, actor: &Actor, account: &AccountView, amount: Micros) -> Result<()> {
        let seller = self.seller_of(actor, account).await?;
        let kind = match actor.principal() {
            Principal::System => LedgerKind::Funding,
            _ => LedgerKind::Pool,
        };
        let movement = into_wallet(&seller, kind, account.row(), LedgerKind::Pool, amount)?;
        self.book(actor, account, PostingKind::Grant, movement).await
    }

    pub(super) async fn purchase(&self, actor: &Actor, account: &AccountView, amount: Micros) -> Result<()> {
        let seller = self.seller_of(actor, account).await?;
        let row = account.row();
        let movement = into_wallet(&seller, LedgerKind::Funding, row, LedgerKind::Purchased, amount)?;
        self.book(actor, account, PostingKind::Purchase, movement).await
    }

    /// The account that credits of `account` come from: its parent, where the actor must hold `BILLING`, or, for a
    /// root and the system, itself.
    async fn seller_of(&self, actor: &Actor, account: &AccountView) -> Result<account::Model> {
        if let Some(parent) = &account.row().parent_id {
            if *actor.principal() == Principal::System {
                // The system is given one tree to work in, and its parent need not be part of it.
                let parent = list([parent]);
                let db = &self.0.db;
                let sql = "SELECT * FROM accounts WHERE id IN [$1]";
                let statement = statement(db.get_database_backend(), sql, [parent]);
                let row = account::Model::find_by_statement(statement).one(db).await?;
                return row.ok_or(Error::NotFound("account"));
            }
            let parent = self.account(actor, parent).await?;
            parent.access().require(PermissionKey::Billing, Level::Full)?;
            return Ok(parent.row().clone());
        }
        match actor.principal() {
            Principal::System => Ok(account.row().clone()),
            _ => Err(Error::Forbidden(
                "Credits come from the account above, and this one has none above.".to_owned(),
            )),
        }
    }

    async fn book(
        &self,
        actor: &Actor,
        account: &AccountView,
        kind: PostingKind,
        movement: Movement,
    ) -> Result<()> {
        let action = match kind {
            PostingKind::Purchase => "credits.purchase",
            _ => "credits.grant",
        };
        let movement = &movement;
        transaction::run(&self.0.writer, "book-credits", |txn| {
            transaction::work(async move {
                let sides = [&movement.debit.account, &movement.credit.account];
                let mut books = Books::lock(txn, sides).await?;
                let left = books.balances.0.get(&movement.debit).copied().unwrap_or(0);
                if movement.debit.kind == LedgerKind::Pool && left < movement.amount {
                    return Err(Error::LimitExceeded {
                        resource: "credits".to_owned(),
                        message: "The account above does not have enough credits in its pool.".to_owned(),
                    });
                }
                let movements = [movement.clone()];
                books.post(txn, kind, &movements, time::now()).await?;
                let entry = audit::Entry {
                    account_id: account.id(),
                    path: account.path(),
                    action,
                    target: account.id().as_str(),
                    detail: serde_json::json!({
                        "from": movement.debit.account,
                        "amount": movement.amount,
                        "currency": movement.debit.currency.as_str(),
                    }),
                };
                audit::write(txn, actor, entry).await
            })
        })
        .await
    }
}

fn into_wallet(
    seller: &account::Model,
    from: LedgerKind,
    buyer: &account::Model,
    wallet: LedgerKind,
    amount: Micros,
) -> Result<Movement> {
    if amount <= Micros::ZERO {
        return Err(Error::bad_input(&["amount"], "The amount must be above zero."));
    }
    if seller.currency != buyer.currency {
        return Err(Error::bad_input(
            &["amount"],
            format!(
                "Credits in {} cannot be paid in {}.",
                buyer.currency, seller.currency
            ),
        ));
    }
    Ok(Movement::new(
        Slot::new(&seller.id, from, Currency::of(&seller.currency)),
        Slot::new(&buyer.id, wallet, Currency::of(&buyer.currency)),
        amount.get(),
    ))
}
