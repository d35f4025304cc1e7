//! Signed tokens: short-lived JWTs that name a user.
//!
//! What a token allows is not in it: grants are read from the database and forgotten when they change, so that a change
//! holds at once. A token only proves who signed in, and in which version of that person's tokens.

use std::time::Duration;

use canopy_entity::UserId;
use canopy_entity::time::Timestamp;
use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The shortest secret of HS256: as long as its digest.
const SHORTEST_SECRET: usize = 32;

/// How tokens are signed and checked.
#[derive(Clone)]
pub struct TokenSettings {
    /// Secret of HS256, at least 32 bytes.
    pub secret: Vec<u8>,
    /// `iss`: who issues.
    pub issuer: String,
    /// `aud`: whom the token is for.
    pub audience: String,
    /// How long a token holds.
    pub lifetime: Duration,
    /// How far the clocks of two nodes may differ. It does not prolong a token.
    pub leeway: Duration,
}

/// Signs and checks tokens.
pub struct Tokens {
    signing: EncodingKey,
    checking: DecodingKey,
    validation: Validation,
    settings: TokenSettings,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    iat: u64,
    nbf: u64,
    exp: u64,
    /// The user's `token_version` when the token was made.
    ver: i32,
}

/// What a token that holds says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) user_id: UserId,
    pub(super) token_version: i32,
    pub(super) expires_at: Timestamp,
}

impl Tokens {
    /// Prepares the keys.
    pub fn new(settings: TokenSettings) -> Result<Self> {
        if settings.secret.len() < SHORTEST_SECRET {
            return Err(Error::internal(format!(
                "the secret for tokens must have at least {SHORTEST_SECRET} bytes"
            )));
        }
        // The algorithm is the one that we sign with, whatever the token's header says.
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "nbf", "exp"]);
        validation.set_issuer(&[&settings.issuer]);
        validation.set_audience(&[&settings.audience]);
        validation.validate_nbf = true;
        validation.leeway = settings.leeway.as_secs();
        Ok(Self {
            signing: EncodingKey::from_secret(&settings.secret),
            checking: DecodingKey::from_secret(&settings.secret),
            validation,
            settings,
        })
    }

    /// A token for a user, and until when it holds: for the configured lifetime if none is given.
    pub(super) fn issue(
        &self,
        user_id: &UserId,
        token_version: i32,
        lifetime: Option<Duration>,
    ) -> Result<(String, Timestamp)> {
        let now = seconds_now();
        let exp = now.saturating_add(lifetime.unwrap_or(self.settings.lifetime).as_secs());
        let claims = Claims {
            iss: self.settings.issuer.clone(),
            aud: self.settings.audience.clone(),
            sub: user_id.to_string(),
            iat: now,
            nbf: now,
            exp,
            ver: token_version,
        };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.signing)
            .map_err(Error::internal)?;
        let expires_at = instant(exp).ok_or_else(|| Error::internal("a token's lifetime is too long"))?;
        Ok((token, expires_at))
    }

    /// Whom the token names, if it holds. Why one does not hold is not told.
    pub(super) fn check(&self, token: &str) -> Result<Named> {
        let claims = jsonwebtoken::decode::<Claims>(token, &self.checking, &self.validation)
            .map_err(|_| Error::Unauthenticated)?
            .claims;
        let now = seconds_now();
        if claims.exp <= now || claims.iat > now.saturating_add(self.settings.leeway.as_secs()) {
            return Err(Error::Unauthenticated);
        }
        Ok(Named {
            user_id: UserId::parse(&claims.sub).map_err(|_| Error::Unauthenticated)?,
            token_version: claims.ver,
            expires_at: instant(claims.exp).ok_or(Error::Unauthenticated)?,
        })
    }
}

/// The instant of a claim, which counts seconds since 1970; none if it is beyond all calendars.
fn instant(seconds: u64) -> Option<Timestamp> {
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, 0)
}

