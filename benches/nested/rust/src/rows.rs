//! The rows that a peer reads, whatever it reads them with.

use std::sync::Arc;

use serde_json::Value;

#[derive(Clone)]
pub struct Account {
    pub id: String,
    pub parent_id: Option<String>,
    pub path: String,
    pub kind: String,
    pub name: String,
    pub plan_id: Option<String>,
    pub billing_mode: String,
}

#[derive(Clone)]
pub struct Plan {
    pub id: String,
    pub name: String,
    pub configuration: Arc<Value>,
}

#[derive(Clone)]
pub struct Member {
    pub id: String,
    pub account_id: String,
    pub role: String,
    pub email: String,
}

#[derive(Clone)]
pub struct Sum {
    pub account_id: String,
    pub meter: String,
    pub quantity: i64,
    pub amount: i64,
}

/// An id and how many of something it has.
pub type Count = (String, i64);
