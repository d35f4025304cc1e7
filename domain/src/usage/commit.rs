//! Recording a batch: what is new is priced and written in one transaction, again and again until nothing that the prices
//! depend on has changed between the two.

use std::collections::HashMap;
use std::sync::Arc;

use canopy_entity::{AccountId, AccountPath, time, usage_event};
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult};

use super::periods;
use super::values::{self, Unfit};
use super::write::{self, KeyTaken, Ready};
use crate::pricing::{Facts, Line, Outcome, Totals};
use crate::statement::{array, list, statement};
use crate::{Domain, Error, Result, transaction};

/// How often a batch is begun again because an account or a rule changed meanwhile, since a key was taken, or as an account was
/// moved.
const MAX_PRICINGS: usize = 8;

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
    ///
    /// Most keys are new. So only those are looked up first that were recorded lately, as far as this process knows: the
    /// database refuses one that is taken, and then nothing of the batch was written. Neither is anything refused whose key
    /// was not looked up, since a retry is answered as it was.
    pub(super) async fn commit_usage(&self, rows: Vec<Arc<usage_event::Model>>) -> Result<Vec<Fate>> {
        let mut fates: Vec<Option<Fate>> = vec![None; rows.len()];
        let mut new: Vec<(usize, Arc<usage_event::Model>)> = rows.into_iter().enumerate().collect();
        let mut looks_up_all = self.0.intake.expects_retries();
        for _ in 0..MAX_PRICINGS {
            self.look_up(&mut new, &mut fates, looks_up_all).await?;
            if new.is_empty() {
                break;
            }
            let facts = self.facts_of(new.iter().map(|(_, row)| &row.path)).await?;
            if stood_elsewhere(&facts, &mut new) {
                continue;
            }
            let now = time::now();
            for (_, row) in &mut new {
                periods::place(&facts, row, now);
            }
            let (ready, refused) = self.price(&facts, &new).await?;
            if !refused.is_empty() && !looks_up_all {
                looks_up_all = true;
                continue;
            }
            for (place, fate) in refused {
                fates[place] = Some(fate);
            }
            new.retain(|(place, _)| fates[*place].is_none());
            match self.write(&facts, &ready, looks_up_all).await? {
                Written::All(written) => {
                    for (ready, fate) in ready.iter().zip(written) {
                        fates[ready.place] = Some(fate);
                    }
                    new.clear();
                }
                Written::NothingAsPricesChanged => {}
                Written::NothingAsKeysAreTaken => looks_up_all = true,
            }
        }
        let decided: Option<Vec<Fate>> = fates.into_iter().collect();
        decided.ok_or_else(Error::busy)
    }

    /// Takes out what is known already, which has its fate then: looks up all keys, or those that may have been recorded
    /// lately.
    async fn look_up(
        &self,
        new: &mut Vec<(usize, Arc<usage_event::Model>)>,
        fates: &mut [Option<Fate>],
        all: bool,
    ) -> Result<()> {
        let intake = &self.0.intake;
        let unsure = new
            .iter()
            .filter(|(_, row)| all || intake.recent_keys.may_have(&row.account_id, &row.idempotency_key));
        let known = known_by_key(&self.0.db, unsure.map(|(_, row)| row.as_ref())).await?;
        if known
            .keys()
            .any(|(account, key)| !intake.recent_keys.may_have(account, key))
        {
            intake.met_retry();
        }
        new.retain(|(place, row)| match known.get(&key(row)) {
            None => true,
            Some(known) => {
                intake.recent_keys.note(&known.account_id, &known.idempotency_key);
                fates[*place] = Some(Fate::Known(Arc::clone(known)));
                false
            }
        });
        Ok(())
    }

    async fn write(&self, facts: &Facts, ready: &[Ready], looked_up: bool) -> Result<Written> {
        if ready.is_empty() {
            return Ok(Written::All(Vec::new()));
        }
        let faults = &self.0.faults;
        let written = transaction::run(&self.0.writer, "record-usage", |txn| {
            transaction::work(async move { write::batch(txn, faults, facts, ready, looked_up).await })
        });
        match written.await {
            Ok(Some(written)) => {
                self.0.hub.written();
                for fate in &written {
                    if let Fate::Recorded(row) = fate {
                        self.0
                            .intake
                            .recent_keys
                            .note(&row.account_id, &row.idempotency_key);
                    }
                }
                faults.check("usage.committed")?;
                Ok(Written::All(written))
            }
            Ok(None) => Ok(Written::NothingAsPricesChanged),
            Err(Error::Internal(cause)) if cause.is::<KeyTaken>() => Ok(Written::NothingAsKeysAreTaken),
            Err(error) => Err(error),
        }
    }

    /// Prices what is new; answers what may be recorded, and the fate of what cannot be as things stand.
    async fn price(
        &self,
        facts: &Facts,
        new: &[(usize, Arc<usage_event::Model>)],
    ) -> Result<(Vec<Ready>, Vec<(usize, Fate)>)> {
        let mut refused = Vec::new();
        let fit = new.iter().filter(|(place, row)| {
            let fate = match facts.all_active(&row.path) {
                false => Some(Fate::Inactive),
                true => values::unfit(facts, row).map(Fate::Unfit),
            };
            let is_fit = fate.is_none();
            refused.extend(fate.map(|fate| (*place, fate)));
            is_fit
        });
        let fit: Vec<&(usize, Arc<usage_event::Model>)> = fit.collect();
        let lines: Vec<Line<'_>> = fit.iter().map(|(_, row)| line(row)).collect();
        let totals = Totals::read(&self.0.db, facts, &lines).await?;
        let prices = self.rate(facts, &lines, totals).await?;
        self.0.faults.check("usage.priced")?;

        let mut ready = Vec::with_capacity(fit.len());
        for ((place, row), outcome) in fit.into_iter().zip(prices) {
            let edges = match outcome {
                Outcome::Rated(edges) => Some(edges),
                Outcome::Pending => None,
                Outcome::Throttled => {
                    refused.push((*place, Fate::Throttled));
                    continue;
                }
                Outcome::Denied { seller, message } => {
                    refused.push((*place, Fate::Denied { seller, message }));
                    continue;
                }
            };
            ready.push(Ready {
                place: *place,
                row: Arc::clone(row),
                edges,
            });
        }
        Ok((ready, refused))
    }
}

/// Puts events of accounts that were moved where these stood when something was used: those who stood above then sold it.
/// True if there were any; the facts are of other paths then.
fn stood_elsewhere(facts: &Facts, new: &mut [(usize, Arc<usage_event::Model>)]) -> bool {
    let mut elsewhere = false;
    for (_, row) in new {
        let stood = facts.stood(&row.account_id, row.occurred_at);
        if let Some(path) = stood.filter(|path| **path != row.path) {
            Arc::make_mut(row).path = path.clone();
            elsewhere = true;
        }
    }
    elsewhere
}

/// What became of a batch that was to be written.
enum Written {
    /// The fate of each event.
    All(Vec<Fate>),
    NothingAsPricesChanged,
    NothingAsKeysAreTaken,
}

/// The events that have the keys of `rows`, by account and key.
async fn known_by_key<'a>(
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

fn key(row: &usage_event::Model) -> (AccountId, String) {
    (row.account_id.clone(), row.idempotency_key.clone())
}

/// What pricing needs to know of an event.
pub(super) fn line(row: &usage_event::Model) -> Line<'_> {
    Line {
        path: &row.path,
        meter: &row.meter,
        quantity: row.quantity,
        occurred_at: row.occurred_at,
        counted_at: row.counts_at(),
        attributes: Some(&row.attributes),
    }
}
