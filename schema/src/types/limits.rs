//! `Limits`.

use async_graphql::Object;
use canopy_domain::{AccountView, limits};

use super::resource_limit::ResourceLimit;

/// The limit of the resource with this name.
pub(crate) fn of_name<'l>(
    resources: &'l [limits::ResourceLimit],
    name: &str,
) -> Option<&'l limits::ResourceLimit> {
    resources.iter().find(|limit| *limit.resource == *name)
}

/// The limits of one account.
pub(crate) struct Limits {
    account: AccountView,
    resources: Vec<limits::ResourceLimit>,
}

impl Limits {
    /// The limits of `account`.
    pub(super) fn new(account: AccountView, resources: Vec<limits::ResourceLimit>) -> Self {
        Self { account, resources }
    }
}

/// How much of each resource an account may have. What its plan's rule says is narrowed by what holds for the
/// accounts above and by what the parent set.
#[Object]
impl Limits {
    /// All limited resources, by name. Empty for a platform without a plan.
    async fn resources(&self) -> Vec<ResourceLimit> {
        let resources = self.resources.iter();
        resources
            .map(|limit| ResourceLimit::new(self.account.clone(), limit.clone()))
            .collect()
    }

    /// One resource; null if there is no limit of that name.
    async fn resource(
        &self,
        #[graphql(desc = "Name of the resource, such as `subaccounts`, `members` or `depth`.")] name: String,
    ) -> Option<ResourceLimit> {
        let limit = of_name(&self.resources, &name)?;
        Some(ResourceLimit::new(self.account.clone(), limit.clone()))
    }
}
