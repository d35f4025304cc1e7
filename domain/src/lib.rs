//! The decisions and transactions of Canopy, by noun of the field.
//!
//! Each service is a method of [`Domain`] and takes the [`Actor`] first; only [`auth`] can make an actor. Reads are
//! made for many parents at once, so the number of statements depends on the shape of a query and never on its
//! width. No transaction is held across a call of a rule. The domain knows nothing of HTTP or GraphQL.

pub mod accounts;
pub mod alerts;
pub mod audit;
pub mod auth;
pub mod billing;
pub mod budgets;
pub mod documents;
pub mod domain;
pub mod error;
pub mod events;
pub mod forest;
pub mod heard;
pub mod idempotency;
pub mod leases;
pub mod ledger;
pub mod limits;
pub mod measures;
pub mod members;
mod memory;
pub mod money;
pub mod page;
pub mod permissions;
pub mod plans;
pub mod pricing;
pub mod receipts;
pub mod recount;
mod rows;
pub mod rules;
mod sealed;
pub mod simulation;
mod statement;
pub mod store;
#[cfg(test)]
mod testing;
pub mod transaction;
pub mod usage;
pub mod webhooks;

pub use accounts::AccountView;
pub use auth::{Actor, Credentials, Principal};
pub use canopy_entity as entity;
/// The sandbox for rules, for the process that opens it and offers its compiler as a subcommand.
pub use canopy_rules_host as rules_host;
pub use domain::{Domain, Settings};
pub use error::{Error, ErrorCode, Result};
pub use money::{Micros, Money};
pub use page::{Page, PageArgs};
pub use sealed::Sealed;
