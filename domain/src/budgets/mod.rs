//! What answers may cost in a while: points that an account draws from its own budget and from those above it.
//!
//! The buckets are in the database, for all processes together. A process draws from them in portions and spends a
//! portion by itself, so that most requests ask nobody. What is left of a portion when the process ends is lost, and
//! comes back with time like all else.

mod bucket;
mod store;

use std::sync::Arc;
use std::time::{Duration, Instant};

use canopy_entity::{AccountId, AccountPath};
use futures_util::FutureExt;
use quick_cache::sync::Cache;
use tokio::sync::Mutex;

use crate::{Actor, Domain, Error, Result};
use bucket::Allowance;
use store::Drawn;

/// How many portions a budget has: so much of it may be in the hands of one process, unspent.
const PORTIONS: u64 = 16;
/// How many accounts' portions a process keeps. The one that was not used for longest is given up.
const KEPT: usize = 20_000;

/// How large budgets are.
#[derive(Debug, Clone, Copy, Default)]
pub struct BudgetSettings {
    /// The points of a root account; 0 means that nobody has a budget.
    pub capacity: u64,
    /// The points that come back to a root account in a second; 0 means that none do.
    pub restored: u64,
    /// How much of its parent's budget an account has, in percent.
    pub child_share: u64,
    /// What every account has at least, so that it can pay for the dearest answer.
    pub least: u64,
}

impl BudgetSettings {
    /// What an account has that stands below so many others.
    fn allowance(&self, depth: usize) -> Allowance {
        let share = |of: u64| (0..depth).fold(of, |points, _| points.saturating_mul(self.child_share) / 100);
        Allowance {
            capacity: share(self.capacity).max(self.least),
            // However deep it stands, what it spent comes back some time.
            restored: share(self.restored).max(self.restored.min(1)),
        }
    }
}

/// The portions that this process holds.
pub(crate) struct Budgets {
    settings: BudgetSettings,
    held: Cache<AccountId, Arc<Mutex<Portion>>>,
}

/// What a process drew for an account and did not spend.
#[derive(Debug, Default)]
struct Portion {
    points: u64,
    /// What was left in the emptiest bucket when it was drawn.
    left: u64,
    /// Not to be asked again for so many points before then.
    short: Option<(u64, Instant)>,
}

/// Where an account stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// The points of a full budget.
    pub limit: u64,
    /// The points that are left, as far as this process knows.
    pub remaining: u64,
    /// The points that come back in a second.
    pub restore_rate: u64,
}

/// Points that were taken for an answer that is not there yet. What is not settled counts as spent.
#[must_use = "an answer that cost less gets the rest back"]
pub struct Charge {
    taken: u64,
    held: Option<(Arc<Mutex<Portion>>, Allowance)>,
}

impl Budgets {
    pub(crate) fn new(settings: BudgetSettings) -> Self {
        Self {
            settings,
            held: Cache::new(KEPT),
        }
    }

    fn portion_of(&self, account_id: &AccountId) -> Arc<Mutex<Portion>> {
        self.held
            .get_or_insert_with(account_id, || Ok::<_, std::convert::Infallible>(Arc::default()))
            .unwrap_or_else(|never| match never {})
    }
}

impl Domain {
    /// Takes `points` for an answer from the budget of the account that the actor acts on, and of all above it.
    /// `Error::RateLimited` if one of them has too few. Who acts on no account has no budget.
    pub async fn charge(&self, actor: &Actor, points: u64) -> Result<Charge> {
        let budgets = &self.0.budgets;
        let Some((account_id, path)) = actor.acting_on_path().filter(|_| budgets.settings.capacity > 0)
        else {
            return Ok(Charge {
                taken: points,
                held: None,
            });
        };
        let allowance = budgets.settings.allowance(path.depth());
        let held = budgets.portion_of(account_id);
        self.take(&mut *held.lock().await, path, allowance, points)
            .await?;
        Ok(Charge {
            taken: points,
            held: Some((held, allowance)),
        })
    }

    async fn take(
        &self,
        portion: &mut Portion,
        path: &AccountPath,
        allowance: Allowance,
        points: u64,
    ) -> Result<()> {
        if portion.points < points {
            let least = points - portion.points;
            portion.refuse_early(least)?;
            let wish = least.max(allowance.capacity / PORTIONS);
            match store::draw(self, path, least, wish).boxed().await? {
                Drawn::Granted { points, left } => {
                    portion.points += points;
                    portion.left = left;
                    portion.short = None;
                }
                Drawn::Short(retry_after) => {
                    metrics::counter!("canopy_budget_refusals_total").increment(1);
                    portion.short = Some((least, Instant::now() + retry_after));
                    return Err(Error::RateLimited { retry_after });
                }
            }
        }
        portion.points -= points;
        Ok(())
    }
}

impl Portion {
    /// Whoever was told to wait and does not is refused without asking the database again.
    fn refuse_early(&self, wanted: u64) -> Result<()> {
        let Some((points, until)) = self.short else {
            return Ok(());
        };
        let retry_after = until.saturating_duration_since(Instant::now());
        if wanted < points || retry_after == Duration::ZERO {
            return Ok(());
        }
        Err(Error::RateLimited { retry_after })
    }
}

impl Charge {
    /// Gives back what the answer did not cost: where the account stands now, if it has a budget.
    pub async fn settle(self, actual: u64) -> Option<Budget> {
        let (held, allowance) = self.held?;
        let mut portion = held.lock().await;
        portion.points += self.taken.saturating_sub(actual);
        Some(Budget {
            limit: allowance.capacity,
            remaining: portion
                .points
                .saturating_add(portion.left)
                .min(allowance.capacity),
            restore_rate: allowance.restored,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_has_a_share_and_never_less_than_the_dearest_answer() {
        let settings = BudgetSettings {
            capacity: 1_000,
            restored: 100,
            child_share: 50,
            least: 200,
        };
        let of = |depth| settings.allowance(depth);
        assert_eq!((of(0).capacity, of(0).restored), (1_000, 100));
        assert_eq!((of(2).capacity, of(2).restored), (250, 25));
        assert_eq!((of(5).capacity, of(5).restored), (200, 3));
        assert_eq!(of(60).restored, 1);
    }

    #[test]
    fn who_does_not_wait_is_refused_without_being_looked_at_again() {
        let mut portion = Portion::default();
        assert!(portion.refuse_early(10).is_ok());
        portion.short = Some((10, Instant::now() + Duration::from_secs(60)));
        assert!(portion.refuse_early(10).is_err());
        assert!(portion.refuse_early(9).is_ok(), "less may be there");
        portion.short = Some((10, Instant::now()));
        assert!(portion.refuse_early(10).is_ok());
    }
}
