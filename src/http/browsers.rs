//! What browsers are told: which pages may call (CORS), and what they must not do with an answer.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::{
    engine::SUB_ACCOUNT,
    graphql::{IDEMPOTENCY_KEY, IDEMPOTENCY_REPLAYED},
    request_id, single,
};
use crate::config::{HttpConfig, WebOrigin};

/// What an answer is told with, unless it says otherwise itself: take it as the media type that it has, keep it nowhere,
/// tell nobody where a link was followed, and show or load nothing.
const ALWAYS: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CACHE_CONTROL, "no-store"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    ),
];

/// The header that keeps browsers to https for so long; none if it is not to be sent.
pub(super) fn transport_security(longest: Duration) -> Option<HeaderValue> {
    (!longest.is_zero()).then(|| {
        let text = format!("max-age={}", longest.as_secs());
        HeaderValue::from_str(&text).expect("a number is a header's text")
    })
}

/// Adds the headers to an answer.
pub(super) fn secure(headers: &mut HeaderMap, transport: Option<&HeaderValue>) {
    for (name, value) in ALWAYS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if let Some(transport) = transport {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, transport.clone());
    }
}

/// Cross-origin calls from the configured origins. Credentials are headers, never cookies, so any origin may be allowed.
pub(super) fn cors(config: &HttpConfig) -> Option<CorsLayer> {
    let origins = &config.cors_origins;
    if origins.is_empty() {
        return None;
    }
    let origin = if origins.iter().any(WebOrigin::is_any) {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(
            origins
                .iter()
                .filter_map(|origin| HeaderValue::from_str(origin.as_str()).ok()),
        )
    };
    let sent = [
        header::CONTENT_TYPE,
        header::AUTHORIZATION,
        header::ACCEPT,
        header::IF_NONE_MATCH,
        HeaderName::from_static(SUB_ACCOUNT),
        HeaderName::from_static("graphql-require-preflight"),
        HeaderName::from_static("apollo-require-preflight"),
        HeaderName::from_static("traceparent"),
        HeaderName::from_static("tracestate"),
        IDEMPOTENCY_KEY,
        single::TOKEN,
        request_id::HEADER,
    ];
    let read = [
        request_id::HEADER,
        IDEMPOTENCY_REPLAYED,
        header::ETAG,
        header::RETRY_AFTER,
        header::WWW_AUTHENTICATE,
        header::ALLOW,
    ];
    Some(
        CorsLayer::new()
            .allow_origin(origin)
            .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
            .allow_headers(sent)
            .expose_headers(read)
            .max_age(config.cors_max_age.get()),
    )
}
