//! What browsers are told: who may call, and what they must not do with an answer.

use std::time::Duration;

use canopy::config::Span;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::app::served::{House, house, house_with};
use crate::app::within;

const APP: &str = "https://app.example.com";

impl House {
    /// The headers of the answer to a browser's question whether it may call.
    async fn preflight(&self, origin: &str) -> (StatusCode, HeaderMap) {
        let request = self
            .client
            .request(Method::OPTIONS, self.server.url("/graphql"))
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type");
        let answer = within("an answer", request.send()).await.unwrap();
        (answer.status(), answer.headers().clone())
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_the_configured_origins_may_call_and_read_what_they_need() {
    let house = house_with(|config| {
        config.http.cors_origins = vec![APP.parse().unwrap()];
        config.http.cors_max_age = Span(Duration::from_secs(120));
    })
    .await;
    let (status, headers) = house.preflight(APP).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(text(&headers, "access-control-allow-origin"), APP);
    assert_eq!(text(&headers, "access-control-max-age"), "120");
    assert!(
        headers.get("access-control-allow-credentials").is_none(),
        "there are no cookies"
    );
    let allowed = text(&headers, "access-control-allow-headers").to_lowercase();
    for name in [
        "authorization",
        "content-type",
        "x-sub-account-id",
        "idempotency-key",
        "traceparent",
    ] {
        assert!(allowed.split(',').any(|one| one == name), "{name}: {allowed}");
    }

    let called = house.post().header("origin", APP).json(&house.body());
    let called = within("an answer", called.send()).await.unwrap();
    assert_eq!(text(called.headers(), "access-control-allow-origin"), APP);
    let exposed = text(called.headers(), "access-control-expose-headers").to_lowercase();
    for name in ["x-request-id", "retry-after", "etag", "idempotency-replayed"] {
        assert!(exposed.split(',').any(|one| one == name), "{name}: {exposed}");
    }
    // A cache in between must not give one origin the answer of another.
    let vary: Vec<_> = called.headers().get_all("vary").iter().collect();
    assert!(format!("{vary:?}").to_lowercase().contains("origin"), "{vary:?}");

    for stranger in ["https://evil.example.com", "http://app.example.com", "null"] {
        let (_, headers) = house.preflight(stranger).await;
        assert!(headers.get("access-control-allow-origin").is_none(), "{stranger}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_origins_no_page_may_call_and_with_a_star_every_one_may() {
    let closed = house().await;
    let (_, headers) = closed.preflight(APP).await;
    assert!(headers.get("access-control-allow-origin").is_none());
    let open = house_with(|config| config.http.cors_origins = vec!["*".parse().unwrap()]).await;
    assert_eq!(
        text(&open.preflight(APP).await.1, "access-control-allow-origin"),
        "*"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_kept_nowhere_and_shown_in_no_frame() {
    let house = house().await;
    let refused = house
        .client
        .post(house.server.url("/graphql"))
        .header("authorization", "Bearer x");
    for (what, request, status) in [
        ("data", house.post().json(&house.body()), 200),
        ("errors", house.post().json(&json!({"query": "{ nothing }"})), 200),
        ("a bad credential", refused.json(&house.body()), 401),
        ("a bad body", house.post().body("{"), 415),
        ("nothing", house.client.get(house.server.url("/nowhere")), 404),
        ("a probe", house.client.get(house.server.url("/healthz")), 200),
    ] {
        let answer = within("an answer", request.send()).await.unwrap();
        assert_eq!(answer.status(), status, "{what}");
        let headers = answer.headers();
        for (name, expected) in [
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "DENY"),
            (
                "content-security-policy",
                "default-src 'none'; frame-ancestors 'none'",
            ),
        ] {
            assert_eq!(text(headers, name), expected, "{what}: {name}");
        }
        assert!(headers.get("strict-transport-security").is_none(), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_explorer_loads_from_this_server_only_and_https_is_kept_to_where_configured() {
    let house = house_with(|config| config.http.hsts = Span(Duration::from_secs(86_400))).await;
    let page = within("the page", house.client.get(house.server.url("/graphiql")).send())
        .await
        .unwrap();
    let headers = page.headers();
    let policy = text(headers, "content-security-policy");
    assert!(
        policy.contains("default-src 'self'") && policy.contains("frame-ancestors 'none'"),
        "{policy}"
    );
    assert_eq!(text(headers, "x-frame-options"), "DENY");
    assert_eq!(
        text(headers, "cache-control"),
        "no-cache",
        "what says otherwise itself is left as it is"
    );
    assert_eq!(text(headers, "strict-transport-security"), "max-age=86400");
}
