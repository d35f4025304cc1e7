//! Reading rule versions.

use std::collections::HashMap;

use canopy_entity::rule_version::{self, RuleKind};
use canopy_entity::time::Timestamp;
use canopy_entity::{AccountId, Level, PermissionKey, RuleVersionId};
use sea_orm::sea_query::Condition;
use sea_orm::{ColumnTrait, ConnectionTrait, FromQueryResult};

use super::RuleVersionView;
use crate::page::{List, Pages};
use crate::statement::{list, statement};
use crate::{AccountView, Actor, Domain, Error, PageArgs, Result};

const VERSIONS: &str = "SELECT * FROM rule_versions WHERE id IN [$1]";

const LIVE_SINCE: &str = "
SELECT rule_version_id, activated_at FROM rule_activations
WHERE rule_version_id IN [$1] AND retired_at IS NULL
";

pub(super) async fn pages(
    db: &impl ConnectionTrait,
    accounts: &[AccountView],
    kind: Option<RuleKind>,
    page: &PageArgs,
) -> Result<Pages<AccountId, RuleVersionView>> {
    let owners: Vec<AccountId> = accounts
        .iter()
        .filter(|account| account.access().allows(PermissionKey::Billing, Level::Full))
        .map(|account| account.id().clone())
        .collect();
    let versions = List::<rule_version::Entity> {
        parent: rule_version::Column::OwnerAccountId,
        id: rule_version::Column::Id,
        condition: Condition::all().add_option(kind.map(|kind| rule_version::Column::Kind.eq(kind))),
    };
    let pages = versions.pages(db, &owners, page).await?;
    let rows = pages.values().flat_map(|page| &page.items);
    let live = live_since(db, rows.map(|(_, row)| &row.id)).await?;
    Ok(pages
        .into_iter()
        .map(|(owner, page)| (owner, page.map(|row| view(row, &live))))
        .collect())
}

pub(super) async fn by_id(
    domain: &Domain,
    actor: &Actor,
    ids: &[RuleVersionId],
) -> Result<HashMap<RuleVersionId, RuleVersionView>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let db = &domain.0.db;
    let statement = statement(db.get_database_backend(), VERSIONS, [list(ids)]);
    let rows = rule_version::Model::find_by_statement(statement).all(db).await?;
    let owners: Vec<AccountId> = rows
        .iter()
        .filter_map(|row| row.owner_account_id.clone())
        .collect();
    let owners = domain.accounts(actor, &owners).await?;
    let visible = rows.into_iter().filter(|row| match &row.owner_account_id {
        None => true,
        Some(owner) => owners
            .get(owner)
            .is_some_and(|owner| owner.access().allows(PermissionKey::Billing, Level::Full)),
    });
    let visible: Vec<rule_version::Model> = visible.collect();
    let live = live_since(db, visible.iter().map(|row| &row.id)).await?;
    Ok(visible
        .into_iter()
        .map(|row| (row.id.clone(), view(row, &live)))
        .collect())
}

/// A version as it stands in the database now, inside a transaction that decided who may see it.
pub(super) async fn one(db: &impl ConnectionTrait, id: &RuleVersionId) -> Result<Option<RuleVersionView>> {
    let statement = statement(db.get_database_backend(), VERSIONS, [list([id])]);
    let row = rule_version::Model::find_by_statement(statement).one(db).await?;
    let live = live_since(db, [id]).await?;
    Ok(row.map(|row| view(row, &live)))
}

/// The row of a version as it stands in the database now.
pub(super) async fn row(db: &impl ConnectionTrait, id: &RuleVersionId) -> Result<rule_version::Model> {
    let statement = statement(db.get_database_backend(), VERSIONS, [list([id])]);
    let row = rule_version::Model::find_by_statement(statement).one(db).await?;
    row.ok_or(Error::NotFound("rule version"))
}

async fn live_since(
    db: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = &RuleVersionId>,
) -> Result<HashMap<RuleVersionId, Timestamp>> {
    let ids: Vec<&RuleVersionId> = ids.into_iter().collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let statement = statement(db.get_database_backend(), LIVE_SINCE, [list(ids)]);
    db.query_all_raw(statement)
        .await?
        .iter()
        .map(|row| {
            Ok((
                row.try_get("", "rule_version_id")?,
                row.try_get("", "activated_at")?,
            ))
        })
        .collect()
}

fn view(row: rule_version::Model, live: &HashMap<RuleVersionId, Timestamp>) -> RuleVersionView {
    RuleVersionView {
        active_since: live.get(&row.id).copied(),
        row,
    }
}
