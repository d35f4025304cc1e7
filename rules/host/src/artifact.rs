//! Compiled code is machine code: it is run as it is. So it carries a seal that
//! binds it to its source, its engine and a secret key, and is believed only
//! if the seal fits. Knows neither compiler nor folder.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::digest::Digest;

pub(crate) const SEAL: usize = 32;

/// Secret that makes seals.
pub(crate) type Key = [u8; 32];

/// What compiled code is sealed for.
#[derive(Clone, Copy)]
pub(crate) struct Label {
    /// Of the component it was compiled from.
    pub(crate) source: Digest,
    /// Of the engine it was compiled for.
    pub(crate) engine: [u8; 32],
}

/// The seal, followed by the code.
pub(crate) fn seal(key: &Key, label: &Label, code: &[u8]) -> Vec<u8> {
    let seal = mac(key, label, code).finalize().into_bytes();
    let mut sealed = Vec::with_capacity(SEAL + code.len());
    sealed.extend_from_slice(&seal);
    sealed.extend_from_slice(code);
    sealed
}

/// The code, if it was sealed with this key for this label.
pub(crate) fn open<'a>(key: &Key, label: &Label, sealed: &'a [u8]) -> Option<&'a [u8]> {
    let (seal, code) = sealed.split_at_checked(SEAL)?;
    mac(key, label, code).verify_slice(seal).ok()?;
    Some(code)
}

fn mac(key: &Key, label: &Label, code: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(b"canopy compiled rule 1\0");
    mac.update(&label.engine);
    mac.update(label.source.as_bytes());
    mac.update(code);
    mac
}

/// A key for what was made under these conditions.
pub(crate) fn key_for(key: &Key, conditions: &[&str]) -> Key {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for condition in conditions {
        mac.update(Digest::of(condition.as_bytes()).as_bytes());
    }
    mac.finalize().into_bytes().into()
}

/// A key nobody knows.
pub(crate) fn random_key() -> Result<Key, getrandom::Error> {
    let mut key = [0; 32];
    getrandom::fill(&mut key)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_condition_has_a_key_of_its_own() {
        let keys =
            [&["ab", "c"][..], &["a", "bc"], &["ab"], &[]].map(|conditions| key_for(&[7; 32], conditions));
        for (at, key) in keys.iter().enumerate() {
            assert!(!keys[..at].contains(key) && *key != key_for(&[8; 32], &["ab", "c"]));
        }
    }

    #[test]
    fn nothing_but_what_was_sealed_is_opened() {
        let label = Label {
            source: Digest::of(b"wasm"),
            engine: [1; 32],
        };
        let sealed = seal(&[7; 32], &label, b"code");
        assert_eq!(open(&[7; 32], &label, &sealed), Some(&b"code"[..]));

        assert_eq!(open(&[8; 32], &label, &sealed), None);
        assert_eq!(
            open(
                &[7; 32],
                &Label {
                    source: Digest::of(b"other"),
                    ..label
                },
                &sealed
            ),
            None
        );
        assert_eq!(
            open(
                &[7; 32],
                &Label {
                    engine: [2; 32],
                    ..label
                },
                &sealed
            ),
            None
        );
        assert_eq!(open(&[7; 32], &label, &sealed[..sealed.len() - 1]), None);
        assert_eq!(open(&[7; 32], &label, &[]), None);
        for at in 0..sealed.len() {
            let mut edited = sealed.clone();
            edited[at] ^= 1;
            assert_eq!(open(&[7; 32], &label, &edited), None, "byte {at}");
        }
    }
}
