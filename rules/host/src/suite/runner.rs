//! Asks a rule the questions of a case, has the answers judged, and looks for the
//! smallest case that still breaks. Knows neither what is asked nor the engine.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::report::{CheckReport, CheckResult};
use super::shown;
use crate::call::Question;
use crate::error::RuleError;

/// Where a question is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// To the rule as it is loaded.
    Here,
    /// To the same rule after a restart.
    Restarted,
}

/// An answer, and what it took.
#[derive(Debug, Clone)]
pub(super) struct Told<T> {
    pub(super) value: T,
    pub(super) fuel: u64,
    pub(super) elapsed: Duration,
}

/// What is checked.
pub(super) trait Subject<Q: Question>: Sync {
    fn ask(
        &self,
        question: Q,
        place: Place,
    ) -> impl Future<Output = Result<Told<Q::Answer>, RuleError>> + Send;
}

/// What became of one question.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Said<T> {
    Answer { value: T, fuel: u64 },
    Refused(String),
    Broke(RuleError),
}

impl<T> Said<T> {
    pub(super) fn answer(&self) -> Option<&T> {
        match self {
            Self::Answer { value, .. } => Some(value),
            _ => None,
        }
    }
}

/// One thing to check: the questions, and what must hold of their answers.
pub(super) trait Case: Clone + Send + Sync {
    type Question: Question + Clone + Serialize + Sync;

    /// Name of the check.
    fn check(&self) -> &'static str;

    fn questions(&self) -> Vec<(Place, Self::Question)>;

    /// What is wrong with the answers, in a sentence. None of them broke.
    fn judge(&self, said: &[Said<<Self::Question as Question>::Answer>]) -> Result<(), String>;

    /// Of what was asked, a few words for a sentence.
    fn subject(&self) -> String;

    /// To ask instead when all of it was refused.
    fn parts(&self) -> Vec<Self>;

    /// Cases that are smaller, the smallest first; `said` is what broke this one.
    fn smaller(&self, said: &[Said<<Self::Question as Question>::Answer>]) -> Vec<Self>;

    /// Numbers that may be nearer to zero.
    fn knobs(&self) -> usize;

    fn turned(&self, knob: usize) -> i64;

    fn turn(&self, knob: usize, value: i64) -> Self;
}

/// How much is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Effort {
    /// Meters asked about.
    pub(super) meters: usize,
    /// Quantities per meter in the check of monotonicity.
    pub(super) rungs: usize,
    /// Calls, and as many again to find a smaller counterexample. The first case of a check is asked in any case.
    pub(super) calls: u32,
    /// Time for either.
    pub(super) time: Duration,
}

type SaidOf<C> = Said<<<C as Case>::Question as Question>::Answer>;

pub(super) struct Runner<'a, S> {
    subject: &'a S,
    effort: Effort,
    begin: Instant,
    calls: u32,
    results: Vec<CheckResult>,
    fuel_max: u64,
    times: Vec<Duration>,
}

impl<'a, S> Runner<'a, S> {
    pub(super) fn new(subject: &'a S, effort: Effort) -> Self {
        Self {
            subject,
            effort,
            begin: Instant::now(),
            calls: 0,
            results: Vec::new(),
            fuel_max: 0,
            times: Vec::new(),
        }
    }

    pub(super) fn report(mut self) -> CheckReport {
        self.times.sort_unstable();
        let median = self.times.get(self.times.len() / 2).copied().unwrap_or_default();
        CheckReport {
            checks: self.results,
            fuel_max: self.fuel_max,
            median_micros: u64::try_from(median.as_micros()).unwrap_or(u64::MAX),
        }
    }

    fn is_spent(&self) -> bool {
        self.calls >= self.effort.calls || self.begin.elapsed() >= self.effort.time
    }

    /// Names a check whose cases were none.
    pub(super) fn name(&mut self, check: &'static str) {
        self.result(check);
    }

    fn result(&mut self, check: &'static str) -> &mut CheckResult {
        let known = self.results.iter().position(|result| result.name == check);
        let index = known.unwrap_or_else(|| {
            self.results.push(CheckResult {
                name: check.to_owned(),
                calls: 0,
                answered: 0,
            });
            self.results.len() - 1
        });
        &mut self.results[index]
    }

