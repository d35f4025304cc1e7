//! What of a value may be shown: never a secret, never the password of a URL. Pure.

use toml::Value;

/// The keys whose values are never shown.
pub(super) const SECRETS: [&str; 1] = ["auth.secret"];

/// The keys whose values may hold a password.
pub(super) const URLS: [&str; 2] = ["database.url", "nats.url"];

/// A value as an error message or a listing may show it.
pub(super) fn shown(key: &str, value: &Value) -> String {
    match value {
        Value::String(text) if text.is_empty() => "\"\"".to_owned(),
        _ if SECRETS.contains(&key) => "\"********\"".to_owned(),
        Value::String(text) if URLS.contains(&key) => Value::String(without_password(text)).to_string(),
        value => value.to_string(),
    }
}

/// A URL with its password masked.
pub(crate) fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let Some((credentials, host)) = rest.rsplit_once('@') else {
        return url.to_owned();
    };
    let user = credentials.split(':').next().unwrap_or_default();
    if credentials.contains(':') {
        format!("{scheme}://{user}:********@{host}")
    } else {
        url.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_masked() {
        assert_eq!(
            without_password("postgres://me:pw@db/x"),
            "postgres://me:********@db/x"
        );
        assert_eq!(
            without_password("sqlite://canopy.db?mode=rwc"),
            "sqlite://canopy.db?mode=rwc"
        );
        assert_eq!(shown("auth.secret", &Value::String("abc".into())), "\"********\"");
    }
}
