//! News of usage that is kept back for a while and told as one update: with the last event, and what all of them add up to.
//!
//! A window opens with the first news after what was told, and is told when it closes, so that a stream has at most one
//! update in the time of a window. The cursor is that of the last event: what the update stands for lies before it, and
//! everything else behind.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use canopy_entity::AccountId;
use futures_util::stream::{self, BoxStream, Fuse, Stream, StreamExt};
use tokio::time::Instant;

use super::{UsageSum, UsageUpdate};
use crate::{Error, Micros, Money, Result};

/// So many sums are in one update; a window that would have more is told before it closes.
const MAX_SUMS: usize = 1_000;

type News = BoxStream<'static, Result<Arc<UsageUpdate>>>;

/// What `news` tells, in windows of `every`.
pub(super) fn windows(
    news: News,
    every: Duration,
) -> impl Stream<Item = Result<Arc<UsageUpdate>>> + Send + use<> {
    let windows = Windows {
        news: news.fuse(),
        every,
        open: None,
        failed: None,
    };
    stream::unfold(windows, |mut windows| async move {
        let update = windows.next().await?;
        Some((update, windows))
    })
}

struct Windows {
    news: Fuse<News>,
    every: Duration,
    open: Option<Window>,
    /// What is to be told when the window was.
    failed: Option<Error>,
}

impl Windows {
    /// The next update; none when there is no more news.
    async fn next(&mut self) -> Option<Result<Arc<UsageUpdate>>> {
        loop {
            if let Some(error) = self.failed.take() {
                return Some(Err(error));
            }
            let closes = self.open.as_ref().map_or_else(Instant::now, |open| open.closes);
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(closes), if self.open.is_some() => return self.close(),
                news = self.news.next() => match news {
                    Some(Ok(update)) => match self.keep(update) {
                        Ok(None) => {}
                        Ok(Some(full)) => return Some(Ok(full)),
                        Err(error) => return Some(Err(error)),
                    },
                    Some(Err(error)) => {
                        // Where to go on is behind what was kept back. Otherwise the right may be gone: it stays untold,
                        // and whoever goes on behind the last update gets it then.
                        let told = match error {
                            Error::Lagged { .. } => self.close(),
                            _ => None,
                        };
                        self.open = None;
                        self.failed = Some(error);
                        if told.is_some() {
                            return told;
                        }
                    }
                    None => return self.close(),
                },
            }
        }
    }

    /// Takes news into the window; answers the window before if it had no room for it.
    fn keep(&mut self, update: Arc<UsageUpdate>) -> Result<Option<Arc<UsageUpdate>>> {
        if let Some(open) = &mut self.open
            && open.add(&update)?
        {
            return Ok(None);
        }
        let full = self.open.replace(Window::open(update, self.every)?);
        Ok(full.map(Window::into_update))
    }

    fn close(&mut self) -> Option<Result<Arc<UsageUpdate>>> {
        self.open.take().map(|open| Ok(open.into_update()))
    }
}

/// News that is kept back.
struct Window {
    closes: Instant,
    last: Arc<UsageUpdate>,
    sums: BTreeMap<(AccountId, String), UsageSum>,
}

impl Window {
    fn open(update: Arc<UsageUpdate>, every: Duration) -> Result<Self> {
        let sum = update.own_sum()?;
        Ok(Self {
            closes: Instant::now() + every,
            sums: BTreeMap::from([((sum.account.clone(), sum.meter.clone()), sum)]),
            last: update,
        })
    }

    /// Adds news; false if there is no room for it.
    fn add(&mut self, update: &Arc<UsageUpdate>) -> Result<bool> {
        let added = update.own_sum()?;
        let has_room = self.sums.len() < MAX_SUMS;
        match self.sums.entry((added.account.clone(), added.meter.clone())) {
            Entry::Vacant(_) if !has_room => return Ok(false),
            Entry::Vacant(place) => {
                place.insert(added);
            }
            Entry::Occupied(mut sum) => match together(sum.get(), added) {
                Some(both) => drop(sum.insert(both)),
                None => return Ok(false),
            },
        }
        self.last = Arc::clone(update);
        Ok(true)
    }

    fn into_update(self) -> Arc<UsageUpdate> {
        let last = &self.last;
        let update = UsageUpdate::new(last.cursor.clone(), last.kind, last.event.clone(), None);
        Arc::new(UsageUpdate {
            sums: Some(self.sums.into_values().collect()),
            ..update
        })
    }
}

/// Both sums, which are of one account and meter; none if no exact number holds them.
fn together(one: &UsageSum, other: UsageSum) -> Option<UsageSum> {
    let add = |one: Micros, other: Micros| Micros::new(one.get().checked_add(other.get())?).ok();
    let amount = match (&one.amount, other.amount) {
        (None, amount) => amount,
        (Some(amount), None) => Some(amount.clone()),
        (Some(one), Some(other)) if one.currency == other.currency => Some(Money {
            amount: add(one.amount, other.amount)?,
            currency: other.currency,
        }),
        (Some(_), Some(_)) => return None,
    };
    Some(UsageSum {
        quantity: add(one.quantity, other.quantity)?,
        events: one.events + other.events,
        amount,
        ..other
    })
}

#[cfg(test)]
mod tests;
