//! Transfers of billing from a parent to its subaccount.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{AccountId, BillingTransferId, time::Timestamp};

/// How far a transfer of billing got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TransferStatus {
    /// Started; the parent still pays.
    InProgress,
    /// The account pays for itself.
    Completed,
    /// Ended by either side.
    Cancelled,
    /// The grace period ended first.
    Expired,
}

/// A transfer of billing.
#[derive(Debug, Clone, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "billing_transfers")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: BillingTransferId,
    /// The subaccount that is to pay for itself.
    pub account_id: AccountId,
    /// How far it got.
    pub status: TransferStatus,
    /// Whether the former parent's people are invited as agency members.
    pub keep_agency_access: bool,
    /// Who started it.
    pub started_by: String,
    /// When it was started.
    pub started_at: Timestamp,
    /// When it expires unless it is completed.
    pub grace_ends_at: Timestamp,
    /// When it was completed, cancelled or expired.
    pub ended_at: Option<Timestamp>,
}

/// Rows are joined by hand in the statements that need it.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