fn seconds_now() -> u64 {
    u64::try_from(Utc::now().timestamp()).expect("the clock is past 1970")
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use serde_json::{Value, json};

    use super::*;

    fn settings() -> TokenSettings {
        TokenSettings {
            secret: vec![7; 32],
            issuer: "canopy".into(),
            audience: "canopy-api".into(),
            lifetime: Duration::from_secs(900),
            leeway: Duration::from_secs(5),
        }
    }

    /// A token with these claims over good ones, signed with our secret.
    fn signed(algorithm: Algorithm, changes: &Value) -> String {
        let now = seconds_now();
        let mut claims = json!({
            "iss": "canopy", "aud": "canopy-api", "sub": UserId::new(), "iat": now, "nbf": now, "exp": now + 60, "ver": 0
        });
        for (name, value) in changes.as_object().unwrap() {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        let key = EncodingKey::from_secret(&settings().secret);
        jsonwebtoken::encode(&Header::new(algorithm), &claims, &key).unwrap()
    }

    #[test]
    fn a_token_names_its_user_and_version() {
        let tokens = Tokens::new(settings()).unwrap();
        let user_id = UserId::new();
        let (token, expires_at) = tokens.issue(&user_id, 3, None).unwrap();
        let named = tokens.check(&token).unwrap();
        assert_eq!(
            named,
            Named {
                user_id,
                token_version: 3,
                expires_at
            }
        );
        let left = (expires_at - Utc::now()).num_seconds();
        assert!((895..=900).contains(&left), "{left}");
        assert!(tokens.check(&signed(Algorithm::HS256, &json!({}))).is_ok());
    }

    #[test]
    fn a_token_that_does_not_hold_is_unauthenticated_and_nothing_more() {
        let tokens = Tokens::new(settings()).unwrap();
        let now = seconds_now();
        let good = signed(Algorithm::HS256, &json!({}));
        let (body, signature) = good.rsplit_once('.').unwrap();
        let claims = body.split_once('.').unwrap().1;
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
        let mut others = settings();
        others.secret = vec![8; 32];
        let refused = [
            (
                "another secret",
                Tokens::new(others)
                    .unwrap()
                    .issue(&UserId::new(), 0, None)
                    .unwrap()
                    .0,
            ),
            ("alg none", format!("{none}.{claims}.")),
            (
                "alg none with a signature",
                format!("{none}.{claims}.{signature}"),
            ),
            (
                "another algorithm of the same family",
                signed(Algorithm::HS384, &json!({})),
            ),
            ("no signature", format!("{body}.")),
            ("changed signature", format!("{body}.{}", changed(signature))),
            (
                "wrong audience",
                signed(Algorithm::HS256, &json!({"aud": "another-api"})),
            ),
            (
                "wrong issuer",
                signed(Algorithm::HS256, &json!({"iss": "somebody"})),
            ),
            ("expired", signed(Algorithm::HS256, &json!({"exp": now - 1}))),
            (
                "expires now",
                tokens.issue(&UserId::new(), 0, Some(Duration::ZERO)).unwrap().0,
            ),
            (
                "not yet valid",
                signed(Algorithm::HS256, &json!({"nbf": now + 60})),
            ),
            (
                "made in the future",
                signed(Algorithm::HS256, &json!({"iat": now + 60})),
            ),
            ("no subject", signed(Algorithm::HS256, &json!({"sub": null}))),
            ("no expiry", signed(Algorithm::HS256, &json!({"exp": null}))),
            ("no audience", signed(Algorithm::HS256, &json!({"aud": null}))),
            ("no issuer", signed(Algorithm::HS256, &json!({"iss": null}))),
            ("no version", signed(Algorithm::HS256, &json!({"ver": null}))),
            (
                "a subject of another kind",
                signed(Algorithm::HS256, &json!({"sub": "acc_1"})),
            ),
            ("no token at all", "x.y.z".into()),
            ("empty", String::new()),
        ];
        for (what, token) in refused {
            let error = tokens.check(&token).unwrap_err();
            assert!(matches!(error, Error::Unauthenticated), "{what}");
        }
    }

    /// Another text of the same length: its first character is another one, whichever it was.
    fn changed(signature: &str) -> String {
        let first = if signature.starts_with('A') { 'B' } else { 'A' };
        format!("{first}{}", &signature[1..])
    }

    #[test]
    fn a_short_secret_is_refused() {
        let mut short = settings();
        short.secret.truncate(31);
        assert!(Tokens::new(short).is_err());
    }
}
