//! Digests as rows keep them: a SHA-256 in base64 for URLs, without padding, which is a third shorter than in hex.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A SHA-256 as it is kept.
pub fn kept(digest: &[u8; 32]) -> String {
    URL_SAFE_NO_PAD.encode(digest)
}

/// What is kept, in hex.
pub fn in_hex(kept: &str) -> Result<String, base64::DecodeError> {
    URL_SAFE_NO_PAD.decode(kept).map(hex::encode)
}
