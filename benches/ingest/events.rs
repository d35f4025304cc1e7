//! The events: the same for the floor and for Canopy, one in twenty of them again.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use canopy_domain::entity::time::{self, Timestamp};
use chrono::Duration;

const METERS: [&str; 3] = ["call_minutes", "messages", "tokens"];
/// Each event of such a number is one that was sent before: so many before it, which a second or so ago was sent at the rates
/// that are reached. A client sends again what it had no answer to.
const REPEATED: u64 = 20;
const AGO: u64 = 20_001;
/// The time in which the events occurred, in milliseconds.
const SPREAD: u64 = 10_000;

/// Where events come from. Each is new, as no two of them have the same number.
pub(crate) struct Source {
    accounts: Vec<String>,
    from: Timestamp,
    next: AtomicU64,
    sent: AtomicU64,
    accepted: AtomicU64,
}

/// An event.
pub(crate) struct Event<'a> {
    pub(crate) account: &'a str,
    /// Unique but for the repeated ones.
    pub(crate) key: String,
    pub(crate) meter: &'static str,
    /// In micro-units.
    pub(crate) quantity: i64,
    pub(crate) at: Timestamp,
}

/// What Canopy was sent so far.
pub(crate) struct Given {
    pub(crate) sent: u64,
    pub(crate) accepted: u64,
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} events sent, {} of them new", self.sent, self.accepted)
    }
}

impl Source {
    /// Events that occurred up to [`SPREAD`] before they begin to be reported, and `age` before that.
    pub(crate) fn new(accounts: impl Iterator<Item = String>, age: Duration) -> Self {
        Self {
            accounts: accounts.collect(),
            from: time::now() - age,
            next: AtomicU64::new(1),
            sent: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
        }
    }

    /// The next events.
    pub(crate) fn take(&self, count: usize) -> impl Iterator<Item = Event<'_>> {
        let count = u64::try_from(count).expect("a batch is small");
        let first = self.next.fetch_add(count, Ordering::Relaxed);
        (first..first + count).map(|number| self.event(number))
    }

    fn event(&self, number: u64) -> Event<'_> {
        let number = match number.is_multiple_of(REPEATED) {
            true => number.checked_sub(AGO).unwrap_or(number),
            false => number,
        };
        // Keys do not come in order, and neither do accounts.
        let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31);
        let account = usize::try_from(mixed % self.accounts.len() as u64).expect("it is below a length");
        let meter = usize::try_from(number % 3).expect("there are three");
        Event {
            account: &self.accounts[account],
            key: format!("{mixed:016x}{number:08x}"),
            meter: METERS[meter],
            quantity: (1 + (number as i64 * 7_919) % 997) * 100_000,
            at: self.from - Duration::milliseconds((mixed % SPREAD) as i64),
        }
    }

    /// Notes what became of events that were sent to Canopy.
    pub(crate) fn note(&self, sent: u64, accepted: u64) {
        self.sent.fetch_add(sent, Ordering::Relaxed);
        self.accepted.fetch_add(accepted, Ordering::Relaxed);
    }

    pub(crate) fn given(&self) -> Given {
        Given {
            sent: self.sent.load(Ordering::Relaxed),
            accepted: self.accepted.load(Ordering::Relaxed),
        }
    }
}
