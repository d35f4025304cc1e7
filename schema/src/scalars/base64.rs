//! Bytes.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Base64(pub(crate) Vec<u8>);

/// Bytes in base64, with the standard alphabet and with padding.
#[Scalar(specified_by_url = "https://datatracker.ietf.org/doc/html/rfc4648#section-4")]
impl ScalarType for Base64 {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            // The decoder's error would name the offending byte and nothing that helps.
            Value::String(text) => Ok(Self(STANDARD.decode(text).map_err(|_| "this is not base64")?)),
            value => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(STANDARD.encode(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_and_written() {
        let bytes = Base64::parse("AGFzbQ==".into()).unwrap();
        assert_eq!(bytes.0, b"\0asm");
        assert_eq!(bytes.to_value(), Value::from("AGFzbQ=="));
        for text in ["AGFzbQ", "AGFz bQ==", "*"] {
            assert!(Base64::parse(text.into()).is_err(), "{text}");
        }
    }
}
