//! `ResourceLimit`.

use async_graphql::{Context, Object};
use canopy_domain::{AccountView, Result, limits};

use super::limit_decider::LimitDecider;
use super::limit_explanation::LimitExplanation;
use crate::loaders::reads;
use crate::nullable::nullable;
use crate::scalars::int;
use crate::session::Session;

/// How many more there may be; none if there is no limit.
pub(crate) fn remaining(limit: &limits::ResourceLimit) -> Option<i32> {
    limit.max.map(|max| int(max.saturating_sub(limit.used)))
}

/// The limit of one resource of one account.
pub(crate) struct ResourceLimit {
    account: AccountView,
    limit: limits::ResourceLimit,
}

impl ResourceLimit {
    /// A limit of `account`.
    pub(super) fn new(account: AccountView, limit: limits::ResourceLimit) -> Self {
        Self { account, limit }
    }
}

/// How much of one resource an account may have and has. Counts beyond 2147483647 are shown as that.
#[Object]
impl ResourceLimit {
    /// The resource: `subaccounts` (direct ones that are not closed), `members`, `api_keys`, `depth` (levels
    /// below the main account), or another that the rule names.
    async fn resource(&self) -> &str {
        &self.limit.resource
    }

    /// The highest count; null means unlimited.
    async fn max(&self) -> Option<i32> {
        self.limit.max.map(int)
    }

    /// The present count.
    async fn used(&self) -> i32 {
        int(self.limit.used)
    }

    /// How many more there may be; 0 if the limit is reached or passed, null if there is none.
    async fn remaining(&self) -> Option<i32> {
        remaining(&self.limit)
    }

    /// What decided the limit.
    async fn decided_by(&self) -> LimitDecider {
        LimitDecider::new(self.account.clone(), self.limit.decided_by.as_ref().clone())
    }

    /// The rule's own words for it.
    async fn reason(&self) -> Option<&str> {
        self.limit.reason.as_deref()
    }

    /// How it came about: the bounds on the path, with the rules behind them asked again.
    #[graphql(complexity = "10 + child_complexity")]
    async fn explain(&self, ctx: &Context<'_>) -> Option<Result<LimitExplanation>> {
        let steps = async {
            let loaders = &Session::caller(ctx)?.loaders;
            let limits = loaders
                .load(reads::LimitExplanations, self.account.clone())
                .await?
                .transpose()?;
            Ok(limits.and_then(|mut limits| limits.remove(&*self.limit.resource)))
        };
        nullable(steps).await
    }
}
