//! Fetches the public keys of another issuer of tokens, from a URL or a file, within bounds. What they are good for is
//! `domain::auth`'s to say.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use canopy_domain::{
    auth::{ForeignSettings, KeySource},
    error::Cause,
};
use futures_util::{FutureExt, future::BoxFuture};
use reqwest::{Client, Url, redirect};
use tokio::io::AsyncReadExt;

use crate::{
    config::{AuthConfig, ConfigError, JwksConfig},
    telemetry, tls,
};

/// The most bytes of a key set. The largest of the known providers has some 10 kB.
const MOST: usize = 256 << 10;

/// Whose tokens are taken beside our own, if any.
pub fn foreign(config: &AuthConfig) -> Result<Option<ForeignSettings>, ConfigError> {
    let jwks = &config.jwks;
    if !jwks.is_on() {
        return Ok(None);
    }
    if jwks.issuer.is_empty() {
        return Err(ConfigError::Missing {
            key: "auth.jwks.issuer",
            how: "name the issuer (`iss`) whose tokens are taken",
        });
    }
    let audience = match jwks.audience.as_str() {
        "" => &config.audience,
        given => given,
    };
    Ok(Some(ForeignSettings {
        issuer: jwks.issuer.clone(),
        audience: audience.to_owned(),
        algorithms: jwks.algorithms.clone(),
        leeway: config.leeway.get(),
        user_claim: jwks.user_claim.clone(),
        cooldown: jwks.cooldown.get(),
        timeout: jwks.timeout.get(),
        source: source(jwks)?,
    }))
}

fn source(jwks: &JwksConfig) -> Result<Arc<dyn KeySource>, ConfigError> {
    let bad = |how| ConfigError::Missing {
        key: "auth.jwks.url",
        how,
    };
    match (jwks.url.as_str(), jwks.file.as_str()) {
        ("", file) => Ok(Arc::new(InFile(PathBuf::from(file)))),
        (url, "") => {
            let url =
                Url::parse(url).map_err(|_| bad("it must be a URL, such as https://id.example.com/keys"))?;
            if !is_private(&url) {
                return Err(bad(
                    "the keys must come by https, or from this machine: who sends them could sign tokens",
                ));
            }
            let client = client(jwks.timeout.get()).map_err(|_| bad("no HTTP client can be made"))?;
            Ok(Arc::new(AtUrl { client, url }))
        }
        _ => Err(bad("name a URL or a file, not both")),
    }
}

/// Whether nobody on the way can change what comes from there.
fn is_private(url: &Url) -> bool {
    let local = |host: &str| matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    url.scheme() == "https" || (url.scheme() == "http" && url.host_str().is_some_and(local))
}

fn client(timeout: Duration) -> reqwest::Result<Client> {
    tls::client_builder()
        .redirect(redirect::Policy::none())
        .timeout(timeout)
        .build()
}

struct InFile(PathBuf);

impl KeySource for InFile {
    fn fetch(&self) -> BoxFuture<'static, Result<Vec<u8>, Cause>> {
        let path = self.0.clone();
        async move {
            let mut body = Vec::new();
            let file = tokio::fs::File::open(path).await?;
            file.take(MOST as u64 + 1).read_to_end(&mut body).await?;
            within_bounds(body)
        }
        .boxed()
    }
}

struct AtUrl {
    client: Client,
    url: Url,
}

impl KeySource for AtUrl {
    fn fetch(&self) -> BoxFuture<'static, Result<Vec<u8>, Cause>> {
        let request = self.client.get(self.url.clone());
        async move {
            let mut response = request
                .header("accept", "application/json")
                .headers(telemetry::onward())
                .send()
                .await?;
            if !response.status().is_success() {
                return Err(io::Error::other(format!("the answer was {}", response.status())).into());
            }
            let mut body = Vec::new();
            while let Some(part) = response.chunk().await? {
                body.extend_from_slice(&part);
                if body.len() > MOST {
                    break;
                }
            }
            within_bounds(body)
        }
        .boxed()
    }
}

fn within_bounds(body: Vec<u8>) -> Result<Vec<u8>, Cause> {
    if body.len() > MOST {
        return Err(io::Error::other(format!("the key set has more than {MOST} bytes")).into());
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_by_a_way_on_which_nobody_can_change_them() {
        for (url, expected) in [
            ("https://id.example.com/keys", true),
            ("http://127.0.0.1:8000/keys", true),
            ("http://localhost/keys", true),
            ("http://[::1]/keys", true),
            ("http://id.example.com/keys", false),
            ("http://127.0.0.1.example.com/keys", false),
            ("ftp://127.0.0.1/keys", false),
        ] {
            let url = Url::parse(url).expect("a URL");
            assert_eq!(is_private(&url), expected, "{url}");
        }
    }
}
