//! Prepared statements, one for each batch. A page per parent is a lateral join.

use std::env;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use tokio_postgres::types::{Json, ToSql};
use tokio_postgres::{NoTls, Row};

use crate::rows::{Account, Count, Member, Plan, Sum};

pub type Error = Box<dyn std::error::Error + Send + Sync>;
type Read<T> = Result<Vec<T>, Arc<Error>>;

#[derive(Clone)]
pub struct Store(Pool);

/// An instant that begins as `2025-06-01T00:00:00Z` does, in seconds since 1970.
pub fn seconds(text: &str) -> Result<i64, String> {
    chrono::DateTime::parse_from_rfc3339(text)
        .map(|instant| instant.timestamp())
        .map_err(|error| error.to_string())
}

impl Store {
    pub fn open() -> Result<Self, Box<dyn std::error::Error>> {
        let recycling_method = RecyclingMethod::Fast;
        let database = env::var("DATABASE_URL")?.parse()?;
        let manager = Manager::from_config(database, NoTls, ManagerConfig { recycling_method });
        let pool = Pool::builder(manager).max_size(env::var("POOL")?.parse()?);
        Ok(Self(pool.build()?))
    }

    async fn read<T>(&self, sql: &str, values: &[&(dyn ToSql + Sync)], row: impl Fn(&Row) -> T) -> Read<T> {
        let failed = |error: Error| Arc::new(error);
        let connection = self.0.get().await.map_err(|error| failed(error.into()))?;
        let statement = connection.prepare_cached(sql).await;
        let statement = statement.map_err(|error| failed(error.into()))?;
        let rows = connection.query(&statement, values).await;
        let rows = rows.map_err(|error| failed(error.into()))?;
        Ok(rows.iter().map(row).collect())
    }

    async fn counts(&self, sql: &str, ids: Vec<String>) -> Read<Count> {
        self.read(sql, &[&ids], |row| (row.get(0), row.get(1))).await
    }

    pub async fn accounts(&self, ids: Vec<String>) -> Read<Account> {
        let sql =
            "SELECT id, parent_id, path, kind, name, plan_id, billing_mode FROM accounts WHERE id = ANY ($1)";
        self.read(sql, &[&ids], account).await
    }

    pub async fn children(&self, ids: Vec<String>, first: i64) -> Read<Account> {
        let sql = "SELECT a.* FROM unnest($1::text[]) parent CROSS JOIN LATERAL (
             SELECT id, parent_id, path, kind, name, plan_id, billing_mode FROM accounts
             WHERE parent_id = parent AND status <> 'CLOSED' ORDER BY id LIMIT $2) a";
        self.read(sql, &[&ids, &first], account).await
    }

    pub async fn plans(&self, ids: Vec<String>) -> Read<Plan> {
        let sql = "SELECT id, name, limits_configuration FROM plans WHERE id = ANY ($1)";
        let plan = |row: &Row| Plan {
            id: row.get(0),
            name: row.get(1),
            configuration: Arc::new(row.get::<_, Json<serde_json::Value>>(2).0),
        };
        self.read(sql, &[&ids], plan).await
    }

    pub async fn members(&self, ids: Vec<String>, first: i64) -> Read<Member> {
        let sql = "SELECT m.* FROM unnest($1::text[]) account CROSS JOIN LATERAL (
             SELECT m.id, m.account_id, m.role, u.email FROM members m JOIN users u ON u.id = m.user_id
             WHERE m.account_id = account ORDER BY m.id LIMIT $2) m";
        let member = |row: &Row| Member {
            id: row.get(0),
            account_id: row.get(1),
            role: row.get(2),
            email: row.get(3),
        };
        self.read(sql, &[&ids, &first], member).await
    }

    pub async fn member_counts(&self, ids: Vec<String>) -> Read<Count> {
        self.counts("SELECT id, member_count FROM accounts WHERE id = ANY ($1)", ids)
            .await
    }

    pub async fn child_counts(&self, ids: Vec<String>) -> Read<Count> {
        self.counts(
            "SELECT id, subaccount_count FROM accounts WHERE id = ANY ($1)",
            ids,
        )
        .await
    }

    pub async fn key_counts(&self, ids: Vec<String>) -> Read<Count> {
        self.counts(
            "SELECT account_id, count(*) FROM api_keys WHERE account_id = ANY ($1) AND revoked_at IS NULL
               AND (expires_at IS NULL OR expires_at > now()) GROUP BY account_id",
            ids,
        )
        .await
    }

    pub async fn levels(&self, ids: Vec<String>) -> Read<(String, String, String)> {
        let sql = "SELECT account_id, key, level FROM permission_levels WHERE account_id = ANY ($1)";
        self.read(sql, &[&ids], |row| (row.get(0), row.get(1), row.get(2)))
            .await
    }

    pub async fn limits(&self, ids: Vec<String>) -> Read<(String, String, i64)> {
        let sql = "SELECT account_id, resource, maximum FROM account_limits WHERE account_id = ANY ($1)";
        self.read(sql, &[&ids], |row| (row.get(0), row.get(1), row.get(2)))
            .await
    }

    pub async fn usage(&self, ids: Vec<String>, start: i64, end: i64) -> Read<Sum> {
        let sql = "SELECT account_id, meter, sum(quantity)::bigint, sum(amount)::bigint FROM usage_aggregates
             WHERE account_id = ANY ($1) AND granularity = 'DAY' AND bucket_start >= $2 AND bucket_start < $3
             GROUP BY account_id, meter ORDER BY account_id, meter";
        let instant = |seconds: i64| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs());
        let sum = |row: &Row| Sum {
            account_id: row.get(0),
            meter: row.get(1),
            quantity: row.get(2),
            amount: row.get(3),
        };
        self.read(sql, &[&ids, &instant(start), &instant(end)], sum).await
    }

    pub async fn transfers(&self, ids: Vec<String>) -> Read<(String, String)> {
        let sql = "SELECT DISTINCT ON (account_id) account_id, status FROM billing_transfers
             WHERE account_id = ANY ($1) ORDER BY account_id, id DESC";
        self.read(sql, &[&ids], |row| (row.get(0), row.get(1))).await
    }
}

fn account(row: &Row) -> Account {
    Account {
        id: row.get(0),
        parent_id: row.get(1),
        path: row.get(2),
        kind: row.get(3),
        name: row.get(4),
        plan_id: row.get(5),
        billing_mode: row.get(6),
    }
}
