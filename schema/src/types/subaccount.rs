//! `Subaccount`.

use async_graphql::MergedObject;
use canopy_domain::AccountView;

use super::tenant_profile::TenantProfile;
use super::tenant_reports::TenantReports;
use super::tenant_tree::TenantTree;

/// A client below a main account, at any depth. Its parent governs it and pays for it unless billing was
/// transferred.
#[derive(MergedObject)]
pub(crate) struct Subaccount(TenantProfile, TenantTree, TenantReports);

impl Subaccount {
    /// Wraps an account of the kind SUBACCOUNT.
    pub(crate) fn new(view: AccountView) -> Self {
        Self(
            TenantProfile(view.clone()),
            TenantTree(view.clone()),
            TenantReports(view),
        )
    }
}