    /// Runs the cases; answers for each whether any of its questions had an answer. The first that breaks ends it.
    pub(super) async fn run<C: Case>(&mut self, cases: Vec<C>) -> Result<Vec<bool>, RuleError>
    where
        S: Subject<C::Question>,
    {
        let mut answered = Vec::with_capacity(cases.len());
        for (index, case) in cases.into_iter().enumerate() {
            let mut any = false;
            let mut waiting = vec![case];
            let mut is_first = index == 0;
            while let Some(case) = waiting.pop() {
                if !is_first && self.is_spent() {
                    break;
                }
                is_first = false;
                let said = self.pose(&case).await?;
                if let Some(complaint) = complaint(&case, &said) {
                    return Err(self.smallest(case, said, complaint).await?);
                }
                if said.iter().any(|said| said.answer().is_some()) {
                    any = true;
                } else {
                    waiting.extend(case.parts());
                }
            }
            answered.push(any);
        }
        Ok(answered)
    }

    async fn pose<C: Case>(&mut self, case: &C) -> Result<Vec<SaidOf<C>>, RuleError>
    where
        S: Subject<C::Question>,
    {
        let mut all = Vec::new();
        for (place, question) in case.questions() {
            self.calls += 1;
            self.result(case.check()).calls += 1;
            let said = match self.subject.ask(question, place).await {
                Ok(told) => {
                    self.result(case.check()).answered += 1;
                    self.fuel_max = self.fuel_max.max(told.fuel);
                    self.times.push(told.elapsed);
                    Said::Answer {
                        value: told.value,
                        fuel: told.fuel,
                    }
                }
                Err(RuleError::Refused(text)) => Said::Refused(text),
                Err(error) if error.is_misbehaviour() => Said::Broke(error),
                // It does not take its configuration, or it is our fault.
                Err(error) => return Err(error),
            };
            all.push(said);
        }
        Ok(all)
    }

    /// The smallest case found that breaks in the same way, as an error.
    async fn smallest<C: Case>(
        &mut self,
        case: C,
        said: Vec<SaidOf<C>>,
        complaint: Complaint,
    ) -> Result<RuleError, RuleError>
    where
        S: Subject<C::Question>,
    {
        let mut found = Found {
            case,
            said,
            complaint,
        };
        (self.calls, self.begin) = (0, Instant::now());
        let mut again = true;
        while again {
            again = false;
            for smaller in found.case.smaller(&found.said) {
                if self.still_breaks(&mut found, smaller).await? {
                    again = true;
                    break;
                }
            }
        }
        for knob in 0..found.case.knobs() {
            self.turn_down(&mut found, knob).await?;
        }
        let Found {
            case,
            said,
            complaint,
        } = found;
        Ok(RuleError::BrokeContract {
            check: case.check().to_owned(),
            message: complaint.message,
            counterexample: shown::calls(&case.questions(), &said),
        })
    }

    /// Turns a number as near to zero as it breaks, if what is further away breaks too.
    async fn turn_down<C: Case>(&mut self, found: &mut Found<C>, knob: usize) -> Result<(), RuleError>
    where
        S: Subject<C::Question>,
    {
        let mut bad = found.case.turned(knob);
        let zero = found.case.turn(knob, 0);
        if bad == 0 || self.still_breaks(found, zero).await? {
            return Ok(());
        }
        let mut good = 0;
        while (bad - good).abs() > 1 {
            let middle = good + (bad - good) / 2;
            let turned = found.case.turn(knob, middle);
            if self.still_breaks(found, turned).await? {
                bad = middle;
            } else {
                good = middle;
            }
        }
        Ok(())
    }

    /// Whether a case breaks as the one found; then it takes its place.
    async fn still_breaks<C: Case>(&mut self, found: &mut Found<C>, case: C) -> Result<bool, RuleError>
    where
        S: Subject<C::Question>,
    {
        if self.is_spent() {
            return Ok(false);
        }
        let said = self.pose(&case).await?;
        match complaint(&case, &said) {
            Some(complaint) if complaint.kind == found.complaint.kind => {
                *found = Found {
                    case,
                    said,
                    complaint,
                };
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}

struct Found<C: Case> {
    case: C,
    said: Vec<SaidOf<C>>,
    complaint: Complaint,
}

struct Complaint {
    kind: &'static str,
    message: String,
}

fn complaint<C: Case>(case: &C, said: &[SaidOf<C>]) -> Option<Complaint> {
    let broken = said.iter().find_map(|said| match said {
        Said::Broke(error) => Some(error),
        _ => None,
    });
    if let Some(error) = broken {
        let message = format!(
            "{} This happened when it was asked about {}.",
            error,
            case.subject()
        );
        return Some(Complaint {
            kind: error.kind(),
            message,
        });
    }
    let message = case.judge(said).err()?;
    Some(Complaint {
        kind: "broke_contract",
        message,
    })
}
