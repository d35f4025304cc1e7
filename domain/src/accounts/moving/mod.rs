//! Moving an account, with all below it, to another parent in its tree: an operator's act.
//!
//! What was used before stays where it was: prices, postings and the sums of those above are as they were, and usage that is
//! reported late goes along the path on which its account stood when it was used. So each unit has the same sellers, and one
//! payer, whenever it is reported.

mod changes;
mod write;

use canopy_entity::account::{AccountKind, AccountStatus};
use canopy_entity::{AccountId, AccountPath, Level, PermissionKey, PlanId};

use super::AccountView;
use super::room::Room;
use crate::events::RightsChange;
use crate::idempotency::{Claim, Replayable};
use crate::limits::DEPTH;
use crate::transaction::{self, work};
use crate::{Actor, Domain, Error, Result};

pub use changes::{AccessChange, LimitChange, MoveChanges, PayerChange};

/// Where an account is to stand.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct MoveAccount {
    /// The subaccount.
    pub id: AccountId,
    /// Its new parent.
    pub parent_id: AccountId,
    /// Its plan from then on; its own stays if none, or it inherits that of the new parent if it inherited before.
    pub plan_id: Option<PlanId>,
    /// Whether only to say what the move would change.
    pub dry_run: bool,
}

/// What became of a move.
#[derive(Debug, Clone)]
pub struct Moved {
    /// The account as it is now.
    pub account: AccountView,
    /// What the move changed, or would change.
    pub changes: MoveChanges,
}

/// A move that only has still to find everything as it was.
struct Draft {
    account: AccountView,
    /// Where it is to stand.
    path: AccountPath,
    /// Its plan then, unless that stays.
    plan: Option<PlanId>,
    inherits: bool,
    room: Room,
    /// How many levels come along below it.
    levels: u64,
    changes: MoveChanges,
}

impl Domain {
    /// Moves a subaccount with all below it to another parent in its tree. Needs `SUBACCOUNTS` FULL at the root of the tree.
    /// The new parent must have room for it, and for all that comes along. Credits that the account was granted go back to
    /// the parent that it leaves.
    pub async fn move_account(
        &self,
        actor: &Actor,
        input: MoveAccount,
        idempotency_key: Option<&str>,
    ) -> Result<Replayable<Moved>> {
        let claim = &Claim::new(actor, "moveAccount", idempotency_key, &input)?;
        let account = self.account(actor, &input.id).await?;
        let parent = self.account(actor, &input.parent_id).await?;
        if let Some(plan_id) = &input.plan_id {
            self.require_available_plan(actor, plan_id).await?;
        }
        self.require_operator(actor, &account).await?;
        if let Some(changes) = claim.find::<MoveChanges>(&self.0.db).await? {
            return Ok(Replayable::replayed(Moved { account, changes }));
        }
        let draft = &self.draft(actor, account, parent, &input).await?;
        if input.dry_run {
            let (account, changes) = (draft.account.clone(), draft.changes.clone());
            return Ok(Replayable::fresh(Moved { account, changes }));
        }
        let (changes, replayed) = transaction::run(&self.0.writer, "move-account", |txn| {
            work(async move {
                if let Some(changes) = claim.find::<MoveChanges>(txn).await? {
                    return Ok((changes, true));
                }
                let changes = write::moved(txn, actor, draft).await?;
                claim.store(txn, &changes).await?;
                Ok((changes, false))
            })
        })
        .await?;
        for rights in draft.rights() {
            self.0.hub.rights_changed(rights);
        }
        self.0.hub.written();
        let account = self.account(actor, &input.id).await?;
        let value = Moved { account, changes };
        Ok(Replayable { value, replayed })
    }

    /// `Error::Forbidden` unless the actor may change the whole tree that the account is in.
    async fn require_operator(&self, actor: &Actor, account: &AccountView) -> Result<()> {
        let root = account.path().root_id();
        let views = self.accounts(actor, std::slice::from_ref(&root)).await?;
        match views.get(&root) {
            Some(root) => root.access().require(PermissionKey::Subaccounts, Level::Full),
            None => Err(Error::Forbidden(
                "An account is moved by the operator of its tree: this takes SUBACCOUNTS FULL at the root."
                    .to_owned(),
            )),
        }
    }

    async fn draft(
        &self,
        actor: &Actor,
        account: AccountView,
        parent: AccountView,
        input: &MoveAccount,
    ) -> Result<Draft> {
        check(&account, &parent)?;
        parent.require_active(&["parentId"])?;
        let room = self.room_for_child(actor, &parent).await?;
        let inherits = account.row().plan_inherited && input.plan_id.is_none();
        let plan = match inherits {
            true => parent.row().plan_id.clone(),
            false => input.plan_id.clone(),
        };
        let path = parent.path().child(account.id());
        let subtree = write::Subtree::of(&self.0.db, account.path()).await?;
        subtree.require_plans_of_its_own(&path, plan.is_some())?;
        let plan_then = plan.as_ref().or(account.row().plan_id.as_ref());
        let limits = self
            .limits_below(&parent, &account, plan_then, actor.scope())
            .await?;
        if let Some(depth) = limits.iter().find(|limit| *limit.resource == *DEPTH) {
            // The deepest of those that come along; the account itself stands one level below its parent.
            depth.require_room(u64::from(parent.level()) + subtree.levels)?;
        }
        let changes = self
            .changes(actor, &account, &parent, plan_then, &limits, subtree.accounts)
            .await?;
        Ok(Draft {
            account,
            path,
            plan,
            inherits,
            room,
            levels: subtree.levels,
            changes,
        })
    }
}

impl Draft {
    /// Everyone who may do anything there, before or after.
    fn rights(&self) -> [RightsChange; 2] {
        [self.account.path(), &self.path].map(|path| RightsChange::At(path.clone()))
    }
}

/// What is wrong with a move, whatever the limits say.
fn check(account: &AccountView, parent: &AccountView) -> Result<()> {
    let wrong = |field: &str, message: &str| Err(Error::bad_input(&[field], message));
    if account.row().kind != AccountKind::Subaccount {
        return wrong("id", "Only subaccounts are moved.");
    }
    if account.row().status == AccountStatus::Closed {
        return Err(Error::conflict(
            &["id"],
            "The account is closed; restore it before it is moved.",
        ));
    }
    if account.path().contains(parent.path()) {
        return wrong("parentId", "An account is not moved below itself.");
    }
    if account.row().parent_id.as_ref() == Some(parent.id()) {
        return wrong("parentId", "The account stands there already.");
    }
    if parent.path().root_id() != account.path().root_id() {
        return wrong("parentId", "An account stays in its tree.");
    }
    if parent.row().kind == AccountKind::Platform {
        return wrong("parentId", "Below a platform stand main accounts.");
    }
    if parent.row().currency != account.row().currency {
        return wrong("parentId", "The accounts have different currencies.");
    }
    Ok(())
}
