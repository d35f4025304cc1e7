//! News of what was committed: an outbox, a relay that gives each row its place, and streams that resume.
//!
//! Knows nothing of how a client is connected. News is for those who may read the account now, and carries the event
//! as it was when the news was made.

mod bulletins;
mod cursor;
mod hub;
pub(crate) mod outbox;
mod renderings;
mod rights;
mod stream;
pub(crate) mod usage_news;

use std::sync::Arc;

use canopy_entity::rule_version::RuleStatus;
use canopy_entity::{Level, PermissionKey, usage_event};
use futures_util::stream::{BoxStream, StreamExt};

use self::hub::{Published, Told};
use self::stream::News;
use self::usage_news::Scope;
use crate::rules::RuleChange;
use crate::{AccountView, Actor, Domain, Result};

pub use bulletins::{Bulletin, Heard};
pub use hub::Hub;
pub use renderings::{Renderings, What};
pub use rights::RightsWatch;
pub(crate) use rights::{RightsChange, RightsVersions};
pub use stream::StreamSettings;

/// Why an event is in the news.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum UsageUpdateKind {
    /// It was recorded.
    Recorded,
    /// Its price came later than it did.
    Rated,
    /// It corrects another one.
    Corrected,
}

/// News of a usage event. All streams that are told of it as it is published share it.
#[derive(Debug)]
pub struct UsageUpdate {
    /// Give it as `after` to go on behind this one. Opaque to clients.
    pub cursor: String,
    /// Why.
    pub kind: UsageUpdateKind,
    /// The event.
    pub event: usage_event::Model,
    /// How it was told.
    pub renderings: Renderings,
}

impl UsageUpdate {
    fn new(cursor: String, kind: UsageUpdateKind, event: usage_event::Model) -> Self {
        Self {
            cursor,
            kind,
            event,
            renderings: Renderings::default(),
        }
    }
}

/// News of a rule version.
#[derive(Debug, Clone)]
pub struct RuleChangeUpdate {
    /// Give it as `after` to go on behind this one. Opaque to clients.
    pub cursor: String,
    /// The step in its life.
    pub change: RuleChange,
}

impl News for UsageUpdate {
    const NEEDS: PermissionKey = PermissionKey::Usage;

    fn of(told: &Told) -> Option<&Arc<Self>> {
        match told {
            Told::Usage(update) => Some(update),
            Told::Rule(_) | Told::Rights(_) | Told::Plans | Told::Else => None,
        }
    }

    async fn behind(domain: &Domain, scope: &Scope, after: i64, end: i64) -> Result<(Vec<Published>, i64)> {
        usage_news::behind(&domain.0.db, after, end, scope).await
    }

    async fn count(domain: &Domain, scope: &Scope, after: i64, end: i64) -> Result<i64> {
        usage_news::count(&domain.0.db, after, end, scope).await
    }
}

/// A step in the life of a rule version, as it was written.
#[derive(Debug)]
struct RuleNews {
    cursor: String,
    change: canopy_entity::rule_change::Model,
}

impl RuleNews {
    /// Whether another rule is live since, or none. A version that is neither live nor was decides nothing.
    fn concerns_live(&self) -> bool {
        [self.change.from_status, Some(self.change.to_status)]
            .into_iter()
            .flatten()
            .any(|status| matches!(status, RuleStatus::Active | RuleStatus::Quarantined))
    }
}

impl News for RuleNews {
    const NEEDS: PermissionKey = PermissionKey::Billing;

    fn of(told: &Told) -> Option<&Arc<Self>> {
        match told {
            Told::Rule(news) => Some(news),
            Told::Usage(_) | Told::Rights(_) | Told::Plans | Told::Else => None,
        }
    }

    async fn behind(domain: &Domain, scope: &Scope, after: i64, end: i64) -> Result<(Vec<Published>, i64)> {
        outbox::rules_behind(&domain.0.db, &scope.account, after, end).await
    }

    async fn count(domain: &Domain, scope: &Scope, after: i64, end: i64) -> Result<i64> {
        outbox::count_rules(&domain.0.db, &scope.account, after, end).await
    }
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
    ) -> Result<BoxStream<'static, Result<Arc<UsageUpdate>>>> {
        account.access().require(PermissionKey::Usage, Level::Full)?;
        stream::open::<UsageUpdate>(self, actor, account, include_descendants, after).await
    }

    /// News of the rules of `account` alone: each step in the life of their versions, a quarantine among them, from
    /// behind the cursor `after` (from now on if none), without gap or duplicate. Needs `BILLING` FULL. Ends with an
    /// error when the actor's right is gone.
    pub async fn rule_changes(
        &self,
        actor: &Actor,
        account: &AccountView,
        after: Option<&str>,
    ) -> Result<BoxStream<'static, Result<RuleChangeUpdate>>> {
        account.access().require(PermissionKey::Billing, Level::Full)?;
        let news = stream::open::<RuleNews>(self, actor, account, false, after).await?;
        let (domain, actor) = (self.clone(), actor.clone());
        let update = move |news: Result<Arc<RuleNews>>| {
            let (domain, actor) = (domain.clone(), actor.clone());
            async move {
                let news = news?;
                let change = domain.rule_change_for(&actor, news.change.clone()).await?;
                Ok(RuleChangeUpdate {
                    cursor: news.cursor.clone(),
                    change,
                })
            }
        };
        Ok(news.then(update).boxed())
    }
}
