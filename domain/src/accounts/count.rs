//! How many accounts there are below one, up to a bound.

use canopy_entity::{AccountId, account};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect};

use crate::{Actor, Domain, Result};

/// The most accounts that are counted: a tree with more counts as endless.
const MAX_COUNTED: u64 = 100_000;

impl Domain {
    /// How many accounts there are below this one in the actor's scope, closed ones included: none if it is not in scope
    /// itself, and `u64::MAX` if there are `most` or more.
    pub async fn accounts_below(&self, actor: &Actor, id: &AccountId, most: u64) -> Result<u64> {
        let path = match actor.acting_on_path() {
            Some((own, path)) if own == id => Some(path.clone()),
            _ => {
                let account = actor
                    .scope()
                    .accounts()
                    .filter(account::Column::Id.eq(id.clone()));
                account.one(&self.0.db).await?.map(|account| account.path)
            }
        };
        let Some(path) = path else {
            return Ok(0);
        };
        let most = most.min(MAX_COUNTED);
        // The index on paths alone answers this.
        let below = account::Entity::find()
            .select_only()
            .column(account::Column::Path)
            .filter(account::Column::Path.gt(path.as_str()))
            .filter(account::Column::Path.lt(path.end()))
            .limit(most);
        let count = below.count(&self.0.db).await?;
        Ok(if count < most { count } else { u64::MAX })
    }
}
