//! Where a call runs. A call of a good rule takes microseconds: handing it to
//! another thread would cost more than the call. But a hostile rule must not
//! hold up an async worker and all the requests that wait behind it. So a small
//! call is first tried in place with very little fuel and time; if that does
//! not do, it is run again from the start on a thread beside the workers, with
//! all it may have. Rules keep no state, so running twice changes nothing.
//!
//! A rule that breaks, or needs more than that for a small call, is slow until it
//! has been quick many times. Slow rules run beside the workers only, few at once,
//! and wait for each other and for nobody else. A rule that brings an interpreter may
//! need longer without being slow: it runs beside the workers from then on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::call::{Budget, Question, Ran, rehearse};
use crate::class::RuleClass;
use crate::engine::Clock;
use crate::error::RuleError;
use crate::rule::{Loaded, LoadedRule};
use crate::settings::ClassSettings;

/// What a call in place may use: about as long as a scheduler lets a task run.
const IN_PLACE_FUEL: u64 = 1_000_000;
const IN_PLACE_TIME: Duration = Duration::from_millis(2);

/// What a call of a rule that is not slow may take.
#[derive(Clone, Copy)]
struct Pace {
    fuel: u64,
    time: Duration,
}

impl Pace {
    /// An interpreter needs longer than a worker can wait, and is not slow for that.
    fn of(class: RuleClass) -> Self {
        let (fuel, time) = match class {
            RuleClass::Small => (IN_PLACE_FUEL, IN_PLACE_TIME),
            RuleClass::Interpreter => (30_000_000, Duration::from_millis(20)),
        };
        Self { fuel, time }
    }
}

/// A larger batch goes beside the workers at once.
const IN_PLACE_LINES: usize = 32;

/// The ways in which calls of one class run.
pub(crate) struct Lanes {
    class: ClassSettings,
    pace: Pace,
    clock: Clock,
    /// One for each place in the pool.
    places: Arc<Semaphore>,
    /// Calls beside the workers: of rules that are quick, and of those that are slow.
    side: Arc<Semaphore>,
    slow: Arc<Semaphore>,
    wait: Duration,
}

impl Lanes {
    pub(crate) fn new(
        class: RuleClass,
        settings: ClassSettings,
        clock: Clock,
        side_calls: usize,
        wait: Duration,
    ) -> Self {
        let door = |width: usize| Arc::new(Semaphore::new(width.max(1)));
        let (places, side, slow) = (door(settings.places as usize), door(side_calls), door(side_calls));
        Self {
            class: settings,
            pace: Pace::of(class),
            clock,
            places,
            side,
            slow,
            wait,
        }
    }

    /// Longest wait for a free place.
    pub(crate) fn wait(&self) -> Duration {
        self.wait
    }

    /// Asks a rule, here or beside.
    pub(crate) async fn ask<Q: Question>(self: &Arc<Self>, rule: &LoadedRule, question: Q) -> Ran<Q::Answer> {
        let budget = self.budget(question.lines());
        let is_small = question.lines() <= IN_PLACE_LINES;
        let (mut spent, mut was_interrupted) = (0, false);
        if is_small && rule.inner().is_quick() && !rule.inner().is_long() {
            let _place = match self.enter(&self.places).await {
                Ok(place) => place,
                Err(error) => return Ran::not(error),
            };
            let short = Budget {
                fuel: budget.fuel.min(IN_PLACE_FUEL),
                time: IN_PLACE_TIME,
                ..budget
            };
            let ran = flat(self.guarded(rule.inner(), || question.ask(rule.inner(), &short)));
            match ran.result {
                Err(RuleError::OutOfFuel { .. }) => {}
                // By the clock: perhaps the machine was busy, and not the rule.
                Err(RuleError::Timeout { .. }) => was_interrupted = true,
                _ => return judged(rule.inner(), ran),
            }
            spent = ran.spent;
        }
        let pace = self.pace;
        let work = move |rule: &Loaded| {
            let ran = judged(rule, question.ask(rule, &budget));
            if ran.result.is_ok() && is_small {
                let is_slow = ran.fuel > pace.fuel || (ran.elapsed > pace.time && was_interrupted);
                let is_long = ran.fuel > IN_PLACE_FUEL || ran.elapsed > IN_PLACE_TIME;
                if is_slow {
                    rule.was_slow()
                } else {
                    rule.was_quick(is_long)
                }
            }
            ran
        };
        let ran = flat(self.beside(rule, work).await);
        Ran {
            spent: ran.spent + spent,
            ..ran
        }
    }

    /// Runs a rule's start function and checks its types, beside the workers.
    pub(crate) async fn rehearse(self: &Arc<Self>, rule: &LoadedRule) -> Result<(), RuleError> {
        let budget = self.budget(1);
        self.beside(rule, move |rule| rehearse(rule, &budget))
            .await
            .flatten()
    }

    async fn beside<T: Send + 'static>(
        self: &Arc<Self>,
        rule: &LoadedRule,
        work: impl FnOnce(&Loaded) -> T + Send + 'static,
    ) -> Result<T, RuleError> {
        let door = if rule.inner().is_quick() {
            &self.side
        } else {
            &self.slow
        };
        // In this order: who holds a place never waits for another door.
        let side = self.enter(door).await?;
        let place = self.enter(&self.places).await?;
        let (lanes, rule) = (Arc::clone(self), rule.clone());
        let run = move || {
            // Held to the end of the call, even if nobody waits for it any more.
            let _held = (side, place);
            lanes.guarded(rule.inner(), || work(rule.inner()))
        };
        tokio::task::spawn_blocking(run)
            .await
            .map_err(RuleError::unavailable)?
    }

    /// The clock ticks meanwhile, and a panic of ours ends the rule, not the server.
    fn guarded<T>(&self, rule: &Loaded, call: impl FnOnce() -> T) -> Result<T, RuleError> {
        let _watch = self.clock.watch();
        catch_unwind(AssertUnwindSafe(call)).map_err(|_| {
            rule.poison();
            RuleError::unavailable("the host panicked in a call")
        })
    }

    async fn enter(&self, door: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, RuleError> {
        if let Ok(permit) = Arc::clone(door).try_acquire_owned() {
            return Ok(permit);
        }
        match timeout(self.wait, Arc::clone(door).acquire_owned()).await {
            Ok(permit) => permit.map_err(RuleError::unavailable),
            Err(_) => Err(RuleError::unavailable("too many rules are running")),
        }
    }

    fn budget(&self, lines: usize) -> Budget {
        let more = lines.saturating_sub(1);
        Budget {
            fuel: self
                .class
                .fuel
                .saturating_add(self.class.fuel_per_line.saturating_mul(more as u64)),
            time: self.class.deadline,
            memory: self.class.memory,
            answer: self
                .class
                .answer
                .saturating_add(self.class.answer_per_line.saturating_mul(more)),
        }
    }
}

/// A rule that breaks its bounds or the contract is slow from then on.
fn judged<T>(rule: &Loaded, ran: Ran<T>) -> Ran<T> {
    if ran.result.as_ref().is_err_and(RuleError::is_misbehaviour) {
        rule.was_slow();
    }
    ran
}

fn flat<T>(ran: Result<Ran<T>, RuleError>) -> Ran<T> {
    ran.unwrap_or_else(Ran::not)
}
