//! `BillingTransfer`.

use async_graphql::{Enum, ID, Object};
use canopy_domain::billing;
use canopy_domain::entity::billing_transfer;

use crate::scalars::DateTime;

/// Who pays for an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "billing::BillingState")]
pub(crate) enum BillingState {
    /// The parent.
    ParentBilled,
    /// Still the parent, while a transfer is under way.
    InProgress,
    /// The account itself.
    Independent,
}

/// How far a transfer of billing got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "billing_transfer::TransferStatus")]
pub(crate) enum BillingTransferStatus {
    /// Started; the parent still pays.
    InProgress,
    /// The account pays for itself.
    Completed,
    /// Ended by either side before it was completed.
    Cancelled,
    /// The grace period ended before it was completed.
    Expired,
}

/// The state in words, for people.
pub(crate) fn badge(state: billing::BillingState) -> &'static str {
    match state {
        billing::BillingState::ParentBilled => "Paid by parent account",
        billing::BillingState::InProgress => "Billing transfer in progress",
        billing::BillingState::Independent => "Independent account",
    }
}

/// When a transfer was completed; none if it was not.
pub(crate) fn completed_at(transfer: &billing_transfer::Model) -> Option<DateTime> {
    let completed = transfer.status == billing_transfer::TransferStatus::Completed;
    transfer.ended_at.filter(|_| completed).map(DateTime)
}

/// The billing of one account.
pub(crate) struct BillingTransfer(billing::BillingView);

impl From<billing::BillingView> for BillingTransfer {
    fn from(view: billing::BillingView) -> Self {
        Self(view)
    }
}

/// Who pays for an account, and the latest transfer of billing from its parent to it. The fields about the
/// transfer are null if there never was one.
#[Object]
impl BillingTransfer {
    /// Id of the transfer, with the prefix `btr_`.
    async fn id(&self) -> Option<ID> {
        self.0
            .transfer
            .as_ref()
            .map(|transfer| ID(transfer.id.to_string()))
    }

    /// Who pays.
    async fn state(&self) -> BillingState {
        self.0.state.into()
    }

    /// The state in words, for people.
    async fn badge(&self) -> &str {
        badge(self.0.state)
    }

    /// How far the transfer got.
    async fn status(&self) -> Option<BillingTransferStatus> {
        self.0.transfer.as_ref().map(|transfer| transfer.status.into())
    }

    /// When it was started.
    async fn started_at(&self) -> Option<DateTime> {
        self.0
            .transfer
            .as_ref()
            .map(|transfer| transfer.started_at.into())
    }

    /// When it expires, or expired, unless it is completed first.
    async fn grace_ends_at(&self) -> Option<DateTime> {
        self.0
            .transfer
            .as_ref()
            .map(|transfer| transfer.grace_ends_at.into())
    }

    /// When it was completed; null if it was not.
    async fn completed_at(&self) -> Option<DateTime> {
        self.0.transfer.as_ref().and_then(completed_at)
    }

    /// Whether the former parent's owners and admins are invited as agency members.
    async fn keep_agency_access(&self) -> Option<bool> {
        self.0
            .transfer
            .as_ref()
            .map(|transfer| transfer.keep_agency_access)
    }
}
