//! `Account`.

use async_graphql::MergedObject;
use canopy_domain::AccountView;

use super::tenant_profile::TenantProfile;
use super::tenant_reports::TenantReports;
use super::tenant_tree::TenantTree;

/// An account with its own billing: a platform, or a main account (below a platform, or a root of its own).
#[derive(MergedObject)]
pub(crate) struct Account(TenantProfile, TenantTree, TenantReports);

impl Account {
    /// Wraps an account of the kind PLATFORM or MAIN.
    pub(super) fn new(view: AccountView) -> Self {
        Self(
            TenantProfile(view.clone()),
            TenantTree(view.clone()),
            TenantReports(view),
        )
    }
}
