//! Recording a batch: what is new is priced and written in one transaction, again and again until nothing that the prices
//! depend on has changed between the two.

use std::collections::HashMap;
use std::sync::Arc;

use canopy_entity::{AccountId, AccountPath, time, usage_event};
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult};

use super::periods;
use super::values::{self, Unfit};
use super::write::{self, Ready};
use crate::pricing::{Facts, Line, Outcome, Totals};
use crate::statement::{array, list, statement};
use crate::{Domain, Error, Result, transaction};

/// How often a batch is priced again because an account or a rule changed meanwhile.
const MAX_PRICINGS: usize = 5;

/// Each pair of account and key is looked up in the index.
const KNOWN_POSTGRES: &str = "
SELECT e.* FROM unnest($1::text[], $2::text[]) AS pair (account_id, idempotency_key)
JOIN usage_events e ON e.account_id = pair.account_id AND e.idempotency_key = pair.idempotency_key
";
const KNOWN_SQLITE: &str = "
SELECT e.* FROM json_each($1) AS pair
CROSS JOIN usage_events e ON e.account_id = json_extract(pair.value, '$[0]')
  AND e.idempotency_key = json_extract(pair.value, '$[1]')
";

/// What became of an event.
#[derive(Debug, Clone)]
pub(super) enum Fate {
    Recorded(Arc<usage_event::Model>),
    /// Its key is taken, by the same event or another.
    Known(Arc<usage_event::Model>),
    /// Its account, or one above, is not in use.
    Inactive,
    /// The plan of its account does not take it.
    Unfit(Unfit),
    /// The credits of its account do not suffice, or those of one above.
    Unpaid {
        its_own: bool,
    },
    /// The rule of a seller has no answer, and usage is to be refused then.
    Denied {
        seller: AccountPath,
        message: String,
    },
    /// A rule was not asked, as its owner has used up its fuel for now.
    Throttled,
}

impl Domain {
    /// Records events with different keys; answers the fate of each, in order.
    pub(super) async fn commit_usage(&self, rows: Vec<Arc<usage_event::Model>>) -> Result<Vec<Fate>> {
        let mut fates: Vec<Option<Fate>> = vec![None; rows.len()];
        let known = known_by_key(&self.0.db, rows.iter().map(AsRef::as_ref)).await?;
        let mut new: Vec<(usize, Arc<usage_event::Model>)> = Vec::with_capacity(rows.len());
        for (place, row) in rows.into_iter().enumerate() {
            match known.get(&key(&row)) {
                Some(known) => fates[place] = Some(Fate::Known(known.clone())),
                None => new.push((place, row)),
            }
        }
        for _ in 0..MAX_PRICINGS {
            if new.is_empty() {
                break;
            }
            let facts = self
                .0
                .facts
                .of(&self.0.db, new.iter().map(|(_, row)| &row.path))
                .await?;
            let now = time::now();
            for (_, row) in &mut new {
                periods::place(&facts, row, now);
            }
            let ready = self.price(&facts, &mut new, &mut fates).await?;
            let (domain, facts, ready) = (self, &facts, &ready);
            let written = transaction::run(&self.0.db, "record-usage", |txn| {
                transaction::work(async move { write::batch(txn, &domain.0.faults, facts, ready).await })
            })
            .await?;
            if let Some(written) = written {
                self.0.hub.written();
                self.0.faults.check("usage.committed")?;
                for (ready, fate) in ready.iter().zip(written) {
                    fates[ready.place] = Some(fate);
                }
                new.clear();
            }
        }
        let decided: Option<Vec<Fate>> = fates.into_iter().collect();
        decided.ok_or_else(Error::busy)
    }

    /// Prices what is new; what cannot be recorded as things stand has its fate then.
    async fn price(
        &self,
        facts: &Facts,
        new: &mut Vec<(usize, Arc<usage_event::Model>)>,
        fates: &mut [Option<Fate>],
    ) -> Result<Vec<Ready>> {
        new.retain(|(place, row)| {
            let is_active = facts.all_active(&row.path);
            if !is_active {
                fates[*place] = Some(Fate::Inactive);
            }
            let unfit = values::unfit(facts, row).filter(|_| is_active);
            let is_fit = unfit.is_none();
            if let Some(unfit) = unfit {
                fates[*place] = Some(Fate::Unfit(unfit));
            }
            is_active && is_fit
        });
        let lines: Vec<Line> = new.iter().map(|(_, row)| line(row)).collect();
        let totals = Totals::read(&self.0.db, facts, &lines).await?;
        let prices = self.rate(facts, &lines, totals).await?;
        self.0.faults.check("usage.priced")?;

        let mut ready = Vec::with_capacity(new.len());
        for ((place, row), outcome) in new.iter().zip(prices) {
            let edges = match outcome {
                Outcome::Rated(edges) => Some(edges),
                Outcome::Pending => None,
                Outcome::Throttled => {
                    fates[*place] = Some(Fate::Throttled);
                    continue;
                }
                Outcome::Denied { seller, message } => {
                    fates[*place] = Some(Fate::Denied { seller, message });
                    continue;
                }
            };
            ready.push(Ready {
                place: *place,
                row: row.clone(),
                edges,
            });
        }
        Ok(ready)
    }
}

/// The events that have the keys of `rows`, by account and key.
pub(super) async fn known_by_key<'a>(
    db: &impl ConnectionTrait,
    rows: impl IntoIterator<Item = &'a usage_event::Model>,
) -> Result<HashMap<(AccountId, String), Arc<usage_event::Model>>> {
    let pairs: Vec<_> = rows
        .into_iter()
        .map(|row| (row.account_id.as_str(), row.idempotency_key.as_str()))
        .collect();
    if pairs.is_empty() {
        return Ok(HashMap::new());
    }
    let backend = db.get_database_backend();
    let known = match backend {
        DbBackend::Sqlite => statement(backend, KNOWN_SQLITE, [list(pairs)]),
        _ => {
            let (ids, keys) = pairs.into_iter().unzip();
            statement(backend, KNOWN_POSTGRES, [ids, keys].map(array))
        }
    };
    let known = usage_event::Model::find_by_statement(known);
    let known = known.all(db).await?.into_iter();
    Ok(known.map(|row| (key(&row), Arc::new(row))).collect())
}

pub(super) fn key(row: &usage_event::Model) -> (AccountId, String) {
    (row.account_id.clone(), row.idempotency_key.clone())
}

/// What pricing needs to know of an event.
pub(super) fn line(row: &usage_event::Model) -> Line {
    Line {
        path: row.path.clone(),
        meter: row.meter.clone(),
        quantity: row.quantity,
        occurred_at: row.occurred_at,
        counted_at: row.counts_at(),
        attributes: Some(row.attributes.clone()),
    }
}
