//! `UsageUpdate`.

use std::sync::Arc;

use async_graphql::{Enum, Object};
use canopy_domain::events;

use super::usage_event::UsageEvent;

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

/// News of one usage event.
#[Object]
impl UsageUpdate {
    /// The update's place in the stream, opaque. Subscribe again with it as `after` to go on without gap or
    /// duplicate.
    async fn cursor(&self) -> &str {
        &self.0.cursor
    }

    /// Why the event is in the news.
    async fn kind(&self) -> UsageUpdateKind {
        self.0.kind.into()
    }

    /// The event, as it was when the update was made.
    async fn event(&self) -> UsageEvent {
        self.0.event.clone().into()
    }
}
