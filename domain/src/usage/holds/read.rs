//! Reading holds: whoever may see the usage of an account may see what is held for it.

use std::collections::HashMap;

use canopy_entity::usage_hold::{self, HoldStatus};
use canopy_entity::{AccountId, Level, PermissionKey, UsageHoldId, usage_event};
use sea_orm::sea_query::Condition;
use sea_orm::{FromQueryResult, Value};

use crate::page::{List, Pages};
use crate::statement::{list, statement};
use crate::{AccountView, Actor, Domain, Error, PageArgs, Result};

const BY_ID: &str = "SELECT * FROM usage_holds WHERE id IN [$1]";

const BY_KEY: &str = "SELECT * FROM usage_holds WHERE account_id = $1 AND idempotency_key = $2";

const EVENT: &str = "SELECT * FROM usage_events WHERE id = $1";

impl Domain {
    /// A page of the holds of each account, in the order in which they were made. An account without `USAGE` FULL is missing
    /// from the answer.
    pub async fn usage_holds(
        &self,
        _actor: &Actor,
        accounts: &[AccountView],
        page: &PageArgs,
    ) -> Result<Pages<AccountId, usage_hold::Model>> {
        let visible = accounts
            .iter()
            .filter(|account| account.access().allows(PermissionKey::Usage, Level::Full));
        let visible: Vec<AccountId> = visible.map(|account| account.id().clone()).collect();
        let holds = List::<usage_hold::Entity> {
            parent: usage_hold::Column::AccountId,
            id: usage_hold::Column::Id,
            condition: Condition::all(),
        };
        holds.pages(&self.0.db, &visible, page).await
    }

    /// The holds with these ids that the actor may see.
    pub async fn usage_holds_by_id(
        &self,
        actor: &Actor,
        ids: &[UsageHoldId],
    ) -> Result<HashMap<UsageHoldId, usage_hold::Model>> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let rows = self.holds(BY_ID, [list(ids)]).await?;
        let owners: Vec<AccountId> = rows.iter().map(|row| row.account_id.clone()).collect();
        let owners = self.accounts(actor, &owners).await?;
        let visible = rows.into_iter().filter(|row| {
            owners
                .get(&row.account_id)
                .is_some_and(|owner| owner.access().allows(PermissionKey::Usage, Level::Full))
        });
        Ok(visible.map(|row| (row.id.clone(), row)).collect())
    }

    /// A hold whose account's usage the actor may report.
    pub(super) async fn own_hold(&self, actor: &Actor, id: &UsageHoldId) -> Result<usage_hold::Model> {
        let missing = || Error::NotFound("usage hold");
        let row = self.holds(BY_ID, [list([id])]).await?.pop().ok_or_else(missing)?;
        let account = self
            .accounts(actor, std::slice::from_ref(&row.account_id))
            .await?;
        let account = account.get(&row.account_id).ok_or_else(missing)?;
        account.access().require(PermissionKey::Usage, Level::Full)?;
        Ok(row)
    }

    pub(super) async fn hold_by_key(
        &self,
        account: &AccountId,
        key: &str,
    ) -> Result<Option<usage_hold::Model>> {
        Ok(self
            .holds(BY_KEY, [account.as_str().into(), key.into()])
            .await?
            .pop())
    }

    /// What was charged for a hold that was settled.
    pub(super) async fn event_of_hold(&self, hold: &usage_hold::Model) -> Result<usage_event::Model> {
        debug_assert_eq!(hold.status, HoldStatus::Settled);
        let db = &self.0.db;
        let id: Value = hold.event_id.as_ref().map(ToString::to_string).into();
        let event = statement(db.get_database_backend(), EVENT, [id]);
        let event = usage_event::Model::find_by_statement(event).one(db).await?;
        event.ok_or_else(|| Error::internal("a hold whose event is gone"))
    }

    async fn holds(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<usage_hold::Model>> {
        let db = &self.0.db;
        let holds = statement(db.get_database_backend(), sql, values);
        Ok(usage_hold::Model::find_by_statement(holds).all(db).await?)
    }
}
