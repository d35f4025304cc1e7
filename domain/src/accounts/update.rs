//! Changing a subaccount.

use canopy_entity::account::{AccountStatus, CreditMode};
use canopy_entity::{AccountId, PermissionKey, PlanId, account, time};
use chrono::TimeDelta;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel,
    QueryFilter, QuerySelect,
};

use super::create::{credit_mode, time_zone};
use super::managed::Managed;
use super::name::name;
use super::room::Room;
use super::{AccountView, lock};
use crate::events::{RightsChange, outbox};
use crate::idempotency::{Claim, Replayable};
use crate::limits::Recency;
use crate::transaction::{self, work};
use crate::{Actor, Domain, Error, Result, audit};

/// For how long a closed account may be restored.
const RESTORABLE: TimeDelta = TimeDelta::days(30);

/// What is to change; what is none stays.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct UpdateSubaccount {
    /// The subaccount.
    pub id: AccountId,
    /// A new name.
    pub name: Option<String>,
    /// Suspend, close or restore it; a suspension or closure holds for all below.
    pub status: Option<AccountStatus>,
    /// Another plan; those below that inherit follow.
    pub plan_id: Option<PlanId>,
    /// Another credit mode; takes effect at once.
    pub credit_mode: Option<CreditMode>,
    /// Another time zone, by its name.
    pub time_zone: Option<String>,
}

impl Domain {
    /// Changes a subaccount. Needs `SUBACCOUNTS` FULL at its parent. A closed one can only be restored, within 30
    /// days and if its parent has room for it.
    pub async fn update_subaccount(
        &self,
        actor: &Actor,
        input: UpdateSubaccount,
        idempotency_key: Option<&str>,
    ) -> Result<Replayable<AccountView>> {
        let claim = &Claim::new(actor, "updateSubaccount", idempotency_key, &input)?;
        let managed = self
            .managed(actor, &input.id, "id", &[PermissionKey::Subaccounts])
            .await?;
        if let Some(id) = claim.find::<AccountId>(&self.0.db).await? {
            return Ok(Replayable::replayed(self.account(actor, &id).await?));
        }
        managed.parent.require_active(&["id"])?;
        let (input, room) = self.checked(actor, input, &managed).await?;
        let (input, room) = (&input, room.as_ref());
        let path = managed.account.path();
        let rights = &RightsChange::At(path.clone());
        let replayed = transaction::run(&self.0.writer, "update-subaccount", |txn| {
            work(async move {
                if claim.find::<AccountId>(txn).await?.is_some() {
                    return Ok(true);
                }
                change(txn, actor, input, room).await?;
                outbox::write_rights_change(txn, &input.id, path, rights).await?;
                claim.store(txn, &input.id).await?;
                Ok(false)
            })
        })
        .await?;
        self.0.hub.rights_changed(rights.clone());
        let value = self.account(actor, &input.id).await?;
        Ok(Replayable { value, replayed })
    }

    /// The input as it may be written, and the room for a closed account that comes back.
    async fn checked(
        &self,
        actor: &Actor,
        mut input: UpdateSubaccount,
        managed: &Managed,
    ) -> Result<(UpdateSubaccount, Option<Room>)> {
        if let Some(text) = &input.name {
            input.name = Some(name(text)?);
        }
        time_zone(input.time_zone.as_deref())?;
        if let Some(plan_id) = &input.plan_id {
            self.require_available_plan(actor, plan_id).await?;
        }
        if input.credit_mode.is_some() {
            let parent = &managed.parent;
            let chains = self.evaluate_limits([parent.path()], Recency::Fresh).await?;
            credit_mode(&chains.policy_of(parent.id())?, input.credit_mode)?;
        }
        let was_closed = managed.account.row().status == AccountStatus::Closed;
        let room = match input.status {
            Some(AccountStatus::Active | AccountStatus::Suspended) if was_closed => {
                Some(self.room_for_child(actor, &managed.parent).await?)
            }
            _ => None,
        };
        Ok((input, room))
    }
}

