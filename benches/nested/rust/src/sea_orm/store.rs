//! Selects by sea-orm's builder, one for each batch. It has no lateral join, so that a page per parent is cut from all
//! rows of the parents.

use std::collections::HashMap;
use std::env;
use std::sync::Arc;

use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectOptions, Database, DatabaseConnection, DbErr, EntityTrait, ExprTrait,
    FromQueryResult, QueryFilter, QueryOrder, QuerySelect, Select,
};

use crate::entity::*;
use crate::rows::{Account, Count, Member, Plan, Sum};

pub type Error = DbErr;
type Read<T> = Result<Vec<T>, Arc<Error>>;

#[derive(Clone)]
pub struct Store(DatabaseConnection);

#[derive(FromQueryResult)]
struct Counted {
    id: String,
    count: i64,
}

#[derive(FromQueryResult)]
struct Summed {
    account_id: String,
    meter: String,
    quantity: i64,
    amount: i64,
}

/// An instant that begins as `2025-06-01T00:00:00Z` does, in seconds since 1970.
pub fn seconds(text: &str) -> Result<i64, String> {
    chrono::DateTime::parse_from_rfc3339(text)
        .map(|instant| instant.timestamp())
        .map_err(|error| error.to_string())
}

fn instant(seconds: i64) -> chrono::DateTime<chrono::Utc> {
    chrono::DateTime::from_timestamp(seconds, 0).unwrap_or_default()
}

/// The first rows of each parent; the rows come in order.
fn cut<T>(rows: Vec<T>, parent: impl Fn(&T) -> &str, first: i64) -> Vec<T> {
    let mut taken: HashMap<String, i64> = HashMap::new();
    let mut rows = rows;
    rows.retain(|row| {
        let taken = taken.entry(parent(row).to_owned()).or_default();
        *taken += 1;
        *taken <= first
    });
    rows
}

impl Store {
    pub async fn open() -> Result<Self, Box<dyn std::error::Error>> {
        let mut options = ConnectOptions::new(env::var("DATABASE_URL")?);
        options
            .max_connections(env::var("POOL")?.parse()?)
            .sqlx_logging(false);
        Ok(Self(Database::connect(options).await?))
    }

    async fn all<E: EntityTrait>(&self, select: Select<E>) -> Read<E::Model> {
        select.all(&self.0).await.map_err(Arc::new)
    }

    /// How many rows of the selection each value of `column` has.
    async fn counts<E: EntityTrait>(&self, select: Select<E>, column: E::Column) -> Read<Count> {
        let counted = select
            .select_only()
            .column_as(column, "id")
            .column_as(Expr::cust("count(*)"), "count");
        let rows = counted
            .group_by(column)
            .into_model::<Counted>()
            .all(&self.0)
            .await;
        let rows = rows.map_err(Arc::new)?;
        Ok(rows.into_iter().map(|row| (row.id, row.count)).collect())
    }

    /// What accounts say of their counts themselves.
    async fn kept(&self, ids: Vec<String>, column: account::Column) -> Read<Count> {
        let counts = account::Entity::find().filter(account::Column::Id.is_in(ids));
        let counts = counts.select_only().column(account::Column::Id).column(column);
        counts.into_tuple().all(&self.0).await.map_err(Arc::new)
    }

    pub async fn accounts(&self, ids: Vec<String>) -> Read<Account> {
        let rows = self
            .all(account::Entity::find().filter(account::Column::Id.is_in(ids)))
            .await?;
        Ok(rows.into_iter().map(of_model).collect())
    }

    pub async fn children(&self, ids: Vec<String>, first: i64) -> Read<Account> {
        let children = open_children(ids)
            .order_by_asc(account::Column::ParentId)
            .order_by_asc(account::Column::Id);
        let rows = cut(
            self.all(children).await?,
            |row| row.parent_id.as_deref().unwrap_or_default(),
            first,
        );
        Ok(rows.into_iter().map(of_model).collect())
    }

    pub async fn plans(&self, ids: Vec<String>) -> Read<Plan> {
        let rows = self
            .all(plan::Entity::find().filter(plan::Column::Id.is_in(ids)))
            .await?;
        let plan = |row: plan::Model| Plan {
            id: row.id,
            name: row.name,
            configuration: Arc::new(row.limits_configuration),
        };
        Ok(rows.into_iter().map(plan).collect())
    }

