//! News of what was committed: an outbox, a relay that gives each row its place, and streams that resume.
//!
//! Knows nothing of how a client is connected. News is for those who may read the account now, and carries the event
//! as it was when the news was made.

mod cursor;
mod hub;
pub(crate) mod outbox;
mod rights;
mod stream;

use canopy_entity::{Level, PermissionKey, usage_event};
use futures_util::stream::BoxStream;

use crate::{AccountView, Actor, Domain, Result};

pub use hub::Hub;

/// Why an event is in the news.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum UsageUpdateKind {
    /// It was recorded.
    Recorded,
    /// Its price came later than it did.
    Rated,
}

/// News of a usage event.
#[derive(Debug, Clone)]
pub struct UsageUpdate {
    /// Give it as `after` to go on behind this one. Opaque to clients.
    pub cursor: String,
    /// Why.
    pub kind: UsageUpdateKind,
    /// The event.
    pub event: usage_event::Model,
}

impl Domain {
    /// News of the usage of `account`, and of all below it if `include_descendants`, from behind the cursor `after`
    /// (from now on if none), without gap or duplicate. Needs `USAGE` FULL. Ends with an error when the actor's
    /// right is gone.
    pub async fn usage_updates(
        &self,
        actor: &Actor,
        account: &AccountView,
        include_descendants: bool,
        after: Option<&str>,
    ) -> Result<BoxStream<'static, Result<UsageUpdate>>> {
        account.access().require(PermissionKey::Usage, Level::Full)?;
        stream::open(self, actor, account, include_descendants, after).await
    }
}
