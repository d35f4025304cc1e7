//! Passwords: argon2id, computed off the async workers, a few at a time.
//!
//! One hash takes 19 MiB and tens of milliseconds, so the number at once is bounded and so is the wait for a place.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Error, Result};

/// Hashes at once.
const PLACES: usize = 4;
/// How long a caller waits for a place before it is told to come again.
const LONGEST_WAIT: Duration = Duration::from_secs(3);
/// The shortest and longest password that is accepted, in bytes.
const LENGTH: std::ops::RangeInclusive<usize> = 8..=1_024;

/// Makes and checks password hashes.
pub(crate) struct Passwords {
    places: Arc<Semaphore>,
}

impl Passwords {
    pub(crate) fn new() -> Self {
        Self {
            places: Arc::new(Semaphore::new(PLACES)),
        }
    }

    /// The hash of a new password, in PHC form. `Error::BadInput` at `password` if it is too short or long.
    pub(crate) async fn hash(&self, password: &str) -> Result<String> {
        if !LENGTH.contains(&password.len()) {
            return Err(Error::bad_input(
                &["password"],
                format!("A password has {} to {} bytes.", LENGTH.start(), LENGTH.end()),
            ));
        }
        let password = password.to_owned();
        self.off_the_workers(move || {
            Argon2::default()
                .hash_password(password.as_bytes())
                .map(|hash| hash.to_string())
                .map_err(|error| Error::internal(error.to_string()))
        })
        .await?
    }

    /// True if `hash` is the password's. Without a hash it is false, and takes as long.
    pub(crate) async fn verify(&self, password: &str, hash: Option<String>) -> Result<bool> {
        if password.len() > *LENGTH.end() {
            return Ok(false);
        }
        let password = password.to_owned();
        self.off_the_workers(move || {
            let known = hash.is_some();
            let hash = hash.unwrap_or_else(|| NOBODYS.clone());
            let matches = PasswordHash::new(&hash).is_ok_and(|hash| {
                Argon2::default()
                    .verify_password(password.as_bytes(), &hash)
                    .is_ok()
            });
            known && matches
        })
        .await
    }

    async fn off_the_workers<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let place = self.place().await?;
        tokio::task::spawn_blocking(move || {
            // The place is held by the thread, not by the caller, who may hang up while the thread goes on.
            let _place = place;
            work()
        })
        .await
        .map_err(Error::internal)
    }

    async fn place(&self) -> Result<OwnedSemaphorePermit> {
        let place = tokio::time::timeout(LONGEST_WAIT, Arc::clone(&self.places).acquire_owned());
        match place.await {
            Ok(Ok(place)) => Ok(place),
            _ => Err(Error::busy()),
        }
    }
}

/// A hash that belongs to nobody, with the same cost as a real one.
static NOBODYS: LazyLock<String> = LazyLock::new(|| {
    Argon2::default()
        .hash_password(b"nobody has this password")
        .expect("the default parameters are valid")
        .to_string()
});

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_checked_against_its_own_hash_only() {
        let passwords = Passwords::new();
        let hash = passwords.hash("correct horse").await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$"), "{hash}");
        assert!(
            passwords
                .verify("correct horse", Some(hash.clone()))
                .await
                .unwrap()
        );
        assert!(!passwords.verify("Correct horse", Some(hash)).await.unwrap());
        assert!(!passwords.verify("nobody has this password", None).await.unwrap());
        assert!(
            !passwords
                .verify("anything", Some("not a hash".into()))
                .await
                .unwrap()
        );
        assert!(matches!(
            passwords.hash("short").await,
            Err(Error::BadInput { .. })
        ));
    }
}
