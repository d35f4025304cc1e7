//! A step in the life of a version: its status and the row that tells who did it and why, always together.

use canopy_entity::rule_version::{self, RuleStatus};
use canopy_entity::time::Timestamp;
use canopy_entity::{RuleChangeId, rule_change};
use sea_orm::{ActiveEnum, ConnectionTrait, EntityTrait, IntoActiveModel};

use super::store::Owner;
use crate::events::outbox;
use crate::statement::statement;
use crate::{Error, Result};

const SET_STATUS: &str = "UPDATE rule_versions SET status = $1 WHERE id = $2";

/// The longest reason, in characters.
pub(super) const MAX_REASON: usize = 500;

/// Who takes a step, why and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mover<'a> {
    /// The id of a user or key, or `system`.
    pub(super) by: &'a str,
    pub(super) reason: Option<&'a str>,
    /// How many failures led to a quarantine.
    pub(super) failures: Option<i32>,
    pub(super) at: Timestamp,
}

/// Checks a reason that somebody gave; an empty one is none.
pub(super) fn checked_reason(reason: Option<String>) -> Result<Option<String>> {
    let reason = reason.filter(|reason| !reason.is_empty());
    let wrong = |reason: &String| reason.chars().count() > MAX_REASON || reason.contains('\0');
    if reason.as_ref().is_some_and(wrong) {
        return Err(Error::bad_input(
            &["reason"],
            format!("A reason has at most {MAX_REASON} characters, none of them NUL."),
        ));
    }
    Ok(reason)
}

/// Takes a version from the status that `version` has to another. The owner's row must be locked.
pub(super) async fn take(
    txn: &impl ConnectionTrait,
    owner: &Owner,
    version: &rule_version::Model,
    to: RuleStatus,
    mover: Mover<'_>,
) -> Result<()> {
    let values = [to.to_value().into(), version.id.as_str().into()];
    txn.execute_raw(statement(txn.get_database_backend(), SET_STATUS, values))
        .await?;
    record(txn, owner, version, Some(version.status), to, mover).await
}

/// Writes down the first step: the version was uploaded as it is.
pub(super) async fn begin(
    txn: &impl ConnectionTrait,
    owner: &Owner,
    version: &rule_version::Model,
    by: &str,
) -> Result<()> {
    let mover = Mover {
        by,
        reason: None,
        failures: None,
        at: version.created_at,
    };
    record(txn, owner, version, None, version.status, mover).await
}

async fn record(
    txn: &impl ConnectionTrait,
    owner: &Owner,
    version: &rule_version::Model,
    from: Option<RuleStatus>,
    to: RuleStatus,
    mover: Mover<'_>,
) -> Result<()> {
    let row = rule_change::Model {
        id: RuleChangeId::new(),
        rule_version_id: version.id.clone(),
        account_id: owner.id.clone(),
        from_status: from,
        to_status: to,
        changed_by: mover.by.to_owned(),
        reason: mover.reason.map(str::to_owned),
        failures: mover.failures,
        changed_at: mover.at,
    };
    rule_change::Entity::insert(row.clone().into_active_model())
        .exec_without_returning(txn)
        .await?;
    outbox::write_rule_change(txn, &owner.path, &row).await
}
