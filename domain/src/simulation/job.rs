//! Running dry runs: taking one, running it, and leaving it complete or ended, never half done.
//!
//! A worker holds a dry run by a lease that it renews with each report of progress. If the process ends in an orderly
//! way it gives the run back, to be run from the beginning; if it is killed the lease runs out, and whoever looks next
//! marks the run as failed. Results are written in the one transaction that says DONE.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use canopy_entity::simulation;
use canopy_entity::time::{self, Timestamp};
use canopy_entity::usage_aggregate::BucketLength;
use canopy_entity::{AccountId, AccountPath, UsageBatchId, account, rule_version};
use sea_orm::{ConnectionTrait, DatabaseConnection, EntityTrait};

use super::accounts::Accounts;
use super::before::Before;
use super::candidate::Candidate;
use super::page::{self, Edge};
use super::run::{self, Reading, Run, Watch};
use super::store::{self, Held};
use super::tally::Tally;
use crate::pricing::{Facts, configuration};
use crate::statement::{list, statement};
use crate::usage::bucket;
use crate::{Domain, Error, Result, transaction};

/// How often a run says how far it is.
const REPORT_EVERY: Duration = Duration::from_millis(500);
/// The longest that a run may take.
const MAX_TIME: Duration = Duration::from_secs(30 * 60);
/// How much earlier than it was used something may have been rated: clocks differ, and usage may be reported ahead.
const EARLY: chrono::Duration = chrono::Duration::hours(1);

const INTERRUPTED: &str = "The process that ran it ended before it was complete.";

/// The seller's own events are sold by another.
const EVENTS_OF: &str = "
SELECT CAST(COALESCE(SUM(tree_events - CASE WHEN account_id = $4 THEN events ELSE 0 END), 0) AS bigint) AS events
FROM (
  SELECT account_id, events, tree_events FROM usage_sums
  WHERE account_id IN [$1] AND granularity = 'DAY' AND bucket_start >= $2 AND bucket_start < $3
) AS days
";

const PENDING: &str = "
SELECT e.account_id, e.path, COUNT(*) AS events FROM usage_events e
WHERE e.rating_status = 'PENDING' AND strpos(e.path, $1) > 0 AND e.occurred_at >= $2 AND e.occurred_at < $3
GROUP BY e.account_id, e.path ORDER BY e.account_id
";

const PLACES: &str = "
SELECT path FROM accounts WHERE id IN [$1] UNION SELECT path FROM account_positions WHERE account_id IN [$1]
";

impl Domain {
    /// Runs the dry run that waits longest, if any, to its end; true if there was one. For a worker; `holder` names it
    /// among all workers of all processes.
    pub async fn run_simulation(&self, holder: &str) -> Result<bool> {
        let db = &self.0.db;
        let expired = store::expire(db, INTERRUPTED).await?;
        if expired > 0 {
            tracing::warn!(expired, "dry runs were left behind by a process that ended");
        }
        let Some(row) = store::take(db, holder).await? else {
            return Ok(false);
        };
        let held = Held { id: &row.id, holder };
        let ended = match self.run_held(&row, &held).await {
            Ok(()) => Ok(()),
            Err(error) => {
                let why = match &error {
                    Error::Internal(_) => "Something went wrong on our side.".to_owned(),
                    Error::RateLimited { .. } => "The sandbox for rules had no room for too long.".to_owned(),
                    told => told.to_string(),
                };
                // Whoever lost it, to a cancellation or to the lease, has nothing to say any more.
                let told = held.failed(db, &why).await?;
                match error {
                    Error::Internal(cause) if told => Err(Error::Internal(cause)),
                    _ => Ok(()),
                }
            }
        };
        self.0.simulations.moved.send_replace(());
        ended.map(|()| true)
    }

    /// Returns when there may be a dry run to take.
    pub async fn simulation_waiting(&self) {
        self.0.simulations.waiting.notified().await;
    }

    /// Gives back what a worker holds that is about to end. Another, or the next start, runs it from the beginning.
    pub async fn let_go_simulations(&self, holder: &str) -> Result<()> {
        store::let_go(&self.0.db, holder).await.map(drop)
    }

    /// Reads what a dry run would read and does nothing with it: what the benchmark compares with.
    #[doc(hidden)]
    pub async fn read_for_simulation(&self, seller: &account::Model, from: Timestamp) -> Result<u64> {
        run::count(&self.0.db, &seller.id, page::begin(from - EARLY)).await
    }

    async fn run_held(&self, row: &simulation::Model, held: &Held<'_>) -> Result<()> {
        let db = &self.0.db;
        let seller = seller(db, row).await?;
        let roots: Vec<AccountId> =
            serde_json::from_value(row.account_ids.clone()).map_err(Error::internal)?;
        let period = (row.period_from, row.period_to.unwrap_or(row.created_at));
        let total = expected(db, &seller.id, &roots, period).await?;
        if !held.expect(db, total).await? {
            return Ok(());
        }
        let mut edges: Vec<Edge> = buyers(db, &seller, &roots)
            .await?
            .iter()
            .map(|buyer| Edge::of(&seller.id, Some(buyer)))
            .collect();
        if roots.is_empty() {
            edges.push(Edge::of(&seller.id, None));
        }
        let reading = Reading {
            db: db.clone(),
            edges,
            after: page::begin(row.period_from - EARLY),
            end: UsageBatchId::new(),
            receipts: row.verify,
        };
        let mut run = Run {
            candidate: self.candidate(row, &seller).await?,
            period: (row.period_from, row.period_to),
            accounts: Accounts::below(&seller.id, roots.clone()),
            before: Before::new(row.period_from),
            sums: Tally::default(),
            failure: None,
        };
        let mut report = Report {
            domain: self.clone(),
            held,
            started: Instant::now(),
            last: None,
        };
        run.all(reading, &mut report).await?;
        report.tell(&run.sums, run.failure.as_deref()).await?;
        let pending = pending(db, &seller.id, &roots, period).await?;
        let (accounts, pending) = (&run.accounts, &pending);
        transaction::run(&self.0.writer, "complete-simulation", |txn| {
            transaction::work(async move { held.done(txn, accounts, pending).await.map(drop) })
        })
        .await
    }

