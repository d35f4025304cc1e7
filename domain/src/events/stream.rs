//! A stream of news: first what the database has behind the cursor, then what the hub tells.
//!
//! A stream counts positions, which have no gaps: a message with the next position is new, one with an earlier
//! position was seen, and one with a later position says that the stream has missed something and must read the
//! database. So it neither skips nor repeats, whichever process published, however slow the reader is.
//!
//! Nothing is kept for a slow reader but one page. One that falls further behind than the bound is told how much it has
//! missed and where to go on, and its stream ends: it would otherwise read the database for ever without arriving.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use canopy_entity::PermissionKey;
use futures_util::FutureExt;
use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, MissedTickBehavior};

use super::hub::{Published, Told};
use super::usage_news::Scope;
use super::{RightsWatch, cursor, outbox as box_};
use crate::{AccountView, Actor, Domain, Error, Result};

/// How often a stream looks whether it may go on though it was told of no change of rights: somebody may have mended
/// the database by hand. A stream's first look comes sooner, so that those that began together do not look together.
const CHECK_RIGHTS_EVERY: Duration = Duration::from_mins(10);
/// Bounds of a stream.
#[derive(Debug, Clone, Copy)]
pub struct StreamSettings {
    /// So many events a stream may fall behind while it runs. One that began further behind may be as far behind as
    /// it was, until it has caught up.
    pub max_lag: u64,
}

impl Default for StreamSettings {
    fn default() -> Self {
        Self { max_lag: 10_000 }
    }
}

/// What a stream is about.
pub(super) trait News: Send + Sync + Sized + 'static {
    /// What it takes to see them: FULL.
    const NEEDS: PermissionKey;

    /// The news of a message; none if it is about something else.
    fn of(told: &Told) -> Option<&Arc<Self>>;

    /// Whether news of an account in `scope` is wanted.
    fn is_in(&self, scope: &Scope) -> bool {
        let _ = scope;
        true
    }

    /// A page of what the database has in `scope` behind `after` and up to `end`, and the position up to which that is all.
    fn behind(
        domain: &Domain,
        scope: &Scope,
        after: i64,
        end: i64,
    ) -> impl Future<Output = Result<(Vec<Published>, i64)>> + Send;

    /// How much the database has in `scope` behind `after` and up to `end`.
    fn count(
        domain: &Domain,
        scope: &Scope,
        after: i64,
        end: i64,
    ) -> impl Future<Output = Result<i64>> + Send;
}

/// Begins a stream of what is in `scope`, which is at `account`, behind the cursor `after` or at the present end.
pub(super) async fn open<N: News>(
    domain: &Domain,
    actor: &Actor,
    account: &AccountView,
    scope: Scope,
    after: Option<&str>,
) -> Result<BoxStream<'static, Result<Arc<N>>>> {
    let after = after.map(cursor::decode).transpose()?;
    // Listening begins before the end is read, so that nothing falls between the two.
    let (published, rights) = (domain.0.hub.listen(), domain.watch_rights());
    // From here on each change is heard of; what changed since the actor was made is looked for now.
    let allowed = domain.still_allowed(actor, account, N::NEEDS);
    let (actor, account) = allowed.boxed().await?;
    let end = box_::last_position(&domain.0.db).await?;
    let seen = match after {
        Some(after) if after > end => return Err(cursor::not_ours()),
        Some(after) => after,
        None => end,
    };
    let first = CHECK_RIGHTS_EVERY.mul_f32(rand::random());
    let mut checks = tokio::time::interval_at(Instant::now() + first, CHECK_RIGHTS_EVERY);
    checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let reader = Reader::<N> {
        domain: domain.clone(),
        actor,
        account,
        scope,
        published,
        rights,
        checks,
        seen,
        behind: seen < end,
        head_start: end - seen,
        ready: VecDeque::new(),
    };
    Ok(stream::try_unfold(reader, |mut reader| async move {
        let update = reader.next().await?;
        Ok(update.map(|update| (update, reader)))
    })
    .boxed())
}

struct Reader<N> {
    domain: Domain,
    actor: Actor,
    account: AccountView,
    scope: Scope,
    published: broadcast::Receiver<Arc<Published>>,
    rights: RightsWatch,
    checks: tokio::time::Interval,
    /// All positions up to this one were looked at.
    seen: i64,
    /// Whether the database has more than was seen.
    behind: bool,
    /// How far behind the stream began; 0 once it has caught up.
    head_start: i64,
    ready: VecDeque<Arc<N>>,
}

impl<N: News> Reader<N> {
    /// The next news; none when the process is shutting down.
    async fn next(&mut self) -> Result<Option<Arc<N>>> {
        loop {
            // A slow reader with much ready must not outlive its right.
            if self.rights.take_at(&self.actor, Some(self.account.path())) {
                self.check_rights().await?;
            }
            if let Some(update) = self.ready.pop_front() {
                return Ok(Some(update));
            }
            if self.behind {
                self.catch_up().await?;
                // Behind what was read, so that nothing is told that was recorded after the right was gone.
                self.check_rights().await?;
                continue;
            }
            tokio::select! {
                biased;
                () = self.rights.changed() => {}
                _ = self.checks.tick() => self.check_rights().await?,
                message = self.published.recv() => match message {
                    Ok(published) => self.look_at(&published),
                    Err(RecvError::Lagged(_)) => self.behind = true,
                    Err(RecvError::Closed) => return Ok(None),
                },
            }
        }
    }

    async fn check_rights(&mut self) -> Result<()> {
        let allowed = self.domain.still_allowed(&self.actor, &self.account, N::NEEDS);
        // In a box of its own: thousands of streams rest, and few look at their rights.
        (self.actor, self.account) = allowed.boxed().await?;
        self.checks.reset();
        Ok(())
    }

    fn look_at(&mut self, published: &Published) {
        if published.first > self.seen + 1 {
            self.behind = true;
        } else if published.position > self.seen {
            self.seen = published.position;
            self.ready.extend(self.wanted(published));
        }
    }

    fn wanted(&self, published: &Published) -> Option<Arc<N>> {
        let told = N::of(&published.told)?;
        let wanted = self.scope.covers(&published.path) && told.is_in(&self.scope);
        wanted.then(|| Arc::clone(told))
    }

    /// Reads one page of what the database has behind `seen`.
    async fn catch_up(&mut self) -> Result<()> {
        let end = box_::last_position(&self.domain.0.db).await?;
        self.check_lag(end).await?;
        let (news, upto) = N::behind(&self.domain, &self.scope, self.seen, end).await?;
        for published in &news {
            self.ready.extend(self.wanted(published));
        }
        self.seen = upto;
        let more = upto < end;
        self.behind = more;
        if !more {
            self.head_start = 0;
        }
        Ok(())
    }

    /// `Error::Lagged` if more is waiting at `end` than a stream may leave behind.
    async fn check_lag(&mut self, end: i64) -> Result<()> {
        let bound = self.domain.0.streams.max_lag;
        let allowed = i64::try_from(bound)
            .unwrap_or(i64::MAX)
            .saturating_add(self.head_start);
        // Most of what is waiting is about other accounts: it is counted only where it could be too much.
        if end - self.seen <= allowed {
            return Ok(());
        }
        let missed = N::count(&self.domain, &self.scope, self.seen, end).await?;
        if missed <= allowed {
            return Ok(());
        }
        metrics::counter!("canopy_streams_lagged_total").increment(1);
        Err(Error::Lagged {
            missed: u64::try_from(missed).unwrap_or_default(),
            resume_from: cursor::encode(self.seen),
        })
    }
}
