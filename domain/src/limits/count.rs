//! What an account has at present of each resource that Canopy counts.

use std::sync::LazyLock;

use canopy_entity::{AccountId, account, time};
use sea_orm::ConnectionTrait;
use sea_orm::sea_query::Value;

use crate::accounts::row;
use crate::statement::statement;
use crate::store::{Given, Query, Row};
use crate::{Domain, Error, Result};

/// Levels below a main account: a limit that is not a count.
pub(crate) const DEPTH: &str = "depth";

/// A resource that Canopy counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    /// API keys that hold.
    ApiKeys,
    /// Members.
    Members,
    /// Direct children that are not closed.
    Subaccounts,
}

impl Counted {
    /// All of them, in the order of their names.
    pub(crate) const ALL: [Counted; 3] = [Counted::ApiKeys, Counted::Members, Counted::Subaccounts];

    /// The name of the resource.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Counted::ApiKeys => "api_keys",
            Counted::Members => "members",
            Counted::Subaccounts => "subaccounts",
        }
    }

    /// The count for the account `a` of the statement around it; `$2` is the present instant.
    fn sql(self) -> &'static str {
        match self {
            Counted::ApiKeys => {
                "(SELECT count(*) FROM api_keys k WHERE k.account_id = a.id AND k.revoked_at IS NULL
                  AND (k.expires_at IS NULL OR k.expires_at > $2))"
            }
            Counted::Members => "(SELECT count(*) FROM members m WHERE m.account_id = a.id)",
            Counted::Subaccounts => {
                "(SELECT count(*) FROM accounts c WHERE c.parent_id = a.id AND c.status <> 'CLOSED')"
            }
        }
    }

    /// How many the account has now.
    pub(crate) async fn count(self, db: &impl ConnectionTrait, account_id: &AccountId) -> Result<u64> {
        let sql = format!(
            "SELECT {} AS used FROM accounts a WHERE a.id = $1 AND $2 = $2",
            self.sql()
        );
        let statement = statement(
            db.get_database_backend(),
            &sql,
            [account_id.as_str().into(), Value::from(time::now())],
        );
        let row = db.query_one_raw(statement).await?;
        let row = row.ok_or_else(|| Error::internal("an account that is counted exists"))?;
        let count: i64 = row.try_get("", "used")?;
        u64::try_from(count).map_err(Error::internal)
    }
}

/// An account with its counts, in the order of [`Counted::ALL`].
pub(super) struct CountedAccount {
    pub(super) row: account::Model,
    pub(super) used: [u64; 3],
}

static COUNTED: LazyLock<Query> = LazyLock::new(|| {
    let [keys, members, subaccounts] = Counted::ALL.map(Counted::sql);
    let columns = row::columns("a");
    Query::new(&format!(
        "SELECT {columns}, {keys}, {members}, {subaccounts} FROM accounts a WHERE a.id IN [$1]"
    ))
});

/// The accounts with these ids, each with its counts.
pub(super) async fn counted(
    domain: &Domain,
    ids: impl IntoIterator<Item = &AccountId>,
) -> Result<Vec<CountedAccount>> {
    let ids: Vec<&str> = ids.into_iter().map(AccountId::as_str).collect();
    let given = [Given::Texts(&ids), Given::Time(time::now())];
    let counted = |row: &Row| {
        Ok(CountedAccount {
            row: row::read(row, 0)?,
            used: [
                row.count(row::WIDTH)?,
                row.count(row::WIDTH + 1)?,
                row.count(row::WIDTH + 2)?,
            ],
        })
    };
    domain.rows(&COUNTED, &given).await?.iter().map(counted).collect()
}
