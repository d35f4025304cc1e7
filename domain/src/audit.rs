//! The audit log: who did what to which account, written in the transaction that does it.

use canopy_entity::{AccountId, AccountPath, AuditId, audit_log, time};
use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait};

use crate::{Actor, Result};

/// Something that is about to be committed.
pub(crate) struct Entry<'a> {
    /// The account that it is done to.
    pub(crate) account_id: &'a AccountId,
    /// Where that account stands.
    pub(crate) path: &'a AccountPath,
    /// What is done, as noun and verb: `subaccount.create`.
    pub(crate) action: &'static str,
    /// The id of what it is done to.
    pub(crate) target: &'a str,
    /// What changes. Never a secret.
    pub(crate) detail: serde_json::Value,
}

/// Writes down what `actor` does.
pub(crate) async fn write(db: &impl ConnectionTrait, actor: &Actor, entry: Entry<'_>) -> Result<()> {
    write_as(db, &actor.label(), entry).await
}

/// Writes down what `by` does, where there is no actor: `system`.
pub(crate) async fn write_as(db: &impl ConnectionTrait, by: &str, entry: Entry<'_>) -> Result<()> {
    let row = audit_log::ActiveModel {
        id: Set(AuditId::new()),
        account_id: Set(entry.account_id.clone()),
        path: Set(entry.path.clone()),
        actor: Set(by.to_owned()),
        action: Set(entry.action.to_owned()),
        target: Set(entry.target.to_owned()),
        detail: Set(entry.detail),
        created_at: Set(time::now()),
    };
    audit_log::Entity::insert(row).exec_without_returning(db).await?;
    Ok(())
}
