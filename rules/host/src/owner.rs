//! Who pays for calls: each owner has a budget that fills up as time goes by, and
//! whoever has used up theirs waits, and nobody else does. What each version of a rule
//! does is counted here too. Knows owners and versions by their names only.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use metrics::{Counter, Histogram};
use tokio::time::Instant;

use crate::call::Ran;
use crate::error::RuleError;
use crate::host::locked;

/// Versions with metrics of their own. Those beyond share one name.
const METERED: usize = 500;
const OTHERS: &str = "other";

/// So many owners, and those whose budget is full are forgotten.
const OWNERS: usize = 1024;

/// All budgets and meters of a host.
pub(crate) struct Owners {
    /// Fuel that an owner gets in a minute, and may save up. None: no end.
    fuel_per_minute: Option<u64>,
    /// Longest wait for a budget.
    wait: Duration,
    budgets: Mutex<HashMap<Box<str>, Arc<Budget>>>,
    meters: Mutex<HashMap<Box<str>, Arc<Meter>>>,
}

impl Owners {
    pub(crate) fn new(fuel_per_minute: Option<u64>, wait: Duration) -> Self {
        Self {
            fuel_per_minute,
            wait,
            budgets: Mutex::default(),
            meters: Mutex::default(),
        }
    }

    /// What calls of a version are charged to and counted by. Without an owner they are only counted.
    pub(crate) fn charge(&self, owner: Option<&str>, version: &str) -> Charge {
        Charge {
            budget: owner.and_then(|owner| self.budget(owner)),
            wait: self.wait,
            meter: self.meter(version),
        }
    }

    fn budget(&self, owner: &str) -> Option<Arc<Budget>> {
        let fuel = self.fuel_per_minute?;
        let mut budgets = locked(&self.budgets);
        if let Some(budget) = budgets.get(owner) {
            return Some(Arc::clone(budget));
        }
        if budgets.len() >= OWNERS && budgets.len().is_power_of_two() {
            // A full budget that nobody holds is like a new one.
            budgets.retain(|_, budget| Arc::strong_count(budget) > 1 || !budget.is_full());
        }
        let budget = Arc::new(Budget::new(fuel));
        budgets.insert(owner.into(), Arc::clone(&budget));
        Some(budget)
    }

    fn meter(&self, version: &str) -> Arc<Meter> {
        let mut meters = locked(&self.meters);
        if let Some(meter) = meters.get(version) {
            return Arc::clone(meter);
        }
        let name = if meters.len() < METERED { version } else { OTHERS };
        let meter = meters.entry(name.into());
        Arc::clone(meter.or_insert_with(|| Arc::new(Meter::new(name))))
    }
}

/// Where the calls of one version are charged and counted.
pub(crate) struct Charge {
    budget: Option<Arc<Budget>>,
    wait: Duration,
    meter: Arc<Meter>,
}

impl Charge {
    /// Waits until the owner has something left.
    pub(crate) async fn enter(&self) -> Result<(), RuleError> {
        match &self.budget {
            Some(budget) => budget.wait(self.wait).await,
            None => Ok(()),
        }
    }

    /// A call ended, after so long in queues. It counts for at least one fuel per nanosecond, so that what
    /// takes time without instructions, like touching much memory, is paid too.
    pub(crate) fn settle<T>(&self, ran: &Ran<T>, waited: Duration) {
        if let Some(budget) = &self.budget {
            let time = u64::try_from(ran.elapsed.as_nanos()).unwrap_or(u64::MAX);
            budget.spend(ran.spent.max(time));
        }
        self.meter.record(ran, waited);
    }
}

/// The fuel of one owner. It may be overdrawn by the calls that run at the same time; they are paid
/// back before the next one starts.
struct Budget {
    capacity: f64,
    state: Mutex<State>,
}

struct State {
    left: f64,
    at: Instant,
}

impl Budget {
    fn new(fuel_per_minute: u64) -> Self {
        let capacity = fuel_per_minute as f64;
        Self {
            capacity,
            state: Mutex::new(State {
                left: capacity,
                at: Instant::now(),
            }),
        }
    }

    /// What is left now.
    fn left(&self, state: &mut State) -> f64 {
        let now = Instant::now();
        let gained = self.capacity * (now - state.at).as_secs_f64() / 60.0;
        *state = State {
            left: (state.left + gained).min(self.capacity),
            at: now,
        };
        state.left
    }

