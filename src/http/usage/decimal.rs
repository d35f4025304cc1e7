//! Quantities: a number as JSON writes it, if it is exact in millionths. No float is made of it on the way. Pure.

use std::borrow::Cow;

use canopy_domain::{Micros, money::NotADecimal};
use serde_json::value::RawValue;

/// The digits of a fraction that are kept.
const FRACTION: i32 = 6;

/// The quantity in a JSON text or number.
pub(super) fn read(json: &RawValue) -> Result<Micros, NotADecimal> {
    let json = json.get();
    match json.as_bytes().first() {
        Some(b'"') => {
            let text: Cow<'_, str> = serde_json::from_str(json).map_err(|_| NotADecimal)?;
            text.parse()
        }
        Some(b'-' | b'0'..=b'9') => exact(json).ok_or(NotADecimal),
        _ => Err(NotADecimal),
    }
}

/// The value of a JSON number; none if it is not a whole number of millionths within the bound.
fn exact(number: &str) -> Option<Micros> {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (negative, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_end_matches('0');
    let (zeros, significant) = (
        digits.len() - significant.len(),
        significant.trim_start_matches('0'),
    );
    if significant.is_empty() {
        return Some(Micros::ZERO);
    }
    let length = |length: usize| i32::try_from(length).ok();
    let exponent: i32 = exponent.parse().ok()?;
    let power = exponent
        .checked_sub(length(fraction.len())?)?
        .checked_add(length(zeros)?)?
        .checked_add(FRACTION)?;
    let power = 10_i64.checked_pow(u32::try_from(power).ok()?)?;
    let micros = significant.parse::<i64>().ok()?.checked_mul(power)?;
    Micros::new(if negative { -micros } else { micros }).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(json: &str) -> Option<i64> {
        let json: Box<RawValue> = serde_json::from_str(json).expect("JSON");
        read(&json).ok().map(Micros::get)
    }

    #[test]
    fn numbers_and_texts_are_read_exactly() {
        for (json, expected) in [
            ("0", 0),
            ("0.000000000", 0),
            ("-0e99999", 0),
            ("1", 1_000_000),
            ("-2.5", -2_500_000),
            ("0.1", 100_000),
            ("1.10", 1_100_000),
            ("1.5000000", 1_500_000),
            ("1e-06", 1),
            ("1.5E+3", 1_500_000_000),
            ("12000e-3", 12_000_000),
            ("9007199254.740992", 1 << 53),
            ("9007199254.740991", (1 << 53) - 1),
            ("\"1.5\"", 1_500_000),
            (r#""\u0031""#, 1_000_000),
        ] {
            assert_eq!(micros(json), Some(expected), "{json}");
        }
    }

    #[test]
    fn what_is_not_exact_is_not_rounded() {
        for json in [
            "0.0000001",
            "1e-7",
            "1.0000000000000000001",
            "9007199254.740993",
            "1e10",
            "1e99999999999999999999",
            "1e2147483647",
            "1e-2147483648",
            "\"1e3\"",
            "\"\"",
            "null",
            "true",
            "[1]",
            "{}",
        ] {
            assert_eq!(micros(json), None, "{json}");
        }
    }
}
