//! What each account is: the fields of `Tenant` that come from its own row, and its plan.

use async_graphql::{Context, ID, Object};
use canopy_domain::{AccountView, Result};

use super::account_kind::AccountKind;
use super::account_status::AccountStatus;
use super::billing_mode::BillingMode;
use super::credit_mode::CreditMode;
use super::permission_set::PermissionSet;
use super::plan::Plan;
use crate::loaders::reads;
use crate::nullable::nullable;
use crate::scalars::{DateTime, int};
use crate::session::Session;

/// A part of `Account` and `Subaccount`.
pub(super) struct TenantProfile(pub(super) AccountView);

#[Object]
impl TenantProfile {
    /// The id, with the prefix `acc_`.
    async fn id(&self) -> ID {
        ID(self.0.id().to_string())
    }

    /// The name that people see, 2 to 120 characters.
    async fn name(&self) -> &str {
        &self.0.row().name
    }

    /// Whether the account may be used: its own status, or that of an account above it if that is worse.
    async fn status(&self) -> AccountStatus {
        self.0.status().into()
    }

    /// Where the account stands in the chain of sellers.
    async fn kind(&self) -> AccountKind {
        self.0.row().kind.into()
    }

    /// How many accounts stand above it, those out of sight included; 0 for a root.
    async fn depth(&self) -> i32 {
        self.0.row().depth
    }

    /// How many levels it stands below its main account; 0 for a platform or main account. The limit `depth`
    /// counts these.
    async fn level(&self) -> i32 {
        int(self.0.level().into())
    }

    /// The currency that the account buys and sells in: an ISO 4217 code.
    async fn currency(&self) -> &str {
        &self.0.row().currency
    }

    /// The time zone of the account: a name of the IANA database. That of its parent when it was made, if no other was
    /// given; UTC at the top. `usage(timeZone: "ACCOUNT")` goes by it.
    async fn time_zone(&self) -> &str {
        &self.0.row().time_zone
    }

    /// When the account was made.
    async fn created_at(&self) -> DateTime {
        self.0.row().created_at.into()
    }

    /// The plan whose policy holds for the account; null for a platform without one, which has no limits.
    async fn plan(&self, ctx: &Context<'_>) -> Option<Result<Plan>> {
        self.0.row().plan_id.as_ref()?;
        let account = self.0.clone();
        nullable(async { Session::caller(ctx)?.loaders.load(reads::PlanOf, account).await }).await
    }

    /// True if the plan is the parent's and follows it.
    async fn plan_inherited(&self) -> bool {
        self.0.row().plan_inherited
    }

    /// Who pays for the account's usage.
    async fn billing_mode(&self) -> BillingMode {
        self.0.row().billing_mode.into()
    }

    /// Which credits pay first. It matters only while billingMode is PARENT.
    async fn credit_mode(&self) -> CreditMode {
        self.0.row().credit_mode.into()
    }

    /// What the caller may do here: the effective level of each key, and what decided it.
    async fn permission_set(&self) -> PermissionSet {
        PermissionSet::new(self.0.clone())
    }
}
