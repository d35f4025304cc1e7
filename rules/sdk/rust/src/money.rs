//! Exact arithmetic on micro-units: integers in millionths, within ±2^53.
//! Nothing here rounds without being told how, and nothing wraps: a number out
//! of range is `None`.

use alloc::string::String;

/// Micro-units in one unit.
pub const UNIT: i64 = 1_000_000;

/// Bound of every number of the contract.
pub const MAX: i64 = 1 << 53;

/// How an exact quotient becomes an integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rounding {
    /// To the nearest; halves to the even one. Over many lines it has no drift.
    #[default]
    HalfEven,
    /// To the nearest; halves away from zero, as taught at school.
    HalfUp,
    /// Towards zero.
    Down,
    /// Away from zero.
    Up,
    /// Towards minus infinity.
    Floor,
    /// Towards plus infinity.
    Ceiling,
}

/// The number if it is in range.
pub fn bounded(value: i128) -> Option<i64> {
    (value.unsigned_abs() <= MAX as u128).then_some(value as i64)
}

/// `a + b`.
pub fn add(a: i64, b: i64) -> Option<i64> {
    bounded(i128::from(a) + i128::from(b))
}

/// `a × b ÷ divisor`, exact until the one rounding at the end. The divisor must
/// be above zero.
pub fn mul_div(a: i64, b: i64, divisor: i64, rounding: Rounding) -> Option<i64> {
    if divisor <= 0 {
        return None;
    }
    let product = i128::from(a) * i128::from(b);
    let divisor = i128::from(divisor);
    // Nearly all products fit 64 bits, where a division is much cheaper.
    let (quotient, rest) = match (i64::try_from(product), i64::try_from(divisor)) {
        (Ok(p), Ok(d)) => (i128::from(p / d), i128::from(p % d)),
        _ => (product / divisor, product % divisor),
    };
    if rest == 0 {
        return bounded(quotient);
    }
    let away = if product < 0 { -1 } else { 1 };
    let twice = rest.unsigned_abs() * 2;
    let to_away = match rounding {
        Rounding::HalfEven => {
            twice > divisor.unsigned_abs() || (twice == divisor.unsigned_abs() && quotient % 2 != 0)
        }
        Rounding::HalfUp => twice >= divisor.unsigned_abs(),
        Rounding::Down => false,
        Rounding::Up => true,
        Rounding::Floor => product < 0,
        Rounding::Ceiling => product > 0,
    };
    bounded(if to_away { quotient + away } else { quotient })
}

/// A quantity times a price per unit, both in micro-units, rounded half to even.
pub fn times(quantity: i64, price: i64) -> Option<i64> {
    mul_div(quantity, price, UNIT, Rounding::HalfEven)
}

/// Reads a decimal number of units, like `-12.5`, with at most six digits after
/// the point.
pub fn parse(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    if whole.is_empty() || whole.len() > 10 || fraction.is_empty() || fraction.len() > 6 {
        return None;
    }
    let mut value: i64 = 0;
    let zeros = core::iter::repeat_n(b'0', 6 - fraction.len());
    for digit in whole.bytes().chain(fraction.bytes()).chain(zeros) {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value * 10 + i64::from(digit - b'0');
    }
    bounded(i128::from(if negative { -value } else { value }))
}

/// Writes micro-units as a decimal number of units, without needless zeros.
pub fn format(micros: i64) -> String {
    let mut text = String::new();
    write(&mut text, micros);
    text
}

/// Appends what [`format()`] gives. Receipts are full of numbers: this takes a
/// small part of what the standard formatting takes.
pub fn write(text: &mut String, micros: i64) {
    // From the right: at most a sign, fourteen digits, a point and six digits.
    let mut bytes = [0; 24];
    let mut start = bytes.len();
    let mut put = |byte: u8| {
        start -= 1;
        bytes[start] = byte;
    };
    let mut rest = micros.unsigned_abs();
    let mut place = 0;
    let mut begun = false;
    loop {
        let digit = (rest % 10) as u8;
        rest /= 10;
        if place == 6 && begun {
            put(b'.');
        }
        begun |= digit != 0 || place >= 6;
        if begun {
            put(b'0' + digit);
        }
        place += 1;
        if rest == 0 && place > 6 {
            break;
        }
    }
    if micros < 0 {
        put(b'-');
    }
    text.push_str(core::str::from_utf8(&bytes[start..]).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rounding_does_what_its_name_says() {
        use Rounding::*;
        let cases = [
            (5, [2, 3, 2, 3, 2, 3]),
            (-5, [-2, -3, -2, -3, -3, -2]),
            (7, [4, 4, 3, 4, 3, 4]),
            (-7, [-4, -4, -3, -4, -4, -3]),
            (4, [2, 2, 2, 2, 2, 2]),
        ];
        for (a, expected) in cases {
            let halves = [HalfEven, HalfUp, Down, Up, Floor, Ceiling].map(|r| mul_div(a, 1, 2, r).unwrap());
            assert_eq!(halves, expected, "{a}/2");
        }
        assert_eq!(mul_div(10, 1, 3, HalfUp), Some(3));
        assert_eq!(mul_div(11, 1, 3, HalfUp), Some(4));
    }

    #[test]
    fn large_products_are_exact_and_the_result_is_bounded() {
        assert_eq!(mul_div(MAX, MAX, MAX, Rounding::HalfEven), Some(MAX));
        assert_eq!(mul_div(MAX, 2, 1, Rounding::HalfEven), None);
        assert_eq!(mul_div(i64::MIN, i64::MIN, 1, Rounding::Up), None);
        assert_eq!(mul_div(1, 1, 0, Rounding::Up), None);
        assert_eq!(add(MAX, 1), None);
        assert_eq!(times(3_000_000, 90_000), Some(270_000));
    }

    #[test]
    fn decimals_are_read_and_written() {
        for (text, micros) in [
            ("0", 0),
            ("1.5", 1_500_000),
            ("-0.000001", -1),
            ("9007199254.740992", MAX),
        ] {
            assert_eq!(format(micros), text);
            assert_eq!(parse(text), bounded(micros.into()));
        }
        for wrong in [
            "",
            "-",
            ".5",
            "5.",
            "1e3",
            "+1",
            "1.0000000",
            "9007199254.740993",
            "99999999999",
            "1 ",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
