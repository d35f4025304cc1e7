//! Who may read which field: one table, and the gates that resolvers take from it.
//!
//! The domain decides about each read and each change by itself. The gates here make a refusal of a nullable
//! field an error at that field, so that its siblings are served, and a credential the condition of
//! everything but signing in.

mod alerts;
pub(crate) mod gates;
mod simulations;
mod table;
mod usage;
mod webhooks;

use std::sync::LazyLock;

use async_graphql::Context;
use canopy_domain::entity::{Level, PermissionKey};
use canopy_domain::{AccountView, Result};

use crate::session::{Caller, Session};

/// What somebody needs in order to read a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requirement {
    /// Nothing.
    Public,
    /// A credential that holds.
    SignedIn,
    /// That the account which the field's object belongs to is in the actor's scope.
    InScope,
    /// This level for this key, at the account which the field's object belongs to or which the mutation is
    /// about; for a mutation that changes a subaccount, at its parent.
    Permission(PermissionKey, Level),
}

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldRequirement {
    /// The object or interface type.
    pub type_name: &'static str,
    /// The field.
    pub field: &'static str,
    /// What it needs.
    pub requirement: Requirement,
}

/// The table: each field of each object and interface of the schema, once.
pub fn requirements() -> &'static [FieldRequirement] {
    static TABLE: LazyLock<Vec<FieldRequirement>> = LazyLock::new(table::rows);
    &TABLE
}

/// A field whose resolver checks its requirement. Resolvers name a gate, and the table is made of the same
/// gates.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gate {
    field: &'static str,
    requirement: Requirement,
}

impl Gate {
    const fn signed_in(field: &'static str) -> Self {
        Self {
            field,
            requirement: Requirement::SignedIn,
        }
    }

    const fn needs(field: &'static str, key: PermissionKey, level: Level) -> Self {
        Self {
            field,
            requirement: Requirement::Permission(key, level),
        }
    }

    /// Who asks, or `Error::Unauthenticated`.
    pub(crate) fn caller<'c>(&self, ctx: &Context<'c>) -> Result<&'c Caller> {
        Session::caller(ctx)
    }

    /// Who asks, if the gate is open to them at `account`; otherwise `Error::Forbidden`.
    pub(crate) fn open<'c>(&self, ctx: &Context<'c>, account: &AccountView) -> Result<&'c Caller> {
        let caller = self.caller(ctx)?;
        self.check(account)?;
        Ok(caller)
    }

    /// `Error::Forbidden` unless the gate is open at `account` to whoever holds the view. What decides for resolvers and
    /// for query plans.
    pub(crate) fn check(&self, account: &AccountView) -> Result<()> {
        match self.requirement {
            Requirement::Permission(key, level) => account.access().require(key, level),
            Requirement::Public | Requirement::SignedIn | Requirement::InScope => Ok(()),
        }
    }
}

impl std::fmt::Display for Gate {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.requirement {
            Requirement::Permission(key, level) => write!(formatter, "{key:?} {level:?}"),
            other => write!(formatter, "{other:?}"),
        }
    }
}
