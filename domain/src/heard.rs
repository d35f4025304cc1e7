//! Hears which statements are sent, and asks the database how it answers them: for operators who look into a read.
//! It knows nothing of what the rows mean, and no service reads by it.

use std::sync::{Arc, Mutex, PoisonError};

use sea_orm::{AccessMode, ConnectionTrait, DatabaseConnection, DbBackend, Statement, TransactionTrait};

use crate::{Domain, Result};

/// The statements that were sent since they were last taken.
#[derive(Clone, Default)]
pub struct Hearing(Arc<Mutex<Vec<Statement>>>);

/// A statement that was sent.
pub struct Heard(Statement);

/// How the database answers a statement.
pub struct Answered {
    /// How many rows there are.
    pub rows: usize,
    /// The lines of its own plan, if that was asked for.
    pub plan: Vec<String>,
}

impl Hearing {
    /// Hears all statements of `connection` from now on.
    pub fn listen(&self, connection: &mut DatabaseConnection) {
        let listener = self.listener();
        connection.set_metric_callback(move |info| listener(info.statement.clone()));
    }

    /// What is to be told of each statement that goes another way.
    pub fn listener(&self) -> Arc<dyn Fn(Statement) + Send + Sync> {
        let heard = Arc::clone(&self.0);
        Arc::new(move |statement| {
            heard
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(statement);
        })
    }

    /// Takes what was sent, in the order in which it was answered.
    pub fn take(&self) -> Vec<Heard> {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *heard).into_iter().map(Heard).collect()
    }
}

impl Heard {
    /// Its text, with placeholders.
    pub fn sql(&self) -> &str {
        &self.0.sql
    }

    /// What its placeholders stand for, as SQL writes it.
    pub fn values(&self) -> Vec<String> {
        let values = self.0.values.iter().flat_map(|values| &values.0);
        values.map(ToString::to_string).collect()
    }

    /// Whether it changes nothing, so that it may be sent again.
    pub fn is_read(&self) -> bool {
        let separates = |c: char| !c.is_ascii_alphanumeric() && c != '_';
        let mut words = self.0.sql.split(separates).filter(|word| !word.is_empty());
        let changes = ["INSERT", "UPDATE", "DELETE"];
        let first = words.next().unwrap_or_default().to_ascii_uppercase();
        matches!(first.as_str(), "SELECT" | "WITH")
            && !words.any(|word| changes.contains(&word.to_ascii_uppercase().as_str()))
    }
}

impl Domain {
    /// Sends a statement that only reads once more: how many rows it has, and with `analyze` the database's own plan.
    /// PostgreSQL runs it for that another time, and tells times and pages; SQLite says how it would run it.
    pub async fn answered(&self, heard: &Heard, analyze: bool) -> Result<Answered> {
        let statement = &heard.0;
        let transaction = self
            .0
            .db
            .begin_with_config(None, Some(AccessMode::ReadOnly))
            .await?;
        let rows = transaction.query_all_raw(statement.clone()).await?.len();
        let (prefix, column) = match statement.db_backend {
            DbBackend::Sqlite => ("EXPLAIN QUERY PLAN", "detail"),
            _ => ("EXPLAIN (ANALYZE, BUFFERS)", "QUERY PLAN"),
        };
        let mut plan = Vec::new();
        if analyze {
            let explain = Statement {
                sql: format!("{prefix} {}", statement.sql),
                ..statement.clone()
            };
            for line in transaction.query_all_raw(explain).await? {
                plan.push(line.try_get::<String>("", column)?);
            }
        }
        transaction.rollback().await?;
        Ok(Answered { rows, plan })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_something_is_not_sent_again() {
        let heard = |sql: &str| Heard(Statement::from_string(DbBackend::Sqlite, sql));
        for read in [
            "\nSELECT updated_at FROM a",
            "with t as (select 1) select * from t",
        ] {
            assert!(heard(read).is_read(), "{read}");
        }
        for other in [
            "UPDATE a SET b = 1",
            "WITH t AS (DELETE FROM a RETURNING b) SELECT b FROM t",
            "BEGIN",
        ] {
            assert!(!heard(other).is_read(), "{other}");
        }
    }
}
