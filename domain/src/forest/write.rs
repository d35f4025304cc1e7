//! Writing a forest: inserts of many rows, table by table, each by itself. It decides nothing.

use canopy_entity::account::AccountKind;
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DatabaseConnection, DbBackend, EntityTrait, IntoActiveModel,
};

use super::tree::{Planted, Trees};
use super::{Forest, usage};
use crate::Result;
use crate::usage::Sums;

/// Rows of one insert: SQLite takes 32,766 values, and the widest row has 16.
const ROWS: usize = 1_000;
/// Accounts whose usage is made at once.
const ACCOUNTS: usize = 50;
/// Accounts after which progress is told.
const TOLD: usize = 500;

/// PostgreSQL would get to it by itself, later and in the midst of what is measured.
const VACUUM: &str = "
VACUUM (ANALYZE) plans, accounts, users, members, permission_levels, account_limits, billing_transfers, usage_events,
  usage_aggregates
";

pub(super) async fn forest(
    db: &DatabaseConnection,
    trees: &Trees,
    progress: &(dyn Fn(&str) + Send + Sync),
) -> Result<Forest> {
    let mut rows = Vec::new();
    let accounts = &trees.accounts;
    progress(&format!("writing {} accounts", accounts.len()));
    // Plans belong to the platform, and all other accounts have plans.
    let row = |planted: &Planted| planted.row.clone();
    insert(db, accounts.iter().take(1).map(row)).await?;
    rows.push(("plans", insert(db, trees.plans()).await?));
    rows.push((
        "accounts",
        1 + insert(db, accounts.iter().skip(1).map(row)).await?,
    ));
    progress("writing members");
    rows.push(("users", insert(db, trees.people().map(|(user, _)| user)).await?));
    rows.push((
        "members",
        insert(db, trees.people().map(|(_, member)| member)).await?,
    ));
    progress("writing restrictions, limits and transfers of billing");
    rows.push(("permission_levels", insert(db, trees.restrictions()).await?));
    rows.push(("account_limits", insert(db, trees.limits()).await?));
    rows.push(("billing_transfers", insert(db, trees.transfers()).await?));
    let (events, sums) = month(db, trees, progress).await?;
    rows.push(("usage_events", events));
    rows.push(("usage_aggregates", sums));
    progress("telling the database how its tables are filled");
    db.execute_unprepared(match db.get_database_backend() {
        DbBackend::Sqlite => "ANALYZE",
        _ => VACUUM,
    })
    .await?;
    let platform = &accounts[0].row;
    Ok(Forest {
        platform: (platform.id.clone(), platform.path.clone()),
        roots: trees
            .roots()
            .map(|root| (root.id.clone(), root.path.clone()))
            .collect(),
        usage: usage::period(),
        rows,
    })
}

/// Writes the usage of all accounts but the platform; answers how many events and sums.
async fn month(
    db: &DatabaseConnection,
    trees: &Trees,
    progress: &(dyn Fn(&str) + Send + Sync),
) -> Result<(u64, u64)> {
    let users: Vec<&Planted> = trees
        .accounts
        .iter()
        .filter(|planted| planted.row.kind != AccountKind::Platform)
        .collect();
    let (mut events, mut sums) = (0, Sums::default());
    for (round, some) in users.chunks(ACCOUNTS).enumerate() {
        let done = round * ACCOUNTS;
        if done.is_multiple_of(TOLD) {
            progress(&format!("writing usage: {done} of {} accounts", users.len()));
        }
        let of_accounts: Vec<_> = some.iter().flat_map(|planted| usage::events(planted)).collect();
        of_accounts.iter().for_each(|event| sums.add_free(event));
        events += insert(db, of_accounts).await?;
    }
    progress("writing what the usage adds up to");
    Ok((events, insert(db, sums.into_rows()).await?))
}

/// Inserts rows of one table; answers how many.
async fn insert<M, A>(db: &DatabaseConnection, rows: impl IntoIterator<Item = M>) -> Result<u64>
where
    M: IntoActiveModel<A>,
    A: ActiveModelTrait + Send,
{
    let mut rows = rows.into_iter();
    let mut written = 0;
    loop {
        let some: Vec<A> = rows.by_ref().take(ROWS).map(M::into_active_model).collect();
        if some.is_empty() {
            return Ok(written);
        }
        written += some.len() as u64;
        <A::Entity as EntityTrait>::insert_many(some)
            .exec_without_returning(db)
            .await?;
    }
}
