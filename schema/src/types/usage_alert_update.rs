//! `UsageAlertUpdate`.

use std::sync::Arc;

use async_graphql::{Context, Object};
use canopy_domain::{Result, events};

use super::tenant::Tenant;
use super::usage_alert_crossing::UsageAlertCrossing;
use crate::loaders::reads;
use crate::nullable::nullable;
use crate::session::Session;

/// News of an alert.
pub(crate) struct UsageAlertUpdate(Arc<events::UsageAlertUpdate>);

impl From<Arc<events::UsageAlertUpdate>> for UsageAlertUpdate {
    fn from(update: Arc<events::UsageAlertUpdate>) -> Self {
        Self(update)
    }
}

/// News of an alert: usage reached its threshold.
#[Object]
impl UsageAlertUpdate {
    /// The update's place in the stream, opaque. Subscribe again with it as `after` to go on without gap or
    /// duplicate.
    async fn cursor(&self) -> &str {
        &self.0.cursor
    }

    /// The account whose usage it is; null if it has since left the caller's scope.
    async fn account(&self, ctx: &Context<'_>) -> Option<Result<Tenant>> {
        let id = self.0.crossing.account_id.clone();
        nullable(async { Session::caller(ctx)?.loaders.load(reads::Accounts, id).await }).await
    }

    /// What happened.
    async fn crossing(&self) -> UsageAlertCrossing {
        self.0.crossing.clone().into()
    }
}
