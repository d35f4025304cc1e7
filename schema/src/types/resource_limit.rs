//! `ResourceLimit`.

use async_graphql::Object;
use canopy_domain::{AccountView, limits};

use super::limit_decider::LimitDecider;
use crate::scalars::int;

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
        self.limit.max.map(|max| int(max.saturating_sub(self.limit.used)))
    }

    /// What decided the limit.
    async fn decided_by(&self) -> LimitDecider {
        LimitDecider::new(self.account.clone(), self.limit.decided_by.clone())
    }

    /// The rule's own words for it.
    async fn reason(&self) -> Option<&str> {
        self.limit.reason.as_deref()
    }
}
