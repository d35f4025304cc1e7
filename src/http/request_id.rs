//! The id of a request: taken from `x-request-id` or made here, in every log line and every answer.

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue},
};

/// The header that carries the id, in and out.
pub(super) const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// The longest id that is taken from a client.
const MAX_LENGTH: usize = 64;

/// The id of the request at hand, found in the request's extensions.
#[derive(Clone, Debug, Default)]
pub(super) struct RequestId(pub(super) String);

impl RequestId {
    fn of(request: &Request) -> Self {
        let given = request
            .headers()
            .get(HEADER)
            .and_then(|value| value.to_str().ok())
            .filter(|id| acceptable(id));
        Self(given.map_or_else(|| format!("req_{}", ulid::Ulid::generate()), str::to_owned))
    }

    /// For the answer.
    pub(super) fn header(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).expect("an id has header characters only")
    }
}

/// An id that may stand in a log line and a header as it is.
fn acceptable(id: &str) -> bool {
    let plain = |c: u8| c.is_ascii_alphanumeric() || b"-_.:".contains(&c);
    !id.is_empty() && id.len() <= MAX_LENGTH && id.bytes().all(plain)
}

/// Gives the request its id.
pub(super) fn assign(request: &mut Request) -> RequestId {
    let id = RequestId::of(request);
    request.extensions_mut().insert(id.clone());
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_short_ids_are_taken() {
        assert!(acceptable("req_01J-x.y:z"));
        for bad in ["", "a b", "a\"b", "ä", &"x".repeat(65)] {
            assert!(!acceptable(bad), "{bad}");
        }
    }
}
