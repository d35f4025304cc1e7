//! News of thresholds on usage that were crossed: a row of the outbox for each.

use std::sync::Arc;

use canopy_entity::{AccountPath, outbox, usage_alert_crossing};
use sea_orm::{ConnectionTrait, EntityTrait, FromQueryResult, Value};

use super::hub::{Published, Told};
use super::usage_news::Scope;
use super::{UsageAlertUpdate, cursor, outbox as box_};
use crate::statement::statement;
use crate::{Error, Result};

/// The topic of the rows; the index of them names it, too.
pub(super) const TOPIC: &str = "alert";

/// Rows that are read at once.
const ROWS: i64 = 500;

/// Those in the scope, behind `$1` and up to `$2`.
const FROM: &str = "FROM outbox WHERE topic = 'alert' AND position > $1 AND position <= $2 AND {scope}";

/// Writes, in the transaction that crosses it, that a threshold of the account at `path` was crossed.
pub(crate) async fn write(
    txn: &impl ConnectionTrait,
    path: &AccountPath,
    crossing: &usage_alert_crossing::Model,
) -> Result<()> {
    let account_id = crossing.account_id.clone();
    let row = box_::row(TOPIC, account_id, path.clone(), crossing, crossing.crossed_at)?;
    outbox::Entity::insert(row).exec_without_returning(txn).await?;
    Ok(())
}

/// What the row at `position` tells.
pub(super) fn told(position: i64, payload: serde_json::Value) -> Result<Told> {
    Ok(Told::Alert(Arc::new(UsageAlertUpdate {
        cursor: cursor::encode(position),
        crossing: serde_json::from_value(payload).map_err(Error::internal)?,
    })))
}

/// A page of the news in `scope` behind `after` and up to `end`, and the position up to which that is all.
pub(super) async fn behind(
    db: &impl ConnectionTrait,
    after: i64,
    end: i64,
    scope: &Scope,
) -> Result<(Vec<Published>, i64)> {
    let mut values: Vec<Value> = vec![after.into(), end.into()];
    let from = from(scope, &mut values);
    let sql = format!("SELECT * {from} ORDER BY position LIMIT {ROWS}");
    let page = statement(db.get_database_backend(), &sql, values);
    let rows = outbox::Model::find_by_statement(page).all(db).await?;
    let is_all = i64::try_from(rows.len()).is_ok_and(|rows| rows < ROWS);
    let news = rows
        .into_iter()
        .map(box_::published)
        .collect::<Result<Vec<_>>>()?;
    let upto = match news.last() {
        Some(last) if !is_all => last.position,
        _ => end,
    };
    Ok((news, upto))
}

/// How many there are in `scope` behind `after` and up to `end`.
pub(super) async fn count(db: &impl ConnectionTrait, after: i64, end: i64, scope: &Scope) -> Result<i64> {
    let mut values: Vec<Value> = vec![after.into(), end.into()];
    let from = from(scope, &mut values);
    let sql = format!("SELECT COUNT(*) AS alerts {from}");
    let row = db
        .query_one_raw(statement(db.get_database_backend(), &sql, values))
        .await?;
    let row = row.ok_or_else(|| Error::internal("a count without a row"))?;
    Ok(row.try_get("", "alerts")?)
}

fn from(scope: &Scope, values: &mut Vec<Value>) -> String {
    values.push(scope.account.as_str().into());
    let scope = match scope.include_descendants {
        true => "strpos(path, $3) > 0",
        false => "account_id = $3",
    };
    FROM.replace("{scope}", scope)
}