    /// The candidate of a simulation, ready to be asked. It is not charged to its owner's budget, which is for live
    /// calls.
    pub(super) async fn candidate(
        &self,
        row: &simulation::Model,
        seller: &account::Model,
    ) -> Result<Candidate> {
        let version = rule_version::Entity::find_by_id(row.rule_version_id.clone())
            .one(&self.0.db)
            .await?
            .ok_or(Error::NotFound("rule version"))?;
        let facts = Facts::read(&self.0.db, [&seller.path]).await?;
        Ok(Candidate {
            host: self.0.rules.clone(),
            rule: self.loaded_rule(&version).await?.for_nobody(version.id.as_str()),
            seller: seller.id.clone(),
            currency: row.currency.clone(),
            configuration: match &row.configuration {
                Some(given) => given.to_string(),
                None => configuration(&version),
            },
            allow_below_cost: facts
                .accounts
                .get(&seller.id)
                .is_some_and(|facts| facts.allow_below_cost),
            itself: row.configuration.is_none().then_some(version.id),
            unavailable: AtomicBool::new(false),
        })
    }
}

/// Reports progress, and ends a run that was cancelled or takes too long.
struct Report<'a> {
    domain: Domain,
    held: &'a Held<'a>,
    started: Instant,
    last: Option<Instant>,
}

impl Report<'_> {
    async fn tell(&mut self, sums: &Tally, failure: Option<&str>) -> Result<()> {
        self.last = Some(Instant::now());
        if !self
            .held
            .moved(&self.domain.0.db, sums, failure, time::now())
            .await?
        {
            return Err(Error::conflict(&[], "The simulation was ended."));
        }
        self.domain.0.simulations.moved.send_replace(());
        Ok(())
    }
}

impl Watch for Report<'_> {
    async fn moved(&mut self, sums: &Tally, failure: Option<&str>) -> Result<()> {
        if self.started.elapsed() > MAX_TIME {
            let message = format!(
                "It took longer than {} minutes: take a shorter period.",
                MAX_TIME.as_secs() / 60
            );
            return Err(Error::bad_input(&["period"], message));
        }
        match self.last {
            Some(last) if last.elapsed() < REPORT_EVERY => Ok(()),
            _ => self.tell(sums, failure).await,
        }
    }
}

/// Whose edge it is.
pub(super) async fn seller(db: &impl ConnectionTrait, row: &simulation::Model) -> Result<account::Model> {
    let seller = account::Entity::find_by_id(row.account_id.clone())
        .one(db)
        .await?;
    seller.ok_or(Error::NotFound("account"))
}

/// The seller's customers that the accounts that were named stand or stood below.
async fn buyers(
    db: &impl ConnectionTrait,
    seller: &account::Model,
    named: &[AccountId],
) -> Result<BTreeSet<AccountId>> {
    let statement = statement(db.get_database_backend(), PLACES, [list(named)]);
    let mut buyers = BTreeSet::new();
    for row in db.query_all_raw(statement).await? {
        let path: AccountPath = row.try_get("", "path")?;
        let seller = (0..path.depth()).find(|place| path.at(*place).as_ref() == Some(&seller.id));
        buyers.extend(seller.and_then(|seller| path.at(seller + 1)));
    }
    Ok(buyers)
}

/// How many events there are at most: those of all days that the period touches.
async fn expected(
    db: &impl ConnectionTrait,
    seller: &AccountId,
    roots: &[AccountId],
    (from, to): (Timestamp, Timestamp),
) -> Result<i64> {
    let ids = match roots {
        [] => std::slice::from_ref(seller),
        roots => roots,
    };
    let from = bucket::start_of(BucketLength::Day, from);
    let values = [list(ids), from.into(), to.into(), seller.as_str().into()];
    let row = db
        .query_one_raw(statement(db.get_database_backend(), EVENTS_OF, values))
        .await?;
    let row = row.ok_or_else(|| Error::internal("an aggregate without a row"))?;
    Ok(row.try_get("", "events")?)
}

/// How many events of each account wait for their price.
async fn pending(
    db: &DatabaseConnection,
    seller: &AccountId,
    roots: &[AccountId],
    (from, to): (Timestamp, Timestamp),
) -> Result<BTreeMap<AccountId, i64>> {
    let edge = format!("{seller}/{}", AccountId::PREFIX);
    let values = [edge.into(), from.into(), to.into()];
    let rows = db
        .query_all_raw(statement(db.get_database_backend(), PENDING, values))
        .await?;
    let mut pending = BTreeMap::new();
    for row in rows {
        let path: AccountPath = row.try_get("", "path")?;
        if roots.is_empty() || roots.iter().any(|root| path.leads_through(root)) {
            let events: i64 = row.try_get("", "events")?;
            *pending.entry(row.try_get("", "account_id")?).or_default() += events;
        }
    }
    Ok(pending)
}
