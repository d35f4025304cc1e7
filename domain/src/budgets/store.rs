//! The buckets of a path, drawn from together: a child draws from its own and from those above it.

use std::time::Duration;

use canopy_entity::time::{self, Timestamp};
use canopy_entity::{AccountId, AccountPath, budget};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};

use super::BudgetSettings;
use super::bucket::Allowance;
use crate::transaction::{self, work};
use crate::{Domain, Result};

/// What drawing came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Drawn {
    /// So many points, and so many are left in the emptiest bucket of the path.
    Granted { points: u64, left: u64 },
    /// Not even the least; so long until there is.
    Short(Duration),
}

/// Draws `wish` points from each bucket on `path`, or as many as the emptiest has, if that is at least `least`.
pub(super) async fn draw(domain: &Domain, path: &AccountPath, least: u64, wish: u64) -> Result<Drawn> {
    let settings = domain.0.budgets.settings;
    let ids = &path.ids();
    transaction::run(&domain.0.writer, "draw-budget", |txn| {
        work(async move {
            let now = time::now();
            let buckets = standing(txn, settings, ids, now).await?;
            let available = buckets.iter().map(|own| own.points).min().unwrap_or(0);
            if available < least {
                let waits = buckets.iter().map(|own| own.allowance.wait(own.points, least));
                return Ok(Drawn::Short(waits.max().unwrap_or_default()));
            }
            let points = wish.min(available);
            let rows = buckets.iter().map(|own| budget::ActiveModel {
                account_id: Set(own.account_id.clone()),
                points: Set(i64::try_from(own.points - points).unwrap_or(i64::MAX)),
                drawn_at: Set(now),
            });
            let replaced = OnConflict::column(budget::Column::AccountId)
                .update_columns([budget::Column::Points, budget::Column::DrawnAt])
                .to_owned();
            budget::Entity::insert_many(rows)
                .on_conflict(replaced)
                .exec_without_returning(txn)
                .await?;
            Ok(Drawn::Granted {
                points,
                left: available - points,
            })
        })
    })
    .await
}

/// A bucket as it is now.
struct Standing {
    account_id: AccountId,
    allowance: Allowance,
    points: u64,
}

/// The buckets of the accounts `ids`, from the top down, locked.
async fn standing(
    txn: &DatabaseTransaction,
    settings: BudgetSettings,
    ids: &[AccountId],
    now: Timestamp,
) -> Result<Vec<Standing>> {
    let rows = || {
        budget::Entity::find()
            .filter(budget::Column::AccountId.is_in(ids.iter().cloned()))
            // All draw in one order, so that nobody waits for somebody who waits for them.
            .order_by_asc(budget::Column::AccountId)
            .lock_exclusive()
            .all(txn)
    };
    let mut found = rows().await?;
    if found.len() < ids.len() {
        // A row that is not there cannot be locked, and two would draw the same points.
        let full = ids.iter().enumerate().map(|(depth, id)| budget::ActiveModel {
            account_id: Set(id.clone()),
            points: Set(i64::try_from(settings.allowance(depth).capacity).unwrap_or(i64::MAX)),
            drawn_at: Set(now),
        });
        let kept = OnConflict::column(budget::Column::AccountId)
            .do_nothing()
            .to_owned();
        budget::Entity::insert_many(full)
            .on_conflict(kept)
            .exec_without_returning(txn)
            .await?;
        found = rows().await?;
    }
    let standing = ids.iter().enumerate().filter_map(|(depth, id)| {
        let row = found.iter().find(|row| row.account_id == *id)?;
        let allowance = settings.allowance(depth);
        // Another process's clock may be ahead.
        let since = (now - row.drawn_at).to_std().unwrap_or_default();
        Some(Standing {
            account_id: id.clone(),
            allowance,
            points: allowance.after(u64::try_from(row.points).unwrap_or(0), since),
        })
    });
    Ok(standing.collect())
}
