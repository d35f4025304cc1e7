//! `Tenant`: the interface over all accounts of the tree.

use async_graphql::OutputType;
use async_graphql::indexmap::IndexMap;
use async_graphql::registry::{MetaField, Registry};
use canopy_domain::AccountView;
use canopy_domain::entity::account::AccountKind;

use super::account::Account;
use super::subaccount::Subaccount;
use crate::connection::{Edge, List};
use crate::interface::{fields_of, interface};

interface! {
    /// An account of the tree, of any kind. Whoever may read it may read what is below it; what is above it
    /// or beside it stays unseen.
    Tenant { Account, Subaccount }
    fields: tenant_fields
}

fn tenant_fields(registry: &mut Registry) -> IndexMap<String, MetaField> {
    Account::create_type_info(registry);
    registry.add_implements("Tenant", "Node");
    fields_of(registry, "Account")
}

/// Which object of the schema an account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TenantType {
    Account,
    Subaccount,
}

impl TenantType {
    /// The type of an account.
    pub(crate) fn of(view: &AccountView) -> Self {
        match view.row().kind {
            AccountKind::Platform | AccountKind::Main => Self::Account,
            AccountKind::Subaccount => Self::Subaccount,
        }
    }

    /// Its name in the schema.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Account => "Account",
            Self::Subaccount => "Subaccount",
        }
    }
}

impl From<AccountView> for Tenant {
    fn from(view: AccountView) -> Self {
        match TenantType::of(&view) {
            TenantType::Account => Self::Account(Account::new(view)),
            TenantType::Subaccount => Self::Subaccount(Subaccount::new(view)),
        }
    }
}

/// The children of an account.
pub(crate) struct Tenants;

impl List for Tenants {
    const NAME: &'static str = "Tenant";
    type Row = AccountView;
    type Node = Tenant;
    type Edge = Edge<Self>;

    fn node(row: AccountView) -> Tenant {
        row.into()
    }

    fn edge(cursor: String, row: AccountView) -> Edge<Self> {
        Edge::new(cursor, row)
    }
}
