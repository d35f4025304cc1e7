//! Exact amounts: integers in micro-units, and money with its currency.
//!
//! No float ever carries an amount. The bound of 2^53 keeps each amount exact in every guest language.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

const MICROS_PER_UNIT: i64 = 1_000_000;
const FRACTION_DIGITS: usize = 6;

/// An amount or a quantity in millionths, within ±2^53.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Micros(i64);

/// A number that is not an exact decimal within the bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be a decimal number with at most six fraction digits, between -9007199254.740992 and 9007199254.740992"
)]
pub struct NotADecimal;

impl Micros {
    /// The largest amount: 2^53 millionths.
    pub const MAX: Micros = Micros(1 << 53);
    /// Nothing.
    pub const ZERO: Micros = Micros(0);
    /// So many micro-units are one.
    pub(crate) const UNIT: i64 = MICROS_PER_UNIT;

    /// The amount of `micros` millionths, if it is within the bound.
    pub fn new(micros: i64) -> Result<Self, NotADecimal> {
        if micros.unsigned_abs() <= Self::MAX.0.unsigned_abs() {
            Ok(Self(micros))
        } else {
            Err(NotADecimal)
        }
    }

    /// The amount in millionths.
    pub fn get(self) -> i64 {
        self.0
    }
}

impl FromStr for Micros {
    type Err = NotADecimal;

    /// Reads `12`, `-0.5`, `3.141592`. Nothing is rounded: a seventh digit is an error.
    fn from_str(text: &str) -> Result<Self, NotADecimal> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let only_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let malformed = whole.is_empty()
            || whole.len() > 10
            || fraction.len() > FRACTION_DIGITS
            || (digits.contains('.') && fraction.is_empty())
            || !only_digits(whole)
            || !only_digits(fraction);
        if malformed {
            return Err(NotADecimal);
        }
        let whole: i64 = whole.parse().map_err(|_| NotADecimal)?;
        let fraction: i64 = format!("{fraction:0<FRACTION_DIGITS$}")
            .parse()
            .map_err(|_| NotADecimal)?;
        let micros = whole * MICROS_PER_UNIT + fraction;
        Self::new(if negative { -micros } else { micros })
    }
}

impl fmt::Display for Micros {
    /// The shortest exact form: `12`, `-0.5`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.0.unsigned_abs();
        let unit = MICROS_PER_UNIT.unsigned_abs();
        let sign = if self.0 < 0 { "-" } else { "" };
        let fraction = format!("{:0FRACTION_DIGITS$}", magnitude % unit);
        match fraction.trim_end_matches('0') {
            "" => write!(formatter, "{sign}{}", magnitude / unit),
            fraction => write!(formatter, "{sign}{}.{fraction}", magnitude / unit),
        }
    }
}

/// An amount of money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// How much.
    pub amount: Micros,
    /// Of what: an ISO 4217 code.
    pub currency: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_and_written_exactly() {
        for (text, micros) in [
            ("0", 0),
            ("12", 12_000_000),
            ("-0.5", -500_000),
            ("3.141592", 3_141_592),
            ("0.000001", 1),
        ] {
            assert_eq!(text.parse(), Ok(Micros(micros)), "{text}");
            assert_eq!(Micros(micros).to_string(), text);
        }
        assert_eq!("9007199254.740992".parse(), Ok(Micros::MAX));
    }

    #[test]
    fn what_is_not_an_exact_decimal_is_refused() {
        for text in [
            "",
            "-",
            ".5",
            "1.",
            "1e3",
            "0.0000001",
            "9007199254.740993",
            "99999999999",
            "1,5",
            "+1",
            "--1",
        ] {
            assert_eq!(text.parse::<Micros>(), Err(NotADecimal), "{text}");
        }
    }
}
