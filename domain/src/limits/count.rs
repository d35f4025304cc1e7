//! What an account has at present of each resource that Canopy counts.

use std::sync::{Arc, LazyLock};

use canopy_entity::account::{AccountKind, BillingMode, CreditMode};
use canopy_entity::{AccountId, AccountPath, PlanId, time};
use sea_orm::ConnectionTrait;
use sea_orm::sea_query::Value;

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

    /// The count for the account `a` of the statement around it, row by row; `$2` is the present instant.
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

/// What limits an account beside rules, with its counts.
pub(super) struct CountedAccount {
    pub(super) id: AccountId,
    pub(super) path: AccountPath,
    pub(super) kind: AccountKind,
    pub(super) plan_id: Option<PlanId>,
    /// Which credits pay for it; none where it pays for itself.
    pub(super) credit_mode: Option<CreditMode>,
    /// What its parent set: a maximum by resource.
    pub(super) set: Vec<(Arc<str>, u64)>,
    /// In the order of [`Counted::ALL`].
    pub(super) used: [u64; 3],
}

static COUNTED: LazyLock<Query> = LazyLock::new(|| {
    // The others the database keeps: a platform has more children than anybody should count for each of them.
    let keys = Counted::ApiKeys.sql();
    Query::new(&format!(
        "SELECT a.id, a.path, a.kind, a.plan_id, a.billing_mode, a.credit_mode, a.limits_set,
                {keys}, a.member_count, a.subaccount_count
         FROM accounts a WHERE a.id IN [$1]"
    ))
});

/// The accounts with these ids, each with its counts.
pub(super) async fn counted(
    domain: &Domain,
    ids: impl IntoIterator<Item = &AccountId>,
) -> Result<Vec<CountedAccount>> {
    let ids: Vec<&str> = ids.into_iter().map(AccountId::as_str).collect();
    let given = [Given::Texts(&ids), Given::Time(time::now())];
    let rows = domain.rows(&COUNTED, &given).await?;
    let mut names = Names::default();
    rows.iter().map(|row| read(row, &mut names)).collect()
}

fn read(row: &Row, names: &mut Names) -> Result<CountedAccount> {
    let billing_mode: BillingMode = row.named(4)?;
    let credit_mode = match billing_mode {
        BillingMode::Own => None,
        BillingMode::Parent => Some(row.named(5)?),
    };
    Ok(CountedAccount {
        id: row.parsed(0)?,
        path: row.parsed(1)?,
        kind: row.named(2)?,
        plan_id: row.maybe_parsed(3)?,
        credit_mode,
        set: limits_set(&row.text(6)?, names)?,
        used: [row.count(7)?, row.count(8)?, row.count(9)?],
    })
}

/// Reads `RESOURCE=MAXIMUM,RESOURCE=MAXIMUM`, as an account tells it.
fn limits_set(text: &str, names: &mut Names) -> Result<Vec<(Arc<str>, u64)>> {
    let limit = |(place, limit): (usize, &str)| {
        let (resource, maximum) = limit.split_once('=')?;
        Some((names.shared(place, resource), maximum.parse().ok()?))
    };
    let limits = text.split_terminator(',').enumerate().map(limit);
    let limits = limits.collect::<Option<_>>();
    limits.ok_or_else(|| Error::internal(format!("{text} are no limits")))
}

/// The names of resources that were read before: most accounts have the same ones, each in the same place.
#[derive(Default)]
struct Names(Vec<Arc<str>>);

impl Names {
    fn shared(&mut self, place: usize, name: &str) -> Arc<str> {
        match self.0.get(place) {
            Some(known) if **known == *name => Arc::clone(known),
            _ => {
                let name: Arc<str> = Arc::from(name);
                self.0.truncate(place);
                self.0.push(Arc::clone(&name));
                name
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_that_a_parent_set_are_read() {
        let mut names = Names::default();
        for (text, limits) in [
            ("", vec![]),
            ("a.b-c_1=0,members=25", vec![("a.b-c_1", 0), ("members", 25)]),
            (
                "a.b-c_1=7,members=25,seats=1",
                vec![("a.b-c_1", 7), ("members", 25), ("seats", 1)],
            ),
            ("members=3,seats=1", vec![("members", 3), ("seats", 1)]),
        ] {
            let read = limits_set(text, &mut names).unwrap();
            let read: Vec<(&str, u64)> = read
                .iter()
                .map(|(name, maximum)| (name.as_ref(), *maximum))
                .collect();
            assert_eq!(read, limits, "{text}");
        }
        assert!(limits_set("members=", &mut names).is_err());
    }
}
