//! How often one may try to sign in: per account and per address, before a password is looked at.
//!
//! A bucket holds so many tries and gets one back every so often. Only buckets that are not full are kept, the latest
//! ones, so that a flood of addresses or accounts costs a bounded amount of memory. What is pushed out is what was
//! longest untouched, and so the fullest.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hashlink::LruCache;
use sha2::{Digest, Sha256};

use crate::{Error, Result};

/// How many tries there are at once, and how often one comes back.
#[derive(Debug, Clone, Copy)]
pub struct Tries {
    /// At once; 0 is as good as 1.
    pub burst: u32,
    /// One comes back after so long.
    pub every: Duration,
}

/// How often one may try to sign in.
#[derive(Debug, Clone, Copy)]
pub struct SignInSettings {
    /// For one email address, whether somebody has it or not.
    pub account: Tries,
    /// From one network address; of IPv6 the first 64 bits count.
    pub address: Tries,
    /// How many email addresses and how many network addresses are remembered.
    pub remembered: usize,
}

impl Default for SignInSettings {
    fn default() -> Self {
        Self {
            account: Tries {
                burst: 10,
                every: Duration::from_secs(30),
            },
            address: Tries {
                burst: 50,
                every: Duration::from_secs(2),
            },
            remembered: 50_000,
        }
    }
}

/// Counts the tries.
pub(crate) struct Throttle {
    accounts: Buckets<[u8; 16]>,
    addresses: Buckets<IpAddr>,
}

impl Throttle {
    pub(crate) fn new(settings: SignInSettings) -> Self {
        Self {
            accounts: Buckets::new(settings.account, settings.remembered),
            addresses: Buckets::new(settings.address, settings.remembered),
        }
    }

    /// Takes a try of both; `Error::RateLimited` if one of them has none. A try that its address does not allow is none
    /// of the account.
    pub(super) fn try_once(&self, email: &str, address: Option<IpAddr>) -> Result<()> {
        let now = Instant::now();
        if let Some(address) = address {
            self.addresses.take(network(address), now)?;
        }
        self.accounts.take(name(email), now)
    }

    /// Gives the account its try back: whoever knows the password was not guessing.
    pub(super) fn succeeded(&self, email: &str) {
        self.accounts.give_back(&name(email));
    }
}

/// An email address in a form of bounded length.
fn name(email: &str) -> [u8; 16] {
    let digest: [u8; 32] = Sha256::digest(email.as_bytes()).into();
    let mut short = [0; 16];
    short.copy_from_slice(&digest[..16]);
    short
}

/// Whoever has one address of IPv6 has the other ones of its network too.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address => address,
    }
}

/// For each key the instant at which its bucket is full again.
struct Buckets<K> {
    tries: Tries,
    full_at: Mutex<LruCache<K, Instant>>,
}

impl<K: Hash + Eq> Buckets<K> {
    fn new(tries: Tries, remembered: usize) -> Self {
        Self {
            tries,
            full_at: Mutex::new(LruCache::new(remembered.max(1))),
        }
    }

    fn take(&self, key: K, now: Instant) -> Result<()> {
        let Tries { burst, every } = self.tries;
        let mut buckets = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let full_at = buckets.get(&key).copied().unwrap_or(now).max(now) + every;
        let wait = full_at.saturating_duration_since(now + every * burst.max(1));
        if !wait.is_zero() {
            return Err(Error::RateLimited { retry_after: wait });
        }
        buckets.insert(key, full_at);
        Ok(())
    }

    fn give_back(&self, key: &K) {
        let mut buckets = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(full_at) = buckets.get_mut(key) {
            *full_at = full_at.checked_sub(self.tries.every).unwrap_or(*full_at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIES: Tries = Tries {
        burst: 3,
        every: Duration::from_secs(10),
    };

    #[test]
    fn tries_run_out_and_come_back_one_by_one() {
        let buckets = Buckets::new(TRIES, 10);
        let start = Instant::now();
        for _ in 0..3 {
            buckets.take("a", start).unwrap();
        }
        let refused = buckets.take("a", start + Duration::from_secs(4)).unwrap_err();
        assert_eq!(refused.retry_after(), Some(Duration::from_secs(6)));
        buckets.take("b", start).unwrap();
        buckets.take("a", start + Duration::from_secs(10)).unwrap();
        assert!(buckets.take("a", start + Duration::from_secs(10)).is_err());
        buckets.give_back(&"a");
        buckets.take("a", start + Duration::from_secs(10)).unwrap();
        // A refused try costs nothing, and a long rest fills the bucket and no more.
        let later = start + Duration::from_secs(1_000);
        for _ in 0..3 {
            buckets.take("a", later).unwrap();
        }
        assert!(buckets.take("a", later).is_err());
    }

    #[test]
    fn a_flood_of_keys_takes_a_bounded_place() {
        let buckets = Buckets::new(TRIES, 100);
        let now = Instant::now();
        for key in 0..10_000 {
            buckets.take(key, now).unwrap();
        }
        assert_eq!(buckets.full_at.lock().unwrap().len(), 100);
    }

    #[test]
    fn neighbours_of_one_network_share_its_tries() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1:2:3"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("203.0.113.1"), of("203.0.113.2"));
        assert_eq!(of("::ffff:203.0.113.1"), of("203.0.113.1"));
    }
}
