//! What an account may be called. Pure.

use crate::{Error, Result};

/// The shortest and longest name, in characters.
const LENGTH: std::ops::RangeInclusive<usize> = 2..=120;
/// The longest name that a caller has for an account of its own, in bytes.
const MAX_EXTERNAL_REF: usize = 255;

/// The name without the space around it; `Error::BadInput` at `name` if it is too short or long.
pub(super) fn name(text: &str) -> Result<String> {
    let name = text.trim();
    if LENGTH.contains(&name.chars().count()) && !name.chars().any(char::is_control) {
        Ok(name.to_owned())
    } else {
        Err(Error::bad_input(
            &["name"],
            format!("A name has {} to {} characters.", LENGTH.start(), LENGTH.end()),
        ))
    }
}

/// `Error::BadInput` at `externalRef` unless it has an acceptable length.
pub(super) fn check_external_ref(text: Option<&str>) -> Result<()> {
    match text {
        Some(text) if !(1..=MAX_EXTERNAL_REF).contains(&text.len()) => Err(Error::bad_input(
            &["externalRef"],
            format!("An external reference has 1 to {MAX_EXTERNAL_REF} bytes."),
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_2_to_120_characters() {
        assert_eq!(name("  Ö2 ").unwrap(), "Ö2");
        assert_eq!(name(&"ö".repeat(120)).unwrap().chars().count(), 120);
        for wrong in ["", " ", "a", " a ", "a\u{7}b", &"x".repeat(121)] {
            assert_eq!(name(wrong).unwrap_err().field(), ["name"], "{wrong}");
        }
    }
}