async fn change(
    txn: &impl ConnectionTrait,
    actor: &Actor,
    input: &UpdateSubaccount,
    room: Option<&Room>,
) -> Result<()> {
    if let Some(room) = room {
        room.take(txn, &["status"]).await?;
    }
    let before = lock(txn, &input.id).await?;
    if before.status == AccountStatus::Closed {
        check_restoration(&before, input, room)?;
    }
    let mut row = before.clone().into_active_model();
    if let Some(name) = &input.name {
        row.name = Set(name.clone());
    }
    if let Some(status) = input.status {
        row.status = Set(status);
    }
    if let Some(mode) = input.credit_mode {
        row.credit_mode = Set(mode);
    }
    if let Some(zone) = &input.time_zone {
        row.time_zone = Set(zone.clone());
    }
    if let Some(plan_id) = &input.plan_id {
        row.plan_id = Set(Some(plan_id.clone()));
        row.plan_inherited = Set(false);
        hand_down(txn, &before.id, plan_id).await?;
    }
    row.updated_at = Set(time::now());
    row.update(txn).await?;
    let entry = audit::Entry {
        account_id: &before.id,
        path: &before.path,
        action: "subaccount.update",
        target: before.id.as_str(),
        detail: differences(&before, input),
    };
    audit::write(txn, actor, entry).await
}

/// `Error::Conflict` unless a closed account is being restored in time.
fn check_restoration(before: &account::Model, input: &UpdateSubaccount, room: Option<&Room>) -> Result<()> {
    match input.status {
        Some(AccountStatus::Active | AccountStatus::Suspended) => {}
        _ => {
            return Err(Error::conflict(
                &["id"],
                "The account is closed; it can only be restored.",
            ));
        }
    }
    // Nothing but its restoration changes a closed account, so its last change is its closure.
    if time::now() - before.updated_at > RESTORABLE {
        return Err(Error::conflict(
            &["status"],
            "The account was closed more than 30 days ago and cannot be restored.",
        ));
    }
    if room.is_none() {
        return Err(Error::conflict(
            &["status"],
            "The account has just been closed; try again.",
        ));
    }
    Ok(())
}

/// Gives the plan to all below that inherit it, level by level.
pub(super) async fn hand_down(txn: &impl ConnectionTrait, id: &AccountId, plan_id: &PlanId) -> Result<()> {
    let mut heirs = vec![id.clone()];
    loop {
        heirs = account::Entity::find()
            .select_only()
            .column(account::Column::Id)
            .filter(account::Column::ParentId.is_in(heirs))
            .filter(account::Column::PlanInherited.eq(true))
            .into_tuple()
            .all(txn)
            .await?;
        if heirs.is_empty() {
            return Ok(());
        }
        account::Entity::update_many()
            .col_expr(account::Column::PlanId, Expr::value(plan_id.as_str()))
            .filter(account::Column::Id.is_in(heirs.iter().cloned()))
            .exec(txn)
            .await?;
    }
}

/// Each changed field with its value before and after.
fn differences(before: &account::Model, input: &UpdateSubaccount) -> serde_json::Value {
    let mut changes = serde_json::Map::new();
    let mut note = |field: &str, old: serde_json::Value, new: serde_json::Value| {
        if !new.is_null() && old != new {
            changes.insert(field.to_owned(), serde_json::json!([old, new]));
        }
    };
    note("name", before.name.as_str().into(), serde_json::json!(input.name));
    note(
        "status",
        serde_json::json!(before.status),
        serde_json::json!(input.status),
    );
    note(
        "planId",
        serde_json::json!(before.plan_id),
        serde_json::json!(input.plan_id),
    );
    note(
        "creditMode",
        serde_json::json!(before.credit_mode),
        serde_json::json!(input.credit_mode),
    );
    note(
        "timeZone",
        before.time_zone.as_str().into(),
        serde_json::json!(input.time_zone),
    );
    serde_json::Value::Object(changes)
}
