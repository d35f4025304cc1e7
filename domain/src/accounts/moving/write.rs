//! The one transaction of a move: all that it causes, or nothing.
//!
//! The terms of the tree are locked first. Whoever records usage or makes an account holds them, so nobody does while accounts
//! stand neither here nor there, and whoever comes later finds them changed and reads again where accounts stand.

use canopy_entity::account::AccountStatus;
use canopy_entity::time::{self, Timestamp};
use canopy_entity::{AccountId, AccountPath, account};
use chrono::TimeDelta;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait, FromQueryResult, IntoActiveModel, QueryResult, Value,
};
use serde_json::json;

use super::{Draft, MoveChanges};
use crate::accounts::lock;
use crate::accounts::update::hand_down;
use crate::events::outbox;
use crate::pricing::lock_terms;
use crate::statement::statement;
use crate::transaction::breaks_uniqueness;
use crate::{Actor, Error, Result, audit, ledger};

const SUBTREE: &str = "
SELECT count(*) AS accounts, max(depth) - min(depth) AS levels FROM accounts WHERE path >= $1 AND path < $2
";

/// The accounts of a subtree that have a plan of somebody, and whose it is.
const PLANS: &str = "
SELECT a.id, a.path, p.owner_account_id AS owner FROM accounts a JOIN plans p ON p.id = a.plan_id
WHERE a.path >= $1 AND a.path < $2 AND p.owner_account_id IS NOT NULL ORDER BY a.path
";

const HOLDS: &str = "
SELECT h.id FROM usage_holds h JOIN accounts a ON a.id = h.account_id
WHERE h.status = 'HELD' AND a.path >= $1 AND a.path < $2 LIMIT 1
";

const TRANSFERS: &str = "SELECT id FROM billing_transfers WHERE account_id = $1 AND status = 'IN_PROGRESS'";

const LAST_MOVE: &str = "
SELECT max(s.until) AS until FROM account_positions s JOIN accounts a ON a.id = s.account_id
WHERE a.path >= $1 AND a.path < $2
";

const STOOD: &str = "
INSERT INTO account_positions (account_id, until, path) SELECT id, $3, path FROM accounts WHERE path >= $1 AND path < $2
";

const STAND: &str = "
UPDATE accounts SET path = $3 || substr(path, $4), depth = depth + $5 WHERE path >= $1 AND path < $2
";

/// An account with all below it.
pub(super) struct Subtree {
    path: AccountPath,
    /// How many there are.
    pub(super) accounts: u64,
    /// How many levels there are below the account.
    pub(super) levels: u64,
    /// The accounts with a plan of somebody.
    planned: Vec<Planned>,
}

#[derive(FromQueryResult)]
struct Planned {
    id: AccountId,
    path: AccountPath,
    owner: AccountId,
}

impl Subtree {
    pub(super) async fn of(db: &impl ConnectionTrait, path: &AccountPath) -> Result<Self> {
        let row = one(db, SUBTREE, range(path)).await?;
        let row = row.ok_or_else(|| Error::internal("an aggregate without a row"))?;
        let (accounts, levels): (i64, i32) = (row.try_get("", "accounts")?, row.try_get("", "levels")?);
        let planned = statement(db.get_database_backend(), PLANS, range(path));
        Ok(Self {
            path: path.clone(),
            accounts: accounts.unsigned_abs(),
            levels: levels.unsigned_abs().into(),
            planned: Planned::find_by_statement(planned).all(db).await?,
        })
    }

    /// `Error::Conflict` if a plan belongs to an account that would not stand above it any more: who left could change it.
    /// The account itself may be about to get `another` plan.
    pub(super) fn require_plans_of_its_own(&self, to: &AccountPath, another: bool) -> Result<()> {
        let kept = self
            .planned
            .iter()
            .filter(|planned| !another || planned.path != self.path);
        let mut kept = kept.map(|planned| (&planned.id, planned.path.moved(&self.path, to), &planned.owner));
        let stray = kept.find(|(_, path, owner)| path.as_ref().is_none_or(|path| !path.leads_through(owner)));
        let Some((id, ..)) = stray else {
            return Ok(());
        };
        Err(Error::conflict(
            &["planId"],
            format!(
                "The plan of {id} belongs to an account that will not be above it: give it another first."
            ),
        ))
    }
}

