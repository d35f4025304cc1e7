//! How many accounts there are below one, up to a bound.

use canopy_entity::{AccountId, account};
use sea_orm::{ColumnTrait, FromQueryResult, QueryFilter};

use crate::statement::statement;
use crate::{Actor, Domain, Result};

/// The most accounts that are counted: a tree with more counts as endless.
const MAX_COUNTED: u64 = 100_000;

/// The index on paths alone answers this, and goes no further than the bound.
const BELOW: &str = "
SELECT COUNT(*) AS accounts
FROM (SELECT path FROM accounts WHERE path > $1 AND path < $2 LIMIT $3) AS below
";

#[derive(FromQueryResult)]
struct Below {
    accounts: i64,
}

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
        let (db, most) = (&self.0.db, most.min(MAX_COUNTED));
        let limit = i64::try_from(most).expect("the bound is small");
        let below = statement(
            db.get_database_backend(),
            BELOW,
            [path.as_str().into(), path.end().into(), limit.into()],
        );
        let below = Below::find_by_statement(below).one(db).await?;
        let count = below.map_or(0, |below| below.accounts.unsigned_abs());
        Ok(if count < most { count } else { u64::MAX })
    }
}