    fn is_full(&self) -> bool {
        self.left(&mut locked(&self.state)) >= self.capacity
    }

    fn spend(&self, fuel: u64) {
        let mut state = locked(&self.state);
        let left = self.left(&mut state);
        state.left = left - fuel as f64;
    }

    /// Time until something is left, if nothing is.
    fn missing(&self) -> Option<Duration> {
        let left = self.left(&mut locked(&self.state));
        let seconds = (1.0 - left) * 60.0 / self.capacity;
        // Not shorter than a timer can be.
        (left < 1.0).then(|| Duration::from_secs_f64(seconds.max(0.001)))
    }

    async fn wait(&self, longest: Duration) -> Result<(), RuleError> {
        let begin = Instant::now();
        while let Some(missing) = self.missing() {
            if begin.elapsed() + missing > longest {
                return Err(RuleError::Throttled { retry_after: missing });
            }
            tokio::time::sleep(missing).await;
        }
        Ok(())
    }
}

/// What is counted of one version.
struct Meter {
    version: String,
    calls: Counter,
    fuel: Counter,
    seconds: Histogram,
    waited: Histogram,
}

impl Meter {
    fn new(version: &str) -> Self {
        let label = || [("version", version.to_owned())];
        Self {
            calls: metrics::counter!("canopy_rule_version_calls_total", &label()),
            fuel: metrics::counter!("canopy_rule_version_fuel_total", &label()),
            seconds: metrics::histogram!("canopy_rule_version_seconds", &label()),
            waited: metrics::histogram!("canopy_rule_version_wait_seconds", &label()),
            version: version.to_owned(),
        }
    }

    fn record<T>(&self, ran: &Ran<T>, waited: Duration) {
        self.calls.increment(1);
        self.fuel.increment(ran.spent);
        self.seconds.record(ran.elapsed);
        self.waited.record(waited);
        if let Err(error) = &ran.result {
            let labels = [
                ("version", self.version.clone()),
                ("kind", error.kind().to_owned()),
            ];
            metrics::counter!("canopy_rule_version_failures_total", &labels).increment(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn ran(spent: u64) -> Ran<()> {
        Ran {
            spent,
            ..Ran::not(RuleError::StackOverflow)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_used_up_the_budget_waits_until_it_is_paid_back_and_others_do_not() {
        let owners = Owners::new(Some(60_000), 5 * SECOND);
        let (greedy, modest) = (owners.charge(Some("a"), "v1"), owners.charge(Some("b"), "v2"));
        greedy.enter().await.unwrap();
        greedy.settle(&ran(62_000), Duration::ZERO);

        let begin = Instant::now();
        modest.enter().await.unwrap();
        assert_eq!(begin.elapsed(), Duration::ZERO);

        // Two seconds' worth was overdrawn. Another handle of the same owner waits too.
        owners.charge(Some("a"), "v3").enter().await.unwrap();
        assert!((2 * SECOND..3 * SECOND).contains(&begin.elapsed()));
    }

    #[tokio::test(start_paused = true)]
    async fn who_would_wait_too_long_is_told_when_to_come_back() {
        let owners = Owners::new(Some(60_000), 5 * SECOND);
        let charge = owners.charge(Some("a"), "v1");
        charge.settle(&ran(70_000), Duration::ZERO);
        let begin = Instant::now();
        let Err(RuleError::Throttled { retry_after }) = charge.enter().await else {
            panic!("it is not throttled")
        };
        assert_eq!(begin.elapsed(), Duration::ZERO);
        assert!((10 * SECOND..11 * SECOND).contains(&retry_after));
        tokio::time::advance(retry_after).await;
        charge.enter().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn rules_of_nobody_are_counted_and_not_charged() {
        let charge = Owners::new(Some(1), SECOND).charge(None, "v1");
        charge.settle(&ran(u64::MAX), Duration::ZERO);
        charge.enter().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn names_are_bounded_and_a_forgotten_budget_was_full() {
        let owners = Owners::new(Some(60_000), SECOND);
        let debtor = owners.charge(Some("debtor"), "v");
        debtor.settle(&ran(100_000), Duration::ZERO);
        drop(debtor);
        for at in 0..3 * OWNERS {
            owners.charge(Some(&at.to_string()), &at.to_string());
        }
        assert!(locked(&owners.budgets).len() <= OWNERS + 1);
        assert_eq!(locked(&owners.meters).len(), METERED + 1);
        assert!(owners.charge(Some("debtor"), "v").enter().await.is_err());
    }
}