/// Moves the account, if all is as the draft found it. Answers what that changed.
pub(super) async fn moved(txn: &impl ConnectionTrait, actor: &Actor, draft: &Draft) -> Result<MoveChanges> {
    let old = draft.account.path();
    lock_terms(txn, &old.root_id()).await?;
    let account = lock(txn, draft.account.id()).await?;
    let parent = draft.room.take(txn, &["parentId"]).await?;
    let subtree = Subtree::of(txn, old).await?;
    if account.path != *old
        || account.status == AccountStatus::Closed
        || account.plan_id != draft.account.row().plan_id
        || parent.path.child(&account.id) != draft.path
        || subtree.levels > draft.levels
    {
        let message = "The account, or its new parent, has just been changed; try again.";
        return Err(Error::conflict(&["id"], message));
    }
    subtree.require_plans_of_its_own(&draft.path, draft.plan.is_some())?;
    require_nothing_open(txn, &account).await?;
    let now = after(txn, old).await?;
    let returned = ledger::return_granted(txn, &account, &draft.changes.from, now).await?;
    take_place(txn, draft, account, now).await?;
    let changes = MoveChanges {
        at: Some(now),
        accounts: subtree.accounts,
        credits_returned: returned,
        ..draft.changes.clone()
    };
    tell(txn, actor, draft, &changes).await?;
    Ok(changes)
}

/// `Error::Conflict` if something is under way that would end elsewhere than it began.
async fn require_nothing_open(txn: &impl ConnectionTrait, account: &account::Model) -> Result<()> {
    if one(txn, HOLDS, range(&account.path)).await?.is_some() {
        let message =
            "Credits are held for usage of the account, or of one below: settle or void the holds first.";
        return Err(Error::conflict(&["id"], message));
    }
    if one(txn, TRANSFERS, [account.id.as_str().into()]).await?.is_some() {
        let message = "A transfer of the account's billing is under way: complete or cancel it first.";
        return Err(Error::conflict(&["id"], message));
    }
    Ok(())
}

/// The present, or the instant after the last move of anything that moves, if another machine's clock is ahead.
async fn after(txn: &impl ConnectionTrait, path: &AccountPath) -> Result<Timestamp> {
    let last = one(txn, LAST_MOVE, range(path)).await?;
    let last: Option<Timestamp> = last.map(|row| row.try_get("", "until")).transpose()?.flatten();
    let earliest = last.map(|last| last + TimeDelta::microseconds(1));
    Ok(earliest.map_or_else(time::now, |earliest| earliest.max(time::now())))
}

/// Notes where all that moves stood up to `now`, and lets it stand where it is to.
async fn take_place(
    txn: &impl ConnectionTrait,
    draft: &Draft,
    account: account::Model,
    now: Timestamp,
) -> Result<()> {
    let backend = txn.get_database_backend();
    let (id, old, depth) = (account.id.clone(), account.path.clone(), account.depth);
    let [from, until] = range(&old);
    let stood = [from.clone(), until.clone(), now.into()];
    txn.execute_raw(statement(backend, STOOD, stood)).await?;

    let mut row = account.into_active_model();
    row.parent_id = Set(Some(draft.changes.to.clone()));
    row.updated_at = Set(now);
    if let Some(plan) = &draft.plan {
        row.plan_id = Set(Some(plan.clone()));
        row.plan_inherited = Set(draft.inherits);
        hand_down(txn, &id, plan).await?;
    }
    row.update(txn)
        .await
        .map_err(|error| match breaks_uniqueness(&error) {
            true => Error::conflict(
                &["parentId"],
                "Another subaccount there has the external reference of this one.",
            ),
            false => error.into(),
        })?;
    let behind = i32::try_from(old.as_str().len() + 1).map_err(Error::internal)?;
    let deeper = i32::try_from(draft.path.depth()).map_err(Error::internal)? - depth;
    let stand = [
        from,
        until,
        draft.path.as_str().into(),
        behind.into(),
        deeper.into(),
    ];
    txn.execute_raw(statement(backend, STAND, stand)).await?;
    Ok(())
}

/// Writes it down for those whom it leaves and for those to whom it comes, and ends what was allowed before.
async fn tell(txn: &impl ConnectionTrait, actor: &Actor, draft: &Draft, changes: &MoveChanges) -> Result<()> {
    let (id, old) = (draft.account.id(), draft.account.path());
    for rights in &draft.rights() {
        outbox::write_rights_change(txn, id, &draft.path, rights).await?;
    }
    let left = old.upto(old.depth() - 1);
    let left = left.ok_or_else(|| Error::internal("a subaccount has a parent, as its check says"))?;
    for (account_id, path) in [(&changes.from, &left), (id, &draft.path)] {
        let entry = audit::Entry {
            account_id,
            path,
            action: "account.move",
            target: id.as_str(),
            detail: json!({
                "from": changes.from,
                "to": changes.to,
                "accounts": changes.accounts,
                "planId": [changes.plan_before, changes.plan_after],
                "creditsReturned": [changes.credits_returned, changes.currency],
            }),
        };
        audit::write(txn, actor, entry).await?;
    }
    Ok(())
}

/// The paths of the subtree.
fn range(path: &AccountPath) -> [Value; 2] {
    [path.as_str().into(), path.end().into()]
}

async fn one(
    db: &impl ConnectionTrait,
    sql: &str,
    values: impl IntoIterator<Item = Value>,
) -> Result<Option<QueryResult>> {
    let statement = statement(db.get_database_backend(), sql, values);
    Ok(db.query_one_raw(statement).await?)
}
