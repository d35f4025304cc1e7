//! Asking a rule about many lines when it may fail on some: which lines it fails on is found by halving, within
//! bounds. What a line is and who is asked, this module does not know.

use std::collections::HashMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use canopy_rules_host::MAX_LINES;

/// How often a rule may be called besides to find out which lines it fails on.
const MAX_CALLS: usize = 64;
/// How long that may take.
const MAX_TIME: Duration = Duration::from_secs(2);

/// Who is asked about lines.
pub(crate) trait Oracle: Sync {
    /// The answer for one line.
    type Answer: Send;
    /// Why there is none.
    type Failure: Clone + Send;

    /// Asks about some lines, at most [`MAX_LINES`]: an answer for each, or why there is none for all of them.
    fn ask(
        &self,
        lines: Range<usize>,
    ) -> impl Future<Output = Result<Vec<Self::Answer>, Unanswered<Self::Failure>>> + Send;

    /// The failure of a line that was not asked about any more, as another one's was `last`.
    fn assumed(&self, last: &Self::Failure) -> Self::Failure;
}

/// Why there is no answer to a call.
pub(crate) struct Unanswered<F> {
    pub(crate) failure: F,
    /// Whether asking about fewer lines would be in vain too.
    pub(crate) hopeless: bool,
}

/// The answer for each of `lines` lines. If the rule fails on a batch the batch is halved until the lines that it
/// fails on are found, within bounds: a line beyond them fails as the last one did.
pub(crate) async fn ask_each<O: Oracle>(oracle: &O, lines: usize) -> Vec<Result<O::Answer, O::Failure>> {
    let started = Instant::now();
    let mut calls = lines.div_ceil(MAX_LINES) + MAX_CALLS;
    let mut answers: HashMap<usize, Result<O::Answer, O::Failure>> = HashMap::with_capacity(lines);
    let mut ranges: Vec<Range<usize>> = (0..lines)
        .step_by(MAX_LINES)
        .map(|start| start..lines.min(start + MAX_LINES))
        .rev()
        .collect();
    let mut last_failure: Option<O::Failure> = None;
    while let Some(range) = ranges.pop() {
        if let (Some(failure), true) = (&last_failure, calls == 0 || started.elapsed() > MAX_TIME) {
            // One of them is asked for all, so that a rule which fails slowly is not spared.
            let first = (range.start, Err(failure.clone()));
            let assumed = oracle.assumed(failure);
            answers.extend(range.map(|line| (line, Err(assumed.clone()))));
            answers.extend([first]);
            last_failure = Some(assumed);
            continue;
        }
        calls = calls.saturating_sub(1);
        match oracle.ask(range.clone()).await {
            Ok(given) => answers.extend(range.zip(given.into_iter().map(Ok))),
            Err(Unanswered { failure, hopeless }) => {
                if hopeless {
                    calls = 0;
                }
                if range.len() == 1 {
                    answers.insert(range.start, Err(failure.clone()));
                } else {
                    let middle = range.start.midpoint(range.end);
                    ranges.extend([middle..range.end, range.start..middle]);
                }
                last_failure = Some(failure);
            }
        }
    }
    (0..lines)
        .map(|line| answers.remove(&line).expect("each range was answered or failed"))
        .collect()
}
