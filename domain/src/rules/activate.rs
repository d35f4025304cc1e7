//! Which version is live: one takes the place of another in the transaction of the caller, who holds the owner's row.

use canopy_entity::rule_version::{self, RuleStatus};
use canopy_entity::{RuleActivationId, RuleVersionId, rule_activation};
use sea_orm::{ConnectionTrait, EntityTrait, FromQueryResult, IntoActiveModel};

use super::active::retire_activation;
use super::change::{self, Mover};
use super::read;
use super::store::Owner;
use crate::statement::statement;
use crate::transaction::{LostRace, breaks_uniqueness};
use crate::{Error, Result};

const LAST_OF_VERSION: &str = "
SELECT * FROM rule_activations WHERE account_id = $1 AND rule_version_id = $2 ORDER BY id DESC LIMIT 1
";

/// Makes `row` live in place of `live`; answers the version that was live, unless it is the same.
pub(super) async fn go_live(
    txn: &impl ConnectionTrait,
    owner: &Owner,
    row: &rule_version::Model,
    live: Option<rule_activation::Model>,
    mover: Mover<'_>,
) -> Result<Option<RuleVersionId>> {
    let Some(live) = live else {
        return replace(txn, owner, row, None, None, mover).await;
    };
    let before = read::row(txn, &live.rule_version_id).await?;
    // A version in quarantine is not one to go back to.
    let last_good = match before.status {
        RuleStatus::Quarantined => live.last_good_version_id.clone(),
        _ => Some(before.id.clone()),
    };
    replace(txn, owner, row, Some((live, before)), last_good, mover).await
}

/// Makes `row` live again in place of `live`, with what was before `row` as the next step back.
pub(super) async fn go_back(
    txn: &impl ConnectionTrait,
    owner: &Owner,
    row: &rule_version::Model,
    live: rule_activation::Model,
    mover: Mover<'_>,
) -> Result<Option<RuleVersionId>> {
    let values = [owner.id.as_str().into(), row.id.as_str().into()];
    let earlier = statement(txn.get_database_backend(), LAST_OF_VERSION, values);
    let earlier = rule_activation::Model::find_by_statement(earlier)
        .one(txn)
        .await?;
    let before = read::row(txn, &live.rule_version_id).await?;
    let last_good = earlier.and_then(|earlier| earlier.last_good_version_id);
    replace(txn, owner, row, Some((live, before)), last_good, mover).await
}

async fn replace(
    txn: &impl ConnectionTrait,
    owner: &Owner,
    row: &rule_version::Model,
    live: Option<(rule_activation::Model, rule_version::Model)>,
    last_good: Option<RuleVersionId>,
    mover: Mover<'_>,
) -> Result<Option<RuleVersionId>> {
    let mut previous = None;
    if let Some((live, before)) = live {
        retire_activation(txn, &live.id, mover.at).await?;
        if before.id != row.id {
            change::take(txn, owner, &before, RuleStatus::Retired, mover).await?;
            previous = Some(before.id);
        }
    }
    let activation = rule_activation::Model {
        id: RuleActivationId::new(),
        account_id: owner.id.clone(),
        kind: row.kind,
        rule_version_id: row.id.clone(),
        last_good_version_id: last_good.filter(|last_good| *last_good != row.id),
        activated_by: mover.by.to_owned(),
        activated_at: mover.at,
        retired_at: None,
    };
    let inserted = rule_activation::Entity::insert(activation.into_active_model());
    match inserted.exec_without_returning(txn).await {
        Ok(_) => {}
        Err(error) if breaks_uniqueness(&error) => return Err(Error::internal(LostRace)),
        Err(error) => return Err(error.into()),
    }
    change::take(txn, owner, row, RuleStatus::Active, mover).await?;
    Ok(previous)
}
