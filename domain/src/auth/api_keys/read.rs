//! Reading API keys.

use canopy_entity::{AccountId, Level, PermissionKey, api_key};
use sea_orm::sea_query::Condition;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::auth::Principal;
use crate::page::{List, Pages};
use crate::{AccountView, Actor, Domain, PageArgs, Result};

/// The most keys that are listed at once.
const MAX_LISTED: u64 = 1_000;

impl Domain {
    /// The API keys of `account`, revoked ones included. Needs `API_KEYS` READ.
    pub async fn api_keys(&self, _actor: &Actor, account: &AccountView) -> Result<Vec<api_key::Model>> {
        account.access().require(PermissionKey::ApiKeys, Level::Read)?;
        Ok(api_key::Entity::find()
            .filter(api_key::Column::AccountId.eq(account.id().clone()))
            .order_by_asc(api_key::Column::Id)
            .limit(MAX_LISTED)
            .all(&self.0.db)
            .await?)
    }

    /// A page of the API keys of each account, revoked ones included. An account without `API_KEYS` READ is missing from
    /// the answer.
    pub async fn pages_of_api_keys(
        &self,
        _actor: &Actor,
        accounts: &[AccountView],
        page: &PageArgs,
    ) -> Result<Pages<AccountId, api_key::Model>> {
        let accounts: Vec<AccountId> = accounts
            .iter()
            .filter(|account| account.access().allows(PermissionKey::ApiKeys, Level::Read))
            .map(|account| account.id().clone())
            .collect();
        let keys = List::<api_key::Entity> {
            parent: api_key::Column::AccountId,
            id: api_key::Column::Id,
            condition: Condition::all(),
        };
        keys.pages(&self.0.db, &accounts, page).await
    }

    /// The API key that the actor presented; none if it is a person.
    pub async fn own_api_key(&self, actor: &Actor) -> Result<Option<api_key::Model>> {
        match actor.principal() {
            Principal::ApiKey(id) => Ok(api_key::Entity::find_by_id(id.clone()).one(&self.0.db).await?),
            Principal::User(_) | Principal::System => Ok(None),
        }
    }
}
