//! News of what was committed: an outbox, a relay that gives each row its place, and streams that resume.
//!
//! Knows nothing of how a client is connected. News is for those who may read the account now, and carries the event
//! as it was when the news was made.

pub(crate) mod alert_news;
mod bulletins;
mod coalesced;
mod cursor;
mod hub;
pub(crate) mod outbox;
mod renderings;
mod rights;
mod stream;
pub(crate) mod usage_news;

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use canopy_entity::rule_version::RuleStatus;
use canopy_entity::usage_event::{self, CorrectionPart};
use canopy_entity::{AccountId, Level, PermissionKey, usage_alert_crossing};
use futures_util::stream::{BoxStream, StreamExt};

use self::hub::{Published, Told};
use self::stream::News;
use self::usage_news::Scope;
use crate::rules::RuleChange;
use crate::{AccountView, Actor, Domain, Error, Micros, Money, Result, usage};

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
    /// The event; the last of those that the update stands for.
    pub event: usage_event::Model,
    /// What the event's account was charged for it, if that became known with this.
    charged: Option<Money>,
    /// What all events that the update stands for add up to, if it stands for several.
    sums: Option<Vec<UsageSum>>,
    /// How it was told.
    pub renderings: Renderings,
}

/// What an update adds to the usage of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageSum {
    /// The account.
    pub account: AccountId,
    /// What was measured.
    pub meter: String,
    /// How much was recorded.
    pub quantity: Micros,
    /// How many events were recorded; corrections take some out.
    pub events: i64,
    /// What the account is charged for what was recorded, and for what was recorded before and has its price now. None
    /// if none of it has a price.
    pub amount: Option<Money>,
}

impl UsageUpdate {
    fn new(cursor: String, kind: UsageUpdateKind, event: usage_event::Model, charged: Option<Money>) -> Self {
        Self {
            cursor,
            kind,
            event,
            charged,
            sums: None,
            renderings: Renderings::default(),
        }
    }

    /// What the update adds to the usage of each account and meter, each once. All updates of a stream add up to the
    /// usage that they tell of.
    pub fn sums(&self) -> Result<Vec<UsageSum>> {
        match &self.sums {
            Some(sums) => Ok(sums.clone()),
            None => Ok(vec![self.own_sum()?]),
        }
    }

    /// What its event adds.
    fn own_sum(&self) -> Result<UsageSum> {
        let (quantity, events) = match self.kind {
            UsageUpdateKind::Rated => (0, 0),
            // A reversal takes another event out.
            _ if self.event.correction == Some(CorrectionPart::Reversal) => (self.event.quantity, -1),
            UsageUpdateKind::Recorded | UsageUpdateKind::Corrected => (self.event.quantity, 1),
        };
        Ok(UsageSum {
            account: self.event.account_id.clone(),
            meter: self.event.meter.clone(),
            quantity: Micros::new(quantity).map_err(Error::internal)?,
            events,
            amount: self.charged.clone(),
        })
    }
}

/// Which news of usage is wanted, and how often.
#[derive(Debug, Clone, Default)]
pub struct FollowUsage<'a> {
    /// Whether that of all accounts below, too.
    pub include_descendants: bool,
    /// Only of these meters; of all if none.
    pub meters: Option<Vec<String>>,
    /// The longest that news is kept back to be told with what follows; each by itself if none.
    pub every: Option<Duration>,
    /// The cursor behind which the stream begins; at the present end if none.
    pub after: Option<&'a str>,
}

/// How long news may be kept back.
const EVERY: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_hours(1);

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
            Told::Alert(_) | Told::Rule(_) | Told::Rights(_) | Told::Plans | Told::Else => None,
        }
    }

    fn is_in(&self, scope: &Scope) -> bool {
        scope.has_meter(&self.event.meter)
    }

    async fn behind(domain: &Domain, scope: &Scope, after: i64, end: i64) -> Result<(Vec<Published>, i64)> {
        usage_news::behind(&domain.0.db, after, end, scope).await
    }

    async fn count(domain: &Domain, scope: &Scope, after: i64, end: i64) -> Result<i64> {
        usage_news::count(&domain.0.db, after, end, scope).await
    }
}

/// News of a threshold on usage that was crossed.
#[derive(Debug)]
pub struct UsageAlertUpdate {
    /// Give it as `after` to go on behind this one. Opaque to clients.
    pub cursor: String,
    /// The crossing.
    pub crossing: usage_alert_crossing::Model,
}

impl News for UsageAlertUpdate {
    const NEEDS: PermissionKey = PermissionKey::Usage;

    fn of(told: &Told) -> Option<&Arc<Self>> {
        match told {
            Told::Alert(update) => Some(update),
            Told::Usage(_) | Told::Rule(_) | Told::Rights(_) | Told::Plans | Told::Else => None,
        }
    }

    async fn behind(domain: &Domain, scope: &Scope, after: i64, end: i64) -> Result<(Vec<Published>, i64)> {
        alert_news::behind(&domain.0.db, after, end, scope).await
    }

    async fn count(domain: &Domain, scope: &Scope, after: i64, end: i64) -> Result<i64> {
        alert_news::count(&domain.0.db, after, end, scope).await
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
            Told::Usage(_) | Told::Alert(_) | Told::Rights(_) | Told::Plans | Told::Else => None,
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
    /// News of the usage of `account`, without gap or duplicate. Needs `USAGE` FULL. Ends with an error when the
    /// actor's right is gone.
    pub async fn usage_updates(
        &self,
        actor: &Actor,
        account: &AccountView,
        follow: FollowUsage<'_>,
    ) -> Result<BoxStream<'static, Result<Arc<UsageUpdate>>>> {
        account.access().require(PermissionKey::Usage, Level::Full)?;
        usage::check_meters(follow.meters.as_deref())?;
        if follow.every.is_some_and(|every| !EVERY.contains(&every)) {
            return Err(Error::bad_input(
                &["every"],
                "Updates come each \"100ms\" to \"1h\".",
            ));
        }
        let scope = Scope {
            meters: follow.meters,
            ..Scope::of(account, follow.include_descendants)
        };
        let news = stream::open::<UsageUpdate>(self, actor, account, scope, follow.after).await?;
        Ok(match follow.every {
            Some(every) => coalesced::windows(news, every).boxed(),
            None => news,
        })
    }

    /// News of the thresholds on the usage of `account` that are crossed, and of all accounts below if
    /// `include_descendants`, from behind the cursor `after` (from now on if none), without gap or duplicate. Needs
    /// `USAGE` FULL. Ends with an error when the actor's right is gone.
    pub async fn usage_alert_updates(
        &self,
        actor: &Actor,
        account: &AccountView,
        include_descendants: bool,
        after: Option<&str>,
    ) -> Result<BoxStream<'static, Result<Arc<UsageAlertUpdate>>>> {
        account.access().require(PermissionKey::Usage, Level::Full)?;
        let scope = Scope::of(account, include_descendants);
        stream::open::<UsageAlertUpdate>(self, actor, account, scope, after).await
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
        let news = stream::open::<RuleNews>(self, actor, account, Scope::of(account, false), after).await?;
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
