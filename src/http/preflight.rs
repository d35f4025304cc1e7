//! Whether a browser asked before it sent a request to another origin.
//!
//! A page of another origin may make a browser send a GET or a form without asking. Canopy takes credentials from
//! headers alone, which no such request has; what is left is work for nothing, and answers to whoever is inside a
//! private network. So such a request needs a header that makes the browser ask first.

use axum::http::{HeaderMap, StatusCode, header};

use super::refusal::Refusal;

/// Any of these, with any value, shows that the request was asked for.
const HEADERS: [&str; 2] = ["graphql-require-preflight", "apollo-require-preflight"];
/// How a browser says that a request comes from another origin's page.
const FETCH_SITE: &str = "sec-fetch-site";

/// Whether the request has a header that a browser asks about first.
pub(super) fn is_shown(headers: &HeaderMap) -> bool {
    let shown = |name: &&str| headers.get(*name).is_some_and(|value| !value.is_empty());
    HEADERS.iter().any(shown)
}

/// Refuses a GET that a browser sent for another origin's page without asking.
pub(super) fn check_get(headers: &HeaderMap) -> Result<(), Refusal> {
    let site = headers.get(FETCH_SITE).and_then(|site| site.to_str().ok());
    let foreign = matches!(site, Some("cross-site" | "same-site"));
    if foreign && !is_shown(headers) && !headers.contains_key(header::AUTHORIZATION) {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "A GET from another origin's page needs the header GraphQL-Require-Preflight.",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(headers: &[(&'static str, &str)]) -> bool {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")))
            .collect();
        check_get(&headers).is_ok()
    }

    #[test]
    fn only_a_page_of_another_origin_has_to_ask() {
        assert!(allowed(&[]), "a program");
        assert!(allowed(&[(FETCH_SITE, "same-origin")]));
        assert!(allowed(&[(FETCH_SITE, "none")]), "typed into the address bar");
        assert!(!allowed(&[(FETCH_SITE, "cross-site")]));
        assert!(!allowed(&[(FETCH_SITE, "same-site")]));
        assert!(!allowed(&[
            (FETCH_SITE, "cross-site"),
            ("graphql-require-preflight", "")
        ]));
        assert!(allowed(&[
            (FETCH_SITE, "cross-site"),
            ("apollo-require-preflight", "1")
        ]));
        assert!(allowed(&[
            (FETCH_SITE, "cross-site"),
            ("authorization", "Bearer x")
        ]));
    }
}
