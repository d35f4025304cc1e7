//! Recounting: whether the sums that are kept are what their parts come to. For an operator, who may see all accounts;
//! nothing is changed, and nothing waits.

mod checks;

use sea_orm::{
    AccessMode, ConnectionTrait, DbBackend, FromQueryResult, IsolationLevel, JsonValue,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};

use crate::{Domain, Result};

/// The most differences of a check that are told one by one.
const TOLD: usize = 20;

/// What one check came to.
#[derive(Debug)]
pub struct Checked {
    /// What is the same where all is well, in words.
    pub what: &'static str,
    /// How many rows differ, as far as they were counted: one more than are told says that there are more.
    pub differing: usize,
    /// Some of them, with what is kept less what was counted. At most 20.
    pub differences: Vec<JsonValue>,
}

impl Domain {
    /// Counts again what was used, rated and paid, in one snapshot of the database. `tell` hears of each check as it begins.
    pub async fn recount_usage(&self, tell: &(dyn Fn(&str) + Sync)) -> Result<Vec<Checked>> {
        let options = TransactionOptions {
            isolation_level: match self.0.db.get_database_backend() {
                DbBackend::Sqlite => None,
                _ => Some(IsolationLevel::RepeatableRead),
            },
            access_mode: match self.0.db.get_database_backend() {
                DbBackend::Sqlite => None,
                _ => Some(AccessMode::ReadOnly),
            },
            sqlite_transaction_mode: Some(SqliteTransactionMode::Deferred),
        };
        let snapshot = self.0.db.begin_with_options(options).await?;
        let backend = snapshot.get_database_backend();
        let mut all = Vec::new();
        for check in checks::ALL {
            tell(check.what);
            let sql = format!("{} LIMIT {}", check.sql(backend), TOLD + 1);
            let rows = JsonValue::find_by_statement(Statement::from_string(backend, sql));
            let mut differences = rows.all(&snapshot).await?;
            let differing = differences.len();
            differences.truncate(TOLD);
            all.push(Checked {
                what: check.what,
                differing,
                differences,
            });
        }
        snapshot.rollback().await?;
        Ok(all)
    }
}
