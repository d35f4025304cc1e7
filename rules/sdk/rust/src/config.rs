//! Reading a rule's configuration: JSON with exact numbers. Knows no rule.

use alloc::string::{String, ToString};
use core::fmt;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error, Visitor};

use crate::money;

/// Reads JSON. The error names the place and what is wrong.
pub fn read<T: DeserializeOwned>(json: &str) -> Result<T, String> {
    serde_json::from_str(json).map_err(|error| error.to_string())
}

/// An amount of money or a quantity, in micro-units. In JSON it is a string with
/// a decimal number of units (`"0.09"`) or an integer of micro-units (`90000`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Micros(pub i64);

impl<'de> Deserialize<'de> for Micros {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MicrosVisitor)
    }
}

struct MicrosVisitor;

impl Visitor<'_> for MicrosVisitor {
    type Value = Micros;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a decimal number as a string, like \"0.09\", or an integer of micro-units")
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Micros, E> {
        money::bounded(value.into())
            .map(Micros)
            .ok_or_else(|| E::custom("the number is out of range"))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Micros, E> {
        money::bounded(value.into())
            .map(Micros)
            .ok_or_else(|| E::custom("the number is out of range"))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Micros, E> {
        money::parse(text)
            .map(Micros)
            .ok_or_else(|| E::custom("not a decimal number with at most six digits after the point"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_decimal_strings_or_integers_of_micro_units() {
        assert_eq!(read::<Micros>("\"0.09\""), Ok(Micros(90_000)));
        assert_eq!(read::<Micros>("90000"), Ok(Micros(90_000)));
        assert_eq!(read::<Micros>("-5"), Ok(Micros(-5)));
        for wrong in ["0.09", "\"0.0000001\"", "9007199254740993", "null", "\"\""] {
            assert!(read::<Micros>(wrong).is_err(), "{wrong}");
        }
    }
}
