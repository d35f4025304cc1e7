//! The tables of Canopy: one file per table, ids as types, and selects that carry a scope.
//!
//! This crate says what a row is and how rows of a tenant are narrowed to a scope. It decides nothing: who may
//! see or change a row is the domain's matter.

pub mod account;
pub mod account_limit;
pub mod account_position;
pub mod api_key;
pub mod api_key_document;
pub mod audit_log;
pub mod billing_transfer;
pub mod budget;
pub mod digest;
pub mod id;
pub mod idempotency_record;
pub mod lease;
pub mod ledger_account;
pub mod member;
pub mod outbox;
pub mod path;
pub mod permission;
pub mod permission_level;
pub mod plan;
pub mod posting;
pub mod rating;
pub mod rule_activation;
pub mod rule_artifact;
pub mod rule_change;
pub mod rule_check;
pub mod rule_failure;
pub mod rule_guard;
pub mod rule_version;
pub mod scope;
pub mod simulation;
pub mod simulation_account;
pub mod time;
pub mod usage_aggregate;
pub mod usage_alert;
pub mod usage_alert_crossing;
pub mod usage_event;
pub mod usage_hold;
pub mod usage_hold_edge;
pub mod usage_period;
pub mod user;
pub mod webhook_attempt;
pub mod webhook_delivery;
pub mod webhook_endpoint;

pub use id::*;
pub use path::AccountPath;
pub use permission::{Level, PermissionKey, Role};
pub use scope::Scope;
