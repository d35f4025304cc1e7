//! The part of Canopy's schema that the queries ask for, resolved field by field with a DataLoader for each request.

use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, HashMapCache};
use async_graphql::runtime::{TokioSpawner, TokioTimer};
use async_graphql::{
    Context, EmptyMutation, EmptySubscription, ID, InputObject, Object, Request, Result, SimpleObject,
};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;

use crate::loaders::*;
use crate::policy::{self, Used};
use crate::rows;
use crate::store::Store;

type Loaders = DataLoader<Store, HashMapCache>;
type Schema = async_graphql::Schema<Query, EmptyMutation, EmptySubscription>;

fn loaders<'c>(ctx: &Context<'c>) -> &'c Loaders {
    ctx.data_unchecked()
}

struct Query;

#[Object]
impl Query {
    async fn account(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Account>> {
        let row = loaders(ctx).load_one(AccountById(id.to_string())).await?;
        Ok(row.map(Account))
    }
}

struct Account(Arc<rows::Account>);

#[derive(InputObject)]
struct UsagePeriodInput {
    start: String,
    end: String,
}

#[Object]
impl Account {
    async fn id(&self) -> ID {
        ID(self.0.id.clone())
    }

    async fn name(&self) -> &str {
        &self.0.name
    }

    async fn kind(&self) -> &str {
        &self.0.kind
    }

    async fn plan(&self, ctx: &Context<'_>) -> Result<Option<Plan>> {
        let Some(id) = self.0.plan_id.clone() else {
            return Ok(None);
        };
        let plan = loaders(ctx).load_one(PlanById(id)).await?;
        Ok(plan.map(|plan| Plan { name: plan.name }))
    }

    async fn members(&self, #[graphql(default = 25)] first: i32) -> MemberConnection {
        MemberConnection(self.0.id.clone(), first.into())
    }

    async fn permission_set(&self) -> PermissionSet {
        PermissionSet(Arc::clone(&self.0))
    }

    async fn limits(&self) -> Limits {
        Limits(Arc::clone(&self.0))
    }

    async fn usage(&self, ctx: &Context<'_>, period: UsagePeriodInput) -> Result<Usage> {
        let seconds = |text: &str| Ok::<_, async_graphql::Error>(crate::store::seconds(text)?);
        let key = UsageOf(self.0.id.clone(), seconds(&period.start)?, seconds(&period.end)?);
        let sums = loaders(ctx).load_one(key).await?.unwrap_or_default();
        let total = |sum: rows::Sum| UsageTotal {
            meter: sum.meter,
            quantity: policy::decimal(sum.quantity),
            amount: Money {
                amount: policy::decimal(sum.amount),
            },
        };
        Ok(Usage {
            totals: sums.into_iter().map(total).collect(),
        })
    }

    async fn billing_transfer(&self, ctx: &Context<'_>) -> Result<BillingTransfer> {
        let status = loaders(ctx).load_one(TransferOf(self.0.id.clone())).await?;
        let state = match (self.0.billing_mode.as_str(), status.as_deref()) {
            ("OWN", _) => "INDEPENDENT",
            (_, Some("IN_PROGRESS")) => "IN_PROGRESS",
            _ => "PARENT_BILLED",
        };
        Ok(BillingTransfer { state })
    }

    async fn subaccounts(&self, #[graphql(default = 25)] first: i32) -> AccountConnection {
        AccountConnection(self.0.id.clone(), first.into())
    }
}

impl rows::Account {
    /// The ids from the root down to the account itself.
    fn path_ids(&self) -> impl Iterator<Item = String> {
        self.path.split_terminator('/').map(str::to_owned)
    }
}

#[derive(SimpleObject)]
struct Plan {
    name: String,
}

struct MemberConnection(String, i64);

#[Object]
impl MemberConnection {
    async fn total_count(&self, ctx: &Context<'_>) -> Result<i64> {
        let count = loaders(ctx).load_one(MemberCount(self.0.clone())).await?;
        Ok(count.unwrap_or(0))
    }

