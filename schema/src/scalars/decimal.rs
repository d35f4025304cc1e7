//! Exact decimal numbers.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use canopy_domain::Micros;
use canopy_domain::money::NotADecimal;

const MICROS_PER_UNIT: i64 = 1_000_000;

/// An exact decimal number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decimal(pub(crate) Micros);

impl Decimal {
    /// The number of a stored amount, which is in millionths.
    pub(crate) fn of_micros(micros: i64) -> canopy_domain::Result<Self> {
        Micros::new(micros)
            .map(Self)
            .map_err(canopy_domain::Error::internal)
    }
}

/// An exact decimal number with at most six fraction digits, between -9007199254.740992 and
/// 9007199254.740992, written as a string without superfluous zeros: "12", "-0.5", "0.000001". As input a
/// string or an Int; a Float is refused, because it is not exact.
// The notation is that of XML Schema's `decimal`; the bounds above are ours.
#[Scalar(specified_by_url = "https://www.w3.org/TR/xmlschema11-2/#decimal")]
impl ScalarType for Decimal {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => Ok(Self(text.parse::<Micros>()?)),
            Value::Number(number) => {
                let whole = number
                    .as_i64()
                    .ok_or("a Float is not exact; write the number as a string")?;
                let micros = whole.checked_mul(MICROS_PER_UNIT).ok_or(NotADecimal)?;
                Ok(Self(Micros::new(micros)?))
            }
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::Number;

    use super::*;

    #[test]
    fn strings_and_ints_are_read_exactly() {
        let read = |value| Decimal::parse(value).ok().map(|decimal| decimal.0.get());
        assert_eq!(read("12.5".into()), Some(12_500_000));
        assert_eq!(read("-0.000001".into()), Some(-1));
        assert_eq!(read(3.into()), Some(3_000_000));
        assert_eq!(
            Decimal::parse("1.50".into()).unwrap().to_value(),
            Value::from("1.5")
        );
    }

    #[test]
    fn floats_and_inexact_numbers_are_refused() {
        let float = Value::Number(Number::from_f64(0.5).unwrap());
        for value in [
            float,
            "0.0000001".into(),
            "1e3".into(),
            i64::MAX.into(),
            true.into(),
        ] {
            assert!(Decimal::parse(value.clone()).is_err(), "{value}");
        }
    }
}
