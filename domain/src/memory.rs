//! What was read a moment ago and is used again: bounded in bytes and in time, and never beyond a change that this
//! process knows of. Knows nothing of what is kept.

use std::hash::Hash;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use metrics::Counter;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

/// What each entry takes beside its value, in bytes.
const EACH: u64 = 128;

/// Values by key, each as it was read at one version of what it depends on.
pub(crate) struct Memory<K, V> {
    kept: Option<Cache<K, Kept<V>, ByBytes>>,
    lifetime: Duration,
    tally: Tally,
}

#[derive(Clone)]
struct Kept<V> {
    value: V,
    bytes: u64,
    at: Instant,
    version: u64,
}

#[derive(Clone)]
struct ByBytes;

impl<K, V> Weighter<K, Kept<V>> for ByBytes {
    fn weight(&self, _: &K, kept: &Kept<V>) -> u64 {
        EACH + kept.bytes
    }
}

impl<K: Hash + Eq, V: Clone> Memory<K, V> {
    /// Keeps at most `bytes`, each value for `lifetime`; nothing for zero. `what` it is in the metrics.
    pub(crate) fn new(what: &'static str, bytes: u64, lifetime: Duration) -> Self {
        let usual = usize::try_from(bytes / (4 * EACH)).unwrap_or(usize::MAX);
        Self {
            kept: (!lifetime.is_zero()).then(|| Cache::with_weighter(usual, bytes, ByBytes)),
            lifetime,
            tally: Tally::new(what),
        }
    }

    /// The value, if it was read lately and at this version.
    pub(crate) fn get(&self, key: &K, version: u64) -> Option<V> {
        let cache = self.kept.as_ref()?;
        let found = cache
            .get(key)
            .filter(|kept| kept.version == version && kept.at.elapsed() < self.lifetime);
        self.tally.count(found.is_some());
        found.map(|kept| kept.value)
    }

    /// Keeps a value of about so many bytes that was read after the version was this.
    pub(crate) fn keep(&self, key: K, version: u64, value: V, bytes: usize) {
        let Some(cache) = &self.kept else { return };
        let kept = Kept {
            value,
            bytes: bytes as u64,
            at: Instant::now(),
            version,
        };
        cache.insert(key, kept);
    }
}

/// Counts how often something was looked for in memory and was there, or not.
pub(crate) struct Tally {
    what: &'static str,
    there: OnceLock<Counter>,
    missing: OnceLock<Counter>,
}

impl Tally {
    pub(crate) fn new(what: &'static str) -> Self {
        Self {
            what,
            there: OnceLock::new(),
            missing: OnceLock::new(),
        }
    }

    /// One more. The counters are asked for when they are first needed: what is remembered may be older than the
    /// recorder of the process.
    pub(crate) fn count(&self, is_there: bool) {
        let (counter, outcome) = match is_there {
            true => (&self.there, "there"),
            false => (&self.missing, "missing"),
        };
        counter
            .get_or_init(
                || metrics::counter!("canopy_remembered_total", "what" => self.what, "outcome" => outcome),
            )
            .increment(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    #[test]
    fn a_value_is_there_at_its_version_and_within_its_time() {
        let memory = Memory::new("test", 1 << 20, LONG);
        memory.keep("a", 3, 7, 0);
        assert_eq!(memory.get(&"a", 3), Some(7));
        assert_eq!(memory.get(&"a", 4), None);
        for lifetime in [Duration::ZERO, Duration::from_nanos(1)] {
            let memory = Memory::new("test", 1 << 20, lifetime);
            memory.keep("a", 3, 7, 0);
            assert_eq!(memory.get(&"a", 3), None);
        }
    }

    #[test]
    fn the_values_have_a_bound_together_and_one_that_is_larger_is_not_kept() {
        let memory = Memory::new("test", 64 << 10, LONG);
        for key in 0..10_000 {
            memory.keep(key, 0, (), 100);
        }
        let kept = (0..10_000).filter(|key| memory.get(key, 0).is_some()).count();
        assert!((1..=(64 << 10) / 228).contains(&kept), "{kept}");
        memory.keep(1_000_000, 0, (), 1 << 20);
        assert_eq!(memory.get(&1_000_000, 0), None);
    }
}
