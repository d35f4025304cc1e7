//! Tokens of another issuer: checked with its public keys, which the process fetches, and a person found by a claim.
//!
//! The keys are kept. A token that names a key that is not among them makes them be fetched once more, for all who wait
//! and at most once in the cooldown; what cannot be fetched leaves the keys as they are.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use canopy_entity::time::Timestamp;
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use jsonwebtoken::{Header, Validation};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::keys::{KeyAlgorithm, KeySet, PublicKey};
use crate::error::Cause;
use crate::{Domain, Error, Result};

/// Where the keys come from. Fetching them is the process's.
pub trait KeySource: Send + Sync {
    /// The JSON Web Key Set as it is now.
    fn fetch(&self) -> BoxFuture<'static, Result<Vec<u8>, Cause>>;
}

/// Whose tokens are taken, and how they are checked.
#[derive(Clone)]
pub struct ForeignSettings {
    /// `iss`: who issues.
    pub issuer: String,
    /// `aud`: whom the token must be for.
    pub audience: String,
    /// What a key may be for; others of the set are not used.
    pub algorithms: Vec<KeyAlgorithm>,
    /// How far the issuer's clock and ours may differ.
    pub leeway: Duration,
    /// The claim with the person's email address. If it is `email`, then `email_verified` must be true.
    pub user_claim: String,
    /// The shortest time between two fetches that tokens with unknown keys cause.
    pub cooldown: Duration,
    /// How long a fetch may take.
    pub timeout: Duration,
    /// Where the keys come from.
    pub source: Arc<dyn KeySource>,
}

/// Checks the tokens of another issuer.
pub(crate) struct ForeignTokens {
    settings: ForeignSettings,
    keys: RwLock<Arc<KeySet>>,
    /// When a token last caused a fetch; held while one is under way.
    caused: Mutex<Option<Instant>>,
}

/// What a token that holds says.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) email: String,
    pub(super) issued_at: Timestamp,
    pub(super) expires_at: Timestamp,
}

/// Seconds since 1970 may have a fraction.
#[derive(Deserialize)]
struct Claims {
    iat: f64,
    exp: f64,
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl ForeignTokens {
    pub(crate) fn new(settings: ForeignSettings) -> Arc<Self> {
        Arc::new(Self {
            settings,
            keys: RwLock::default(),
            caused: Mutex::new(None),
        })
    }

    /// True for a token that names a key: our own do not. It only says who checks the token, never how.
    pub(super) fn is_for(&self, token: &str) -> bool {
        header(token).is_some_and(|header| header.kid.is_some())
    }

    /// Whom the token names, if it holds. Why one does not hold is not told.
    pub(super) async fn check(self: &Arc<Self>, token: &str) -> Result<Person> {
        let id = header(token).and_then(|header| header.kid);
        let key = self.key(&id.ok_or(Error::Unauthenticated)?).await;
        let PublicKey { key, algorithm } = key.ok_or(Error::Unauthenticated)?;
        let settings = &self.settings;
        let mut validation = Validation::new(algorithm);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
        validation.set_issuer(&[&settings.issuer]);
        validation.set_audience(&[&settings.audience]);
        validation.validate_nbf = true;
        validation.leeway = settings.leeway.as_secs();
        let claims = jsonwebtoken::decode::<Claims>(token, &key, &validation)
            .map_err(|_| Error::Unauthenticated)?
            .claims;
        let leeway = chrono::Duration::from_std(settings.leeway).map_err(Error::internal)?;
        let person = Person {
            email: self.email(&claims.others).ok_or(Error::Unauthenticated)?,
            issued_at: instant(claims.iat).ok_or(Error::Unauthenticated)?,
            expires_at: instant(claims.exp)
                .and_then(|end| end.checked_add_signed(leeway))
                .ok_or(Error::Unauthenticated)?,
        };
        if person.issued_at > Utc::now() + leeway || person.expires_at <= Utc::now() {
            return Err(Error::Unauthenticated);
        }
        Ok(person)
    }

    /// The address of the person, as this house writes it.
    fn email(&self, claims: &Map<String, Value>) -> Option<String> {
        let claim = self.settings.user_claim.as_str();
        // Whoever may write any address into their profile must not become its owner here.
        let verified = claim != "email"
            || match claims.get("email_verified") {
                Some(Value::Bool(verified)) => *verified,
                Some(Value::String(verified)) => verified == "true",
                _ => false,
            };
        let email = claims.get(claim)?.as_str()?.trim().to_lowercase();
        (verified && !email.is_empty()).then_some(email)
    }

    /// The key of this id, fetched if it is not known and it was not tried a moment ago.
    async fn key(self: &Arc<Self>, id: &str) -> Option<PublicKey> {
        if let Some(key) = self.known(id) {
            return Some(key);
        }
        let mut caused = self.caused.lock().await;
        if let Some(key) = self.known(id) {
            return Some(key);
        }
        if caused.is_some_and(|last| last.elapsed() < self.settings.cooldown) {
            return None;
        }
        *caused = Some(Instant::now());
        // A task of its own: it goes on for the others when this caller leaves.
        let tokens = Arc::clone(self);
        let fetch = tokio::spawn(async move { tokens.refresh().await });
        if let Ok(Err(error)) = fetch.await {
            tracing::warn!(%error, "the keys for tokens could not be fetched; those that are known stay");
        }
        self.known(id)
    }

    fn known(&self, id: &str) -> Option<PublicKey> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.get(id).cloned()
    }

    /// Fetches the keys. Those that are known stay if that fails.
    async fn refresh(&self) -> Result<(), Cause> {
        let fetched = tokio::time::timeout(self.settings.timeout, self.settings.source.fetch()).await;
        let read = match fetched {
            Ok(Ok(body)) => KeySet::parse(&body, &self.settings.algorithms).map_err(Cause::from),
            Ok(Err(error)) => Err(error),
            Err(late) => Err(late.into()),
        };
        let outcome = if read.is_ok() { "ok" } else { "failed" };
        metrics::counter!("canopy_token_key_fetches_total", "outcome" => outcome).increment(1);
        let keys = read?;
        tracing::debug!(keys = keys.len(), "fetched the keys for tokens");
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        Ok(())
    }
}

impl Domain {
    /// Fetches the keys of the other issuer, if its tokens are taken. For a worker.
    pub async fn refresh_token_keys(&self) -> Result<()> {
        match &self.0.foreign {
            Some(foreign) => foreign.refresh().await.map_err(Error::internal),
            None => Ok(()),
        }
    }
}

/// The header of a token. One with parts that must be understood is as good as none: we understand no such part.
fn header(token: &str) -> Option<Header> {
    jsonwebtoken::decode_header(token)
        .ok()
        .filter(|header| header.crit.is_none())
}

fn instant(seconds: f64) -> Option<Timestamp> {
    // A claim within the years that a calendar has; what is left fits 64 bits.
    (0.0..1e12)
        .contains(&seconds)
        .then(|| DateTime::from_timestamp(seconds as i64, 0))
        .flatten()
}
