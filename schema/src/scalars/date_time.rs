//! Instants.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use canopy_domain::entity::time::{self, Timestamp};
use chrono::{SecondsFormat, Utc};

/// An instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DateTime(pub(crate) Timestamp);

impl std::fmt::Display for DateTime {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

impl From<Timestamp> for DateTime {
    fn from(instant: Timestamp) -> Self {
        Self(instant)
    }
}

/// An instant as RFC 3339 writes it: "2026-01-31T09:30:00Z". Answers are in UTC with at most six digits after
/// the second. As input any offset from UTC is accepted; what is finer than a microsecond is cut off.
#[Scalar(specified_by_url = "https://datatracker.ietf.org/doc/html/rfc3339")]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else {
            return Err(InputValueError::expected_type(value));
        };
        let instant = chrono::DateTime::parse_from_rfc3339(text)?;
        Ok(Self(time::truncate(instant.with_timezone(&Utc))))
    }

    fn to_value(&self) -> Value {
        Value::String(self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_with_any_offset_and_written_in_utc() {
        let instant = DateTime::parse("2026-01-31T10:30:00.1234567+01:00".into()).unwrap();
        assert_eq!(instant.to_value(), Value::from("2026-01-31T09:30:00.123456Z"));
        let whole = DateTime::parse("2026-01-31T09:30:00Z".into()).unwrap();
        assert_eq!(whole.to_value(), Value::from("2026-01-31T09:30:00Z"));
    }

    #[test]
    fn a_date_or_a_number_is_no_instant() {
        for value in ["2026-01-31".into(), "".into(), Value::from(0)] {
            assert!(DateTime::parse(value.clone()).is_err(), "{value}");
        }
    }
}
