//! A JSON Web Key Set, read: the keys that tokens of another issuer are checked with, each pinned to one algorithm.
//! Pure.
//!
//! A key's algorithm follows from the key: from what kind it is, and its `alg` must say the same. What a token's header
//! says decides nothing. Keys of other kinds are left out, symmetric ones above all: whoever may read the set could
//! sign with them.

use std::collections::HashMap;

use jsonwebtoken::jwk::{self, AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use serde::Deserialize;

/// The most keys of a set that are looked at.
const MAX_KEYS: usize = 64;
/// The longest id of a key, in bytes.
const MAX_ID: usize = 256;
/// The size of an RSA key, in bytes of its modulus: 2048 to 8192 bits. A longer one costs more than it adds.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// What a token of another issuer may be signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum KeyAlgorithm {
    /// RSA with SHA-256, PKCS #1 v1.5.
    #[serde(rename = "RS256")]
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl KeyAlgorithm {
    fn of(algorithm: Algorithm) -> Option<Self> {
        match algorithm {
            Algorithm::RS256 => Some(Self::Rs256),
            Algorithm::ES256 => Some(Self::Es256),
            Algorithm::EdDSA => Some(Self::EdDsa),
            _ => None,
        }
    }
}

/// A key that checks tokens of one algorithm.
#[derive(Clone)]
pub(super) struct PublicKey {
    pub(super) key: DecodingKey,
    pub(super) algorithm: Algorithm,
}

/// Keys by their ids.
#[derive(Clone, Default)]
pub(super) struct KeySet(HashMap<String, PublicKey>);

#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

impl KeySet {
    /// Reads a set, and keeps its keys of the `allowed` algorithms. An error if it is no set; a key that cannot be used
    /// is no error.
    pub(super) fn parse(body: &[u8], allowed: &[KeyAlgorithm]) -> Result<Self, serde_json::Error> {
        let document: Document = serde_json::from_slice(body)?;
        let mut keys = HashMap::new();
        for key in document.keys.into_iter().take(MAX_KEYS) {
            let Ok(jwk) = serde_json::from_value::<Jwk>(key) else {
                continue;
            };
            let Some((id, key)) = usable(&jwk) else {
                continue;
            };
            if KeyAlgorithm::of(key.algorithm).is_some_and(|algorithm| allowed.contains(&algorithm)) {
                // Of two keys with one id the first one counts.
                keys.entry(id).or_insert(key);
            }
        }
        Ok(Self(keys))
    }

    pub(super) fn get(&self, id: &str) -> Option<&PublicKey> {
        self.0.get(id)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// The key with its id, if it may check signatures and is of a kind and size that we use.
fn usable(jwk: &Jwk) -> Option<(String, PublicKey)> {
    let common = &jwk.common;
    let id = common.key_id.clone().filter(|id| id.len() <= MAX_ID)?;
    let to_verify = common
        .public_key_use
        .as_ref()
        .is_none_or(|purpose| *purpose == PublicKeyUse::Signature)
        && common
            .key_operations
            .as_ref()
            .is_none_or(|operations| operations.contains(&jwk::KeyOperations::Verify));
    let algorithm = pinned(jwk).filter(|_| to_verify)?;
    let key = DecodingKey::from_jwk(jwk).ok().filter(is_sound)?;
    Some((id, PublicKey { key, algorithm }))
}

/// The one algorithm of a key: what its kind is for, unless it says that it is for another one.
fn pinned(jwk: &Jwk) -> Option<Algorithm> {
    let (algorithm, name) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, jwk::KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, jwk::KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, jwk::KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    jwk.common
        .key_algorithm
        .is_none_or(|said| said == name)
        .then_some(algorithm)
}

/// Whether the key has the size that its kind has.
fn is_sound(key: &DecodingKey) -> bool {
    match key.kind() {
        DecodingKeyKind::RsaModulusExponent { n, e } => {
            let leading = n.iter().take_while(|byte| **byte == 0).count();
            let odd = e.last().is_some_and(|last| last % 2 == 1);
            RSA_BYTES.contains(&(n.len() - leading)) && odd && e.len() <= 4 && e.as_slice() != [1]
        }
        // A point of P-256 with the byte that says that both coordinates follow; a key of Ed25519.
        DecodingKeyKind::SecretOrDer(bytes) => matches!(bytes.len(), 65 | 32),
    }
}
