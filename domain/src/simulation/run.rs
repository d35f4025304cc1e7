//! Running a candidate over the pages of an edge: one task reads ahead while another prices.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use canopy_entity::time::Timestamp;
use canopy_entity::{AccountId, UsageBatchId};
use sea_orm::DatabaseConnection;
use tokio::sync::mpsc;

use super::accounts::Accounts;
use super::before::Before;
use super::candidate::{Candidate, Event};
use super::page::{self, Edge, Page, Row};
use super::tally::Tally;
use crate::{Error, Result};

/// Pages that wait to be priced.
const READ_AHEAD: usize = 2;

/// What is run.
pub(super) struct Run {
    pub(super) candidate: Candidate,
    /// The first instant that counts, and the first after it; none for all that comes.
    pub(super) period: (Timestamp, Option<Timestamp>),
    pub(super) accounts: Accounts,
    pub(super) before: Before,
    /// All that was counted so far, without how the changes are spread.
    pub(super) sums: Tally,
    /// The words of the first failure.
    pub(super) failure: Option<String>,
}

/// Told after each page how far the run is; an error ends the run.
pub(super) trait Watch: Send {
    fn moved(&mut self, sums: &Tally, failure: Option<&str>) -> impl Future<Output = Result<()>> + Send;
}

/// Which prices are read: of which edges of a seller, those behind a position, of batches before `end`.
pub(super) struct Reading {
    pub(super) db: DatabaseConnection,
    pub(super) edges: Vec<Edge>,
    pub(super) after: String,
    pub(super) end: UsageBatchId,
    pub(super) receipts: bool,
}

impl Reading {
    /// Reads all pages, and waits when nobody takes them.
    async fn send(self, pages: mpsc::Sender<Result<Page>>) {
        for edge in &self.edges {
            let mut after = self.after.clone();
            loop {
                let page = page::read(&self.db, edge, &after, &self.end, self.receipts).await;
                let page = match page {
                    Ok(Some(page)) => Ok(page),
                    Ok(None) => break,
                    Err(error) => Err(error),
                };
                let ends = page.as_ref().map_or(true, |page| page.events < page::PAGE);
                if let Ok(page) = &page {
                    after.clone_from(&page.last);
                }
                let failed = page.is_err();
                if pages.send(page).await.is_err() || failed {
                    return;
                }
                if ends {
                    break;
                }
            }
        }
    }
}

/// How many events the pages of a seller's edge hold, rated from `from` on; nothing is done with them.
pub(super) async fn count(db: &DatabaseConnection, seller: &AccountId, from: String) -> Result<u64> {
    let reading = Reading {
        db: db.clone(),
        edges: vec![Edge::of(seller, None)],
        after: from,
        end: UsageBatchId::new(),
        receipts: false,
    };
    let (sender, mut pages) = mpsc::channel(READ_AHEAD);
    let count = async move {
        let mut events = 0;
        while let Some(page) = pages.recv().await {
            let page: Page = page?;
            events += page.events as u64;
        }
        Ok(events)
    };
    let (counted, ()) = futures_util::join!(count, reading.send(sender));
    counted
}

impl Run {
    /// Runs all that `reading` reads.
    pub(super) async fn all(&mut self, reading: Reading, watch: &mut impl Watch) -> Result<()> {
        let db = reading.db.clone();
        let (sender, mut pages) = mpsc::channel(READ_AHEAD);
        // When pricing ends `pages` goes with it, and the reader has nobody to read for: an error ends both.
        let price = async move {
            while let Some(page) = pages.recv().await {
                self.page(&db, &page?).await?;
                watch.moved(&self.sums, self.failure.as_deref()).await?;
            }
            Ok(())
        };
        let (done, ()) = futures_util::join!(price, reading.send(sender));
        done
    }

    /// Runs the events of one page.
    pub(super) async fn page(&mut self, db: &DatabaseConnection, page: &Page) -> Result<()> {
        let rows = page.rows()?;
        self.meet(db, &rows).await?;
        let mut events = Vec::with_capacity(rows.len());
        for row in &rows {
            let place = self.accounts.place(row.below);
            let place = place.ok_or_else(|| Error::internal("usage of an account that is not there"))?;
            if !self.is_within(row.occurred) {
                continue;
            }
            let met = self.accounts.at(place);
            let (plan, period) = match row.facts {
                Some((plan, period)) => {
                    if self.before.knows(&met.buyer) {
                        self.before.count(&met.buyer, row)?;
                    }
                    (Some(plan), period)
                }
                None => (None, self.before.count(&met.buyer, row)?),
            };
            if met.asked {
                events.push(Event {
                    place,
                    plan,
                    period,
                    row: *row,
                });
            }
        }
        events.sort_by_key(|event| event.place);
        self.candidate
            .run(&mut self.accounts, &events, &mut self.sums, &mut self.failure)
            .await;
        match self.candidate.unavailable.load(Ordering::Relaxed) {
            true => Err(Error::busy()),
            false => Ok(()),
        }
    }

    /// Reads what is to be known of the accounts of `rows` that were not met before.
    async fn meet(&mut self, db: &DatabaseConnection, rows: &[Row<'_>]) -> Result<()> {
        let unknown = rows.iter().map(|row| row.below);
        let unknown: BTreeSet<&str> = unknown
            .filter(|below| self.accounts.place(below).is_none())
            .collect();
        self.accounts.meet(db, unknown).await?;
        let mut passed_on: BTreeMap<AccountId, Vec<&Row<'_>>> = BTreeMap::new();
        for row in rows.iter().filter(|row| row.facts.is_none()) {
            let Some(place) = self.accounts.place(row.below) else {
                continue;
            };
            let buyer = &self.accounts.at(place).buyer;
            if !self.before.knows(buyer) {
                passed_on.entry(buyer.clone()).or_default().push(row);
            }
        }
        for (buyer, rows) in &passed_on {
            self.before.meet(db, buyer, rows).await?;
        }
        Ok(())
    }

    /// Whether the period holds this instant, in microseconds since 1970.
    fn is_within(&self, occurred: i64) -> bool {
        let (from, to) = self.period;
        occurred >= from.timestamp_micros() && to.is_none_or(|to| occurred < to.timestamp_micros())
    }
}
