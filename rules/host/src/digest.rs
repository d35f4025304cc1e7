//! SHA-256 digests of rules, inputs and outputs. Knows nothing of what is digested.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A SHA-256 digest. Written as 64 lowercase hexadecimal digits, in JSON too.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// Digest of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Digest of a value's JSON. Fields are in order of declaration, so the
    /// digest is the same for the same value.
    pub(crate) fn of_json(value: &impl Serialize) -> Self {
        let json = serde_json::to_vec(value).expect("types of the contract have string keys only");
        Self::of(&json)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<Sha256> for Digest {
    /// Of what was given to it.
    fn from(given: Sha256) -> Self {
        Self(given.finalize().into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// The text is not 64 lowercase hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("A digest is 64 lowercase hexadecimal digits.")]
pub struct DigestError;

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let mut bytes = [0; 32];
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(DigestError);
        }
        hex::decode_to_slice(text, &mut bytes).map_err(|_| DigestError)?;
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Digest {
    type Error = DigestError;

    fn try_from(text: String) -> Result<Self, DigestError> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_is_read_back() {
        let digest = Digest::of(b"canopy");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert_eq!(serde_json::to_value(digest).unwrap(), digest.to_string());
        for wrong in [
            "",
            "ab",
            &digest.to_string().to_uppercase(),
            &format!("{digest}00"),
        ] {
            assert_eq!(wrong.parse::<Digest>(), Err(DigestError));
        }
    }
}