    pub async fn members(&self, ids: Vec<String>, first: i64) -> Read<Member> {
        let members = member::Entity::find()
            .filter(member::Column::AccountId.is_in(ids))
            .order_by_asc(member::Column::AccountId)
            .order_by_asc(member::Column::Id);
        let rows = cut(self.all(members).await?, |row| &row.account_id, first);
        let people = user::Entity::find().filter(user::Column::Id.is_in(rows.iter().map(|row| &row.user_id)));
        let people = self.all(people).await?.into_iter();
        let emails: HashMap<String, String> = people.map(|person| (person.id, person.email)).collect();
        let member = |row: member::Model| Member {
            email: emails.get(&row.user_id).cloned().unwrap_or_default(),
            id: row.id,
            account_id: row.account_id,
            role: row.role,
        };
        Ok(rows.into_iter().map(member).collect())
    }

    pub async fn member_counts(&self, ids: Vec<String>) -> Read<Count> {
        self.kept(ids, account::Column::MemberCount).await
    }

    pub async fn child_counts(&self, ids: Vec<String>) -> Read<Count> {
        self.kept(ids, account::Column::SubaccountCount).await
    }

    pub async fn key_counts(&self, ids: Vec<String>) -> Read<Count> {
        let valid = api_key::Column::ExpiresAt
            .is_null()
            .or(Expr::cust("expires_at > now()"));
        let keys = api_key::Entity::find()
            .filter(api_key::Column::AccountId.is_in(ids))
            .filter(api_key::Column::RevokedAt.is_null())
            .filter(valid);
        self.counts(keys, api_key::Column::AccountId).await
    }

    pub async fn levels(&self, ids: Vec<String>) -> Read<(String, String, String)> {
        let rows = permission_level::Entity::find().filter(permission_level::Column::AccountId.is_in(ids));
        let rows = self.all(rows).await?.into_iter();
        Ok(rows.map(|row| (row.account_id, row.key, row.level)).collect())
    }

    pub async fn limits(&self, ids: Vec<String>) -> Read<(String, String, i64)> {
        let rows = account_limit::Entity::find().filter(account_limit::Column::AccountId.is_in(ids));
        let rows = self.all(rows).await?.into_iter();
        Ok(rows
            .map(|row| (row.account_id, row.resource, row.maximum))
            .collect())
    }

    pub async fn usage(&self, ids: Vec<String>, start: i64, end: i64) -> Read<Sum> {
        use usage_aggregate::Column;
        let sums = usage_aggregate::Entity::find()
            .select_only()
            .columns([Column::AccountId, Column::Meter])
            .column_as(Expr::cust("sum(quantity)::bigint"), "quantity")
            .column_as(Expr::cust("sum(amount)::bigint"), "amount")
            .filter(Column::AccountId.is_in(ids))
            .filter(Column::Granularity.eq("DAY"))
            .filter(Column::BucketStart.gte(instant(start)))
            .filter(Column::BucketStart.lt(instant(end)))
            .group_by(Column::AccountId)
            .group_by(Column::Meter)
            .order_by_asc(Column::AccountId)
            .order_by_asc(Column::Meter);
        let rows = sums.into_model::<Summed>().all(&self.0).await.map_err(Arc::new)?;
        let sum = |row: Summed| Sum {
            account_id: row.account_id,
            meter: row.meter,
            quantity: row.quantity,
            amount: row.amount,
        };
        Ok(rows.into_iter().map(sum).collect())
    }

    /// The latest of each account: ids grow with time, so that the last one wins.
    pub async fn transfers(&self, ids: Vec<String>) -> Read<(String, String)> {
        let transfers = billing_transfer::Entity::find()
            .filter(billing_transfer::Column::AccountId.is_in(ids))
            .order_by_asc(billing_transfer::Column::Id);
        let rows = self.all(transfers).await?.into_iter();
        Ok(rows.map(|row| (row.account_id, row.status)).collect())
    }
}

fn open_children(parents: Vec<String>) -> Select<account::Entity> {
    account::Entity::find()
        .filter(account::Column::ParentId.is_in(parents))
        .filter(account::Column::Status.ne("CLOSED"))
}

fn of_model(row: account::Model) -> Account {
    Account {
        id: row.id,
        parent_id: row.parent_id,
        path: row.path,
        kind: row.kind,
        name: row.name,
        plan_id: row.plan_id,
        billing_mode: row.billing_mode,
    }
}
