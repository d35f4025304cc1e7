//! Digests as rows keep them: a SHA-256 in base64 for URLs, without padding, which is a third shorter than in hex.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What a SHA-256 takes in base64.
const LENGTH: usize = 43;

/// A SHA-256 as it is kept: a text, in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept([u8; LENGTH]);

impl Kept {
    /// The text of a digest.
    pub fn of(digest: &[u8; 32]) -> Self {
        let mut text = [0; LENGTH];
        let written = URL_SAFE_NO_PAD.encode_slice(digest, &mut text);
        assert_eq!(written, Ok(LENGTH), "32 bytes have 43 digits of 6 bits");
        Self(text)
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("base64 is ASCII")
    }
}

/// A SHA-256 as it is kept.
pub fn kept(digest: &[u8; 32]) -> String {
    Kept::of(digest).as_str().to_owned()
}

/// What is kept, in hex.
pub fn in_hex(kept: &str) -> Result<String, base64::DecodeError> {
    URL_SAFE_NO_PAD.decode(kept).map(hex::encode)
}
