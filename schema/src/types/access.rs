//! `AccessEdge`: an account that the caller may switch to.

use async_graphql::Object;
use canopy_domain::members::AccessibleAccount;

use super::role::Role;
use super::tenant::Tenant;
use crate::connection::List;

/// The accounts that the caller may switch to.
pub(crate) struct Accesses;

impl List for Accesses {
    const NAME: &'static str = "Access";
    type Row = AccessibleAccount;
    type Node = Tenant;
    type Edge = AccessEdge;

    fn node(row: AccessibleAccount) -> Tenant {
        row.account.into()
    }

    fn edge(cursor: String, row: AccessibleAccount) -> AccessEdge {
        AccessEdge { cursor, row }
    }
}

/// An account that the caller may switch to.
pub(crate) struct AccessEdge {
    cursor: String,
    row: AccessibleAccount,
}

/// An account that the caller may switch to, and as what.
#[Object]
impl AccessEdge {
    /// The row's place in the list, opaque. Give it as `after` or `before` to go on from here.
    async fn cursor(&self) -> &str {
        &self.cursor
    }

    /// The account.
    async fn node(&self) -> Tenant {
        self.row.account.clone().into()
    }

    /// What the caller is there; null for an API key.
    async fn role(&self) -> Option<Role> {
        self.row.role.map(Role::from)
    }
}