    async fn edges(&self, ctx: &Context<'_>) -> Result<Vec<MemberEdge>> {
        let rows = loaders(ctx).load_one(MembersOf(self.0.clone(), self.1)).await?;
        let edge = |row: rows::Member| MemberEdge {
            node: Member {
                id: ID(row.id),
                role: row.role,
                user: User { email: row.email },
            },
        };
        Ok(rows.unwrap_or_default().into_iter().map(edge).collect())
    }
}

#[derive(SimpleObject)]
struct MemberEdge {
    node: Member,
}

#[derive(SimpleObject)]
struct Member {
    id: ID,
    role: String,
    user: User,
}

#[derive(SimpleObject)]
struct User {
    email: String,
}

struct PermissionSet(Arc<rows::Account>);

#[Object]
impl PermissionSet {
    async fn permissions(&self, ctx: &Context<'_>) -> Result<Vec<Permission>> {
        let path = self.0.path_ids().map(LevelsOf);
        let restrictions = loaders(ctx).load_many(path).await?;
        let levels = policy::levels(restrictions.values().flat_map(|rows| rows.iter()));
        Ok(levels
            .into_iter()
            .map(|(key, level)| Permission { key, level })
            .collect())
    }
}

#[derive(SimpleObject)]
struct Permission {
    key: &'static str,
    level: &'static str,
}

struct Limits(Arc<rows::Account>);

#[Object]
impl Limits {
    async fn resources(&self, ctx: &Context<'_>) -> Result<Vec<ResourceLimit>> {
        let (loaders, id) = (loaders(ctx), &self.0.id);
        let (above, set, members, children, keys) = tokio::try_join!(
            loaders.load_many(self.0.path_ids().map(AccountById)),
            loaders.load_many(self.0.path_ids().map(LimitsOf)),
            loaders.load_one(MemberCount(id.clone())),
            loaders.load_one(ChildCount(id.clone())),
            loaders.load_one(KeyCount(id.clone())),
        )?;
        let plans = above.values().filter_map(|account| account.plan_id.clone());
        let plans = loaders.load_many(plans.map(PlanById)).await?;
        let below = above.values().filter(|account| account.kind == "SUBACCOUNT");
        let used = Used {
            api_keys: keys.unwrap_or(0),
            depth: below.count() as i64,
            members: members.unwrap_or(0),
            subaccounts: children.unwrap_or(0),
        };
        let limits = policy::limits(
            plans.values().map(|plan| &*plan.configuration),
            set.values().flat_map(|rows| rows.iter()),
            used,
        );
        let limit = |(resource, max, used)| ResourceLimit { resource, max, used };
        Ok(limits.into_iter().map(limit).collect())
    }
}

#[derive(SimpleObject)]
struct ResourceLimit {
    resource: String,
    max: Option<i64>,
    used: i64,
}

#[derive(SimpleObject)]
struct Usage {
    totals: Vec<UsageTotal>,
}

#[derive(SimpleObject)]
struct UsageTotal {
    meter: String,
    quantity: String,
    amount: Money,
}

#[derive(SimpleObject)]
struct Money {
    amount: String,
}

#[derive(SimpleObject)]
struct BillingTransfer {
    state: &'static str,
}

struct AccountConnection(String, i64);

#[Object]
impl AccountConnection {
    async fn total_count(&self, ctx: &Context<'_>) -> Result<i64> {
        let count = loaders(ctx).load_one(ChildCount(self.0.clone())).await?;
        Ok(count.unwrap_or(0))
    }

    async fn edges(&self, ctx: &Context<'_>) -> Result<Vec<AccountEdge>> {
        let rows = loaders(ctx).load_one(ChildrenOf(self.0.clone(), self.1)).await?;
        let rows = rows.unwrap_or_default().into_iter();
        Ok(rows.map(|row| AccountEdge { node: Account(row) }).collect())
    }
}

#[derive(SimpleObject)]
struct AccountEdge {
    node: Account,
}

async fn answer(State((schema, store)): State<(Schema, Store)>, body: Bytes) -> Response {
    let request: Request = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    };
    let loaders: Loaders = DataLoader::with_cache(
        store,
        TokioSpawner::current(),
        TokioTimer::default(),
        HashMapCache::default(),
    );
    let response = schema.execute(request.data(loaders)).await;
    match serde_json::to_vec(&response) {
        Ok(json) => ([(header::CONTENT_TYPE, "application/json")], json).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// Serves the schema on the port that PORT names.
pub async fn serve(store: Store) -> Result<(), Box<dyn std::error::Error>> {
    let schema = Schema::build(Query, EmptyMutation, EmptySubscription).finish();
    let app = Router::new()
        .route("/graphql", post(answer))
        .with_state((schema, store));
    let port: u16 = std::env::var("PORT")?.parse()?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    axum::serve(listener, app).await?;
    Ok(())
}
