//! The account tree.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{AccountId, AccountPath, PlanId, time::Timestamp};

/// Where an account stands in the chain of sellers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AccountKind {
    /// The root that sells to main accounts.
    Platform,
    /// A reseller or customer with its own billing.
    Main,
    /// A client below a main account, at any depth.
    Subaccount,
}

/// Whether an account may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AccountStatus {
    /// In use.
    Active,
    /// Readable, but nothing in it may be changed or used.
    Suspended,
    /// Gone for its users; its history stays.
    Closed,
}

/// Who pays for an account's usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BillingMode {
    /// The account itself.
    Own,
    /// Its parent, which rebills it.
    Parent,
}

/// Which credits pay for a subaccount's usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CreditMode {
    /// What its parent allocated, then the parent.
    Manual,
    /// What it purchased, then what its parent allocated, then the parent.
    Reselling,
}

/// An account. The table has one column more, `limits_set`, for the domain's limits alone: what the rows in
/// `account_limits` say, told as `restrictions` are.
#[derive(Debug, Clone, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "accounts")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AccountId,
    /// The account above; none for a root.
    pub parent_id: Option<AccountId>,
    /// The ids from the root down to this account.
    pub path: AccountPath,
    /// How many accounts stand above.
    pub depth: i32,
    /// Where in the chain of sellers it stands.
    pub kind: AccountKind,
    /// The name that people see, 2 to 120 characters.
    pub name: String,
    /// Whether it may be used.
    pub status: AccountStatus,
    /// ISO 4217 code of the money that it buys and sells in.
    pub currency: String,
    /// Its time zone: a name of the IANA database.
    pub time_zone: String,
    /// Its plan; a platform may have none, and then no limits.
    pub plan_id: Option<PlanId>,
    /// True if the plan is the parent's and follows it.
    pub plan_inherited: bool,
    /// Who pays for its usage.
    pub billing_mode: BillingMode,
    /// Which credits pay first.
    pub credit_mode: CreditMode,
    /// The caller's own name for it, unique among its siblings.
    pub external_ref: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// What its rows in `permission_levels` say, as `KEY=LEVEL,KEY=LEVEL`; kept by the database.
    pub restrictions: String,
}

/// Rows are joined by hand in the statements that need it.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
