//! `UsageUpdate`.

use std::sync::Arc;

use async_graphql::{Enum, Object};
use canopy_domain::{Result, events};

use super::usage_event::UsageEvent;
use super::usage_sum::UsageSum;

/// Why a usage event is in the news.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "events::UsageUpdateKind")]
pub(crate) enum UsageUpdateKind {
    /// It was recorded.
    Recorded,
    /// Its price came later than it did.
    Rated,
    /// It corrects another one: it takes it out, or stands for it.
    Corrected,
}

/// News of usage.
pub(crate) struct UsageUpdate(Arc<events::UsageUpdate>);

impl From<Arc<events::UsageUpdate>> for UsageUpdate {
    fn from(update: Arc<events::UsageUpdate>) -> Self {
        Self(update)
    }
}

/// News of a usage event; of several with `every`.
#[Object]
impl UsageUpdate {
    /// The update's place in the stream, behind all that it stands for; opaque. Subscribe again with it as `after`
    /// to go on without gap or duplicate.
    async fn cursor(&self) -> &str {
        &self.0.cursor
    }

    /// Why the event is in the news; the last one with `every`.
    async fn kind(&self) -> UsageUpdateKind {
        self.0.kind.into()
    }

    /// The event, as it was when the update was made; the last one with `every`.
    async fn event(&self) -> UsageEvent {
        self.0.event.clone().into()
    }

    /// What the update adds to the usage of each account and meter, each once: of one event, or with `every` of all
    /// that the update stands for. The sums of all updates of a stream add up to the usage that it tells of.
    async fn sums(&self) -> Result<Vec<UsageSum>> {
        let sums = self.0.sums()?;
        Ok(sums.into_iter().map(UsageSum::from).collect())
    }
}
