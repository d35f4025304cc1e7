//! `UsageCorrection`.

use async_graphql::{Context, Enum, ID, Object};
use canopy_domain::Result;
use canopy_domain::entity::usage_event;

use crate::loaders::reads;
use crate::nullable::nullable;
use crate::session::Session;

/// Which part of a correction an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "usage_event::CorrectionPart")]
pub(crate) enum UsageCorrectionPart {
    /// It takes another event out: its quantity is that of the other, negative, and its ratings take back the other's.
    Reversal,
    /// It stands for an event that was taken out, with another quantity and prices of its own.
    Replacement,
}

/// What an event corrects.
pub(crate) struct UsageCorrection {
    event: usage_event::Model,
    part: UsageCorrectionPart,
}

impl UsageCorrection {
    /// None for an event that was reported as usage.
    pub(super) fn of(event: &usage_event::Model) -> Option<Self> {
        Some(Self {
            part: event.correction?.into(),
            event: event.clone(),
        })
    }
}

/// What a usage event corrects, and why.
#[Object]
impl UsageCorrection {
    /// Which part of the correction the event is.
    async fn part(&self) -> UsageCorrectionPart {
        self.part
    }

    /// Id of the event that it takes out or stands for.
    async fn corrects(&self) -> Option<ID> {
        self.event.corrects_id.as_ref().map(|id| ID(id.to_string()))
    }

    /// Why.
    async fn reason(&self) -> Option<&str> {
        self.event.reason.as_deref()
    }

    /// Who did it: the id of a user or an API key, or "system". Null unless it was the caller, or the topmost account of
    /// the tree is in the caller's scope: who works above is nobody's business below.
    async fn corrected_by(&self, ctx: &Context<'_>) -> Option<Result<String>> {
        let by = async {
            let caller = Session::caller(ctx)?;
            let by = self.event.corrected_by.clone();
            if by.as_ref() == Some(&caller.actor().label()) {
                return Ok(by);
            }
            let root = self.event.path.root_id();
            let is_seen = caller.loaders.load(reads::Accounts, root).await?.is_some();
            Ok(by.filter(|_| is_seen))
        };
        nullable(by).await
    }
}
