//! Whether what was answered is what is there: a figure for work that was not done is worth nothing.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use canopy_domain::entity::AccountId;
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};

use crate::events::Given;

/// What is to be as many as there are new events.
const COUNTS: [(&str, &str); 5] = [
    ("events", "SELECT count(*) FROM usage_events"),
    (
        "rated events",
        "SELECT count(*) FROM usage_events WHERE rating_status = 'RATED'",
    ),
    (
        "ratings by a rule",
        "SELECT count(*) FROM ratings WHERE rule_version_id IS NOT NULL",
    ),
    (
        "events in sums of accounts",
        "SELECT CAST(SUM(events) AS bigint) FROM usage_sums WHERE granularity = 'MONTH'",
    ),
    (
        "events in the sum of the tree",
        "SELECT CAST(SUM(tree_events) AS bigint) FROM usage_sums WHERE granularity = 'MONTH' AND account_id = '{root}'",
    ),
];

/// What is to be zero.
const DIFFERENCES: [(&str, &str); 2] = [
    (
        "what was posted and what was rated",
        "SELECT CAST((SELECT SUM(amount) FROM postings WHERE kind = 'USAGE') - (SELECT SUM(price) FROM ratings) AS bigint)",
    ),
    (
        "debits and credits",
        "SELECT CAST(SUM(debits) - SUM(credits) AS bigint) FROM ledger_accounts",
    ),
];

const UNPUBLISHED: &str = "SELECT count(*) FROM outbox WHERE position IS NULL";

/// Asserts that each new event is there once, with all that it causes.
pub(crate) async fn balance(db: &DatabaseConnection, root: &AccountId, given: &Given) -> Result<()> {
    for (what, sql) in COUNTS {
        let found = number(db, &sql.replace("{root}", root.as_str())).await?;
        ensure!(
            u64::try_from(found) == Ok(given.accepted),
            "{found} {what}, and {} were accepted",
            given.accepted
        );
    }
    for (what, sql) in DIFFERENCES {
        let found = number(db, sql).await?;
        ensure!(found == 0, "{what} differ by {found}");
    }
    let begin = Instant::now();
    let mut again = tokio::time::interval(Duration::from_millis(50));
    while number(db, UNPUBLISHED).await? > 0 {
        again.tick().await;
        ensure!(
            begin.elapsed() < Duration::from_secs(30),
            "some events were not published"
        );
    }
    Ok(())
}

async fn number(db: &DatabaseConnection, sql: &str) -> Result<i64> {
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let row = db.query_one_raw(statement).await?;
    Ok(row.map_or(Ok(0), |row| row.try_get_by_index(0))?)
}
