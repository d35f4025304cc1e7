//! Cursors of streams: a position in the published order, opaque to clients.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::{Error, Result};

/// What a cursor says before its position, so that another kind can be told from it.
const VERSION: &str = "v1:";

pub(super) fn encode(position: i64) -> String {
    URL_SAFE_NO_PAD.encode(format!("{VERSION}{position}"))
}

/// The position of a cursor that a client gave as `after`.
pub(super) fn decode(cursor: &str) -> Result<i64> {
    let position = || {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let text = std::str::from_utf8(&bytes).ok()?;
        let position: i64 = text.strip_prefix(VERSION)?.parse().ok()?;
        (position >= 0).then_some(position)
    };
    position().ok_or_else(not_ours)
}

pub(super) fn not_ours() -> Error {
    Error::bad_input(&["after"], "This is not a cursor of this stream.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_and_anything_else_is_refused() {
        for position in [0, 1, i64::MAX] {
            assert_eq!(decode(&encode(position)).unwrap(), position);
        }
        for text in ["", "17", "v1:17", "djI6MTc", &encode(-1), &"A".repeat(1000)] {
            assert_eq!(
                decode(text).unwrap_err().code(),
                crate::ErrorCode::BadUserInput,
                "{text}"
            );
        }
    }
}
