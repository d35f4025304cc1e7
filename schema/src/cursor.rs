//! Cursors: a place in a list, opaque to clients. Inside is a version and the id of the row.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use canopy_domain::{Error, Result};

/// A cursor of another version is not read as one of this.
const VERSION: &str = "1:";
/// No id is longer.
const MAX_LENGTH: usize = 64;

/// The cursor of the row with this id.
pub(crate) fn encode(id: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{VERSION}{id}"))
}

/// The id in a cursor that was given as the argument `field`.
pub(crate) fn decode(cursor: &str, field: &'static str) -> Result<String> {
    let malformed = || Error::bad_input(&[field], format!("`{field}` is not a cursor of this list."));
    if cursor.len() > MAX_LENGTH {
        return Err(malformed());
    }
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| malformed())?;
    let text = String::from_utf8(bytes).map_err(|_| malformed())?;
    match text.strip_prefix(VERSION) {
        Some(id) if is_id(id) => Ok(id.to_owned()),
        _ => Err(malformed()),
    }
}

fn is_id(text: &str) -> bool {
    let character = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    !text.is_empty() && text.bytes().all(character)
}

#[cfg(test)]
mod tests {
    use canopy_domain::entity::AccountId;

    use super::*;

    #[test]
    fn a_cursor_is_read_back() {
        let id = AccountId::new();
        assert_eq!(decode(&encode(id.as_str()), "after").unwrap(), id.as_str());
    }

    #[test]
    fn what_is_not_a_cursor_is_refused() {
        let other_version = URL_SAFE_NO_PAD.encode("2:acc_1");
        let no_id = URL_SAFE_NO_PAD.encode("1:a'b");
        let too_long = "a".repeat(MAX_LENGTH + 1);
        for text in ["", "acc_1", "%%%", &other_version, &no_id, &too_long] {
            let error = decode(text, "before").unwrap_err();
            assert_eq!(error.field(), ["before"], "{text}");
        }
    }
}
