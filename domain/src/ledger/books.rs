//! Writing to the ledger: accounts are opened when they are first needed, locked in the order of their ids, and
//! posted to. What is to move is computed elsewhere.

use std::collections::{BTreeSet, HashMap};

use canopy_entity::ledger_account::{self, LedgerKind};
use canopy_entity::posting::PostingKind;
use canopy_entity::time::Timestamp;
use canopy_entity::{AccountId, LedgerAccountId, PostingId, UsageBatchId, UsageHoldId};
use sea_orm::{ActiveEnum, ConnectionTrait, EntityTrait, FromQueryResult, IntoActiveModel};

use super::settle::{Balances, Currency, Movement, Slot};
use crate::rows::Rows;
use crate::statement::{list, statement};
use crate::{Error, Result};

/// Rows of one insert: far below the number of parameters that a statement may have.
const ROWS: usize = 500;

const LOCK: &str = "SELECT * FROM ledger_accounts WHERE account_id IN [$1] ORDER BY id [FOR UPDATE]";

/// What an amount moves for, beside its kind.
#[derive(Debug, Clone, Copy)]
enum Behind<'a> {
    Nothing,
    Batch(&'a UsageBatchId),
    Hold(&'a UsageHoldId),
}

/// Some accounts of the ledger, locked until the transaction ends.
#[derive(Debug, Default)]
pub(crate) struct Books {
    ids: HashMap<Slot, LedgerAccountId>,
    /// What is in the wallets.
    pub(crate) balances: Balances,
}

impl Books {
    /// Locks the ledger of `accounts`.
    pub(crate) async fn lock(
        txn: &impl ConnectionTrait,
        accounts: impl IntoIterator<Item = &AccountId>,
    ) -> Result<Self> {
        let accounts: BTreeSet<&AccountId> = accounts.into_iter().collect();
        let mut books = Books::default();
        let statement = statement(txn.get_database_backend(), LOCK, [list(accounts)]);
        for row in ledger_account::Model::find_by_statement(statement)
            .all(txn)
            .await?
        {
            let slot = Slot::new(&row.account_id, row.kind, Currency::of(&row.currency));
            if matches!(row.kind, LedgerKind::Purchased | LedgerKind::Pool) {
                books.balances.0.insert(slot.clone(), row.credits - row.debits);
            }
            books.ids.insert(slot, row.id);
        }
        Ok(books)
    }

    /// Posts `movements`.
    pub(crate) async fn post(
        &mut self,
        txn: &impl ConnectionTrait,
        kind: PostingKind,
        movements: &[Movement],
        at: Timestamp,
    ) -> Result<()> {
        self.write(txn, kind, Behind::Nothing, movements, at).await
    }

    /// Posts what `hold` moves, or what moves back.
    pub(crate) async fn post_hold(
        &mut self,
        txn: &impl ConnectionTrait,
        kind: PostingKind,
        hold: &UsageHoldId,
        movements: &[Movement],
        at: Timestamp,
    ) -> Result<()> {
        self.write(txn, kind, Behind::Hold(hold), movements, at).await
    }

    /// Posts what `batch` moves for usage, or back: one posting for all that moves between the same two accounts.
    pub(crate) async fn post_batch(
        &mut self,
        txn: &impl ConnectionTrait,
        kind: PostingKind,
        batch: &UsageBatchId,
        movements: impl IntoIterator<Item = Movement>,
        at: Timestamp,
    ) -> Result<()> {
        let mut sums: Vec<Movement> = Vec::new();
        let mut places: HashMap<(Slot, Slot), usize> = HashMap::new();
        for movement in movements {
            let sides = (movement.debit.clone(), movement.credit.clone());
            match places.get(&sides) {
                None => {
                    places.insert(sides, sums.len());
                    sums.push(movement);
                }
                // Prices are within 2^53 and a batch has a few thousand, which 64 bits hold.
                Some(place) => sums[*place].amount += movement.amount,
            }
        }
        self.write(txn, kind, Behind::Batch(batch), &sums, at).await
    }

    /// Counts what is about to come back as there, so that it can be spent in the same transaction.
    pub(crate) fn take_back(&mut self, refunds: &[Movement]) {
        for refund in refunds {
            if matches!(refund.credit.kind, LedgerKind::Purchased | LedgerKind::Pool) {
                *self.balances.0.entry(refund.credit.clone()).or_default() += refund.amount;
            }
        }
    }

    async fn write(
        &mut self,
        txn: &impl ConnectionTrait,
        kind: PostingKind,
        behind: Behind<'_>,
        movements: &[Movement],
        at: Timestamp,
    ) -> Result<()> {
        self.open(txn, movements.iter(), at).await?;
        let kind = kind.to_value();
        let ids: Vec<PostingId> = movements.iter().map(|_| PostingId::new()).collect();
        let side = |side: fn(&Movement) -> &Slot| movements.iter().map(side);
        let given = match behind {
            Behind::Nothing => Rows::default(),
            Behind::Batch(batch) => Rows::default().text("batch_id", batch.as_str()),
            Behind::Hold(hold) => Rows::default().text("hold_id", hold.as_str()),
        };
        given
            .texts("id", ids.iter().map(PostingId::as_str))
            .text("kind", &kind)
            .texts(
                "debit_id",
                side(|movement| &movement.debit).map(|slot| self.ids[slot].as_str()),
            )
            .texts(
                "credit_id",
                side(|movement| &movement.credit).map(|slot| self.ids[slot].as_str()),
            )
            .numbers("amount", movements.iter().map(|movement| movement.amount))
            .texts(
                "currency",
                side(|movement| &movement.debit).map(|slot| slot.currency.as_str()),
            )
            .time("created_at", at)
            .insert(txn, "postings", "")
            .await?;
        Ok(())
    }

    /// Opens those accounts of the ledger that `movements` need and that are missing. Whoever opens the same one at
    /// the same time waits, and both find the one that was first.
    async fn open(
        &mut self,
        txn: &impl ConnectionTrait,
        movements: impl Iterator<Item = &Movement>,
        at: Timestamp,
    ) -> Result<()> {
        let sides = movements.flat_map(|movement| [&movement.debit, &movement.credit]);
        let mut missing: Vec<&Slot> = sides.filter(|slot| !self.ids.contains_key(*slot)).collect();
        missing.sort_by_key(|slot| (&slot.account, slot.kind.to_value(), slot.currency));
        missing.dedup();
        if missing.is_empty() {
            return Ok(());
        }
        for chunk in missing.chunks(ROWS) {
            let rows = chunk.iter().map(|slot| {
                ledger_account::Model {
                    id: LedgerAccountId::new(),
                    account_id: slot.account.clone(),
                    kind: slot.kind,
                    currency: slot.currency.as_str().to_owned(),
                    debits: 0,
                    credits: 0,
                    created_at: at,
                }
                .into_active_model()
            });
            ledger_account::Entity::insert_many(rows)
                .on_conflict_do_nothing_on([
                    ledger_account::Column::AccountId,
                    ledger_account::Column::Kind,
                    ledger_account::Column::Currency,
                ])
                .exec_without_returning(txn)
                .await?;
        }
        let opened = Books::lock(txn, missing.iter().map(|slot| &slot.account)).await?;
        self.ids.extend(opened.ids);
        if missing.iter().all(|slot| self.ids.contains_key(*slot)) {
            Ok(())
        } else {
            Err(Error::internal(
                "an account of the ledger was opened and not found",
            ))
        }
    }
}
