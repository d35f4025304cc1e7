//! `LimitChange`.

use async_graphql::Object;
use canopy_domain::accounts;

use crate::scalars::int;

/// A limit that changes.
pub(crate) struct LimitChange(accounts::LimitChange);

impl From<accounts::LimitChange> for LimitChange {
    fn from(change: accounts::LimitChange) -> Self {
        Self(change)
    }
}

/// A limit of an account that changes as the account is moved.
#[Object]
impl LimitChange {
    /// Name of the resource.
    async fn resource(&self) -> &str {
        &self.0.resource
    }

    /// How many the account has; for `depth` its own level after the move.
    async fn used(&self) -> i32 {
        int(self.0.used)
    }

    /// The highest count before; null means unlimited.
    async fn before(&self) -> Option<i32> {
        self.0.before.map(int)
    }

    /// The highest count after; null means unlimited.
    async fn after(&self) -> Option<i32> {
        self.0.after.map(int)
    }
}
