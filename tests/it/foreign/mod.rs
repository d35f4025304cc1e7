//! Tokens of another issuer, checked with keys from its server.

mod issuer;

use std::time::Duration;

use canopy::config::{JwksConfig, Sources, Span};
use canopy_domain::entity::Role;
use canopy_domain::entity::account::Model as Account;
use serde_json::{Value, json};

use self::issuer::{Key, Keys, Mood};
use crate::app::{Answer, App, Caller, SECRET, within};
use crate::operations::base64url;

const ME: &str = "{ me { user { email } } }";
const ADA: &str = "ada@example.com";

struct House {
    app: App,
    main: Account,
}

/// A house that takes tokens of the issuer, and knows Ada.
async fn house(keys: &Keys, configure: impl FnOnce(&mut JwksConfig)) -> House {
    let mut auth = Sources::default().load().unwrap().config.auth;
    auth.jwks.url = keys.url.clone();
    auth.jwks.issuer = "https://id.example.com".to_owned();
    auth.jwks.audience = "canopy-api".to_owned();
    auth.jwks.timeout = Span(Duration::from_millis(500));
    configure(&mut auth.jwks);
    let foreign = canopy::jwks::foreign(&auth).expect("the configuration is good");
    let app = App::configured(|settings| settings.foreign = foreign).await;
    let main = app.main_account(None, "Main", "pln_itellico").await;
    let ada = app.domain.create_user(ADA, "Ada", None).await.unwrap();
    app.join(&main, &ada.id, Role::Owner).await;
    House { app, main }
}

impl House {
    async fn ask(&self, token: &str) -> Answer {
        self.app.run(&Caller::bearer(token), ME, json!({})).await
    }

    async fn takes(&self, token: &str) -> bool {
        let answer = within("an answer", self.ask(token)).await;
        match answer.codes().as_slice() {
            [] => answer.text("/me/user/email") == ADA,
            codes => {
                assert_eq!(codes, ["UNAUTHENTICATED"]);
                false
            }
        }
    }
}

fn now() -> i64 {
    chrono::Utc::now().timestamp()
}

/// Ada's claims with these changes; null takes one out.
fn claims(changes: Value) -> Value {
    let now = now();
    let mut claims = json!({
        "iss": "https://id.example.com", "aud": ["canopy-api", "other"], "sub": "auth0|1", "iat": now, "exp": now + 60,
        "email": "Ada@Example.com", "email_verified": true, "groups": ["a", "b"],
    });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_each_algorithm_name_a_person_who_is_known_here() {
    let signers = [Key::rsa("r"), Key::ec("e"), Key::ed("d")];
    let keys = Keys::serve(&signers.each_ref()).await;
    let house = house(&keys, |_| ()).await;
    for key in &signers {
        assert!(
            house.takes(&key.token(&claims(json!({})))).await,
            "{}",
            key.algorithm()
        );
    }
    assert_eq!(keys.asked(), 1, "the keys are kept");

    let key = &signers[1];
    for (what, changes) in [
        ("another person", json!({"email": "eve@example.com"})),
        ("no address", json!({"email": null})),
        (
            "an address that nobody verified",
            json!({"email_verified": false}),
        ),
        (
            "an address of which that is not told",
            json!({"email_verified": null}),
        ),
        ("expired", json!({"exp": now() - 10})),
        ("without end", json!({"exp": null})),
        ("not yet valid", json!({"nbf": now() + 60})),
        ("made in the future", json!({"iat": now() + 60})),
        ("made at no time", json!({"iat": null})),
        ("of another issuer", json!({"iss": "https://id.example.org"})),
        ("of no issuer", json!({"iss": null})),
        ("for others", json!({"aud": ["other"]})),
        ("for nobody", json!({"aud": null})),
        ("of no subject", json!({"sub": null})),
    ] {
        assert!(!house.takes(&key.token(&claims(changes))).await, "{what}");
    }
    // Within the leeway clocks may differ.
    assert!(
        house
            .takes(&key.token(&claims(json!({"exp": now() - 2, "nbf": now() + 2}))))
            .await
    );
    assert_eq!(keys.asked(), 1);

    // Our own tokens are taken as before.
    let owner = house.app.member(&house.main, Role::Owner).await;
    house.app.run(&owner, ME, json!({})).await.data();
}

/// A token that is signed with a secret, whatever its header says.
fn forged(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let message = format!(
        "{}.{}",
        base64url(header.to_string().as_bytes()),
        base64url(claims.to_string().as_bytes())
    );
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
    let signature = ring::hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", base64url(signature.as_ref()))
}

/// The same token with another signature.
fn changed(token: &str) -> String {
    let (head, signature) = token.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{head}.{first}{}", &signature[1..])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_checks_its_own_algorithm_and_no_other() {
    let (rsa, ec, ed) = (Key::rsa("r"), Key::ec("e"), Key::ed("d"));
    let keys = Keys::serve(&[&rsa, &ec, &ed]).await;
    // A symmetric key in a public set, a key that is for another algorithm, and one that is not for signatures.
    let shared = json!({"kty": "oct", "kid": "shared", "alg": "HS256", "k": base64url(SECRET.as_bytes())});
    let (other, secret) = (Key::rsa("other"), Key::ec("secret"));
    let (mut said, mut purpose) = (other.public(), secret.public());
    said["alg"] = json!("RS512");
    purpose["use"] = json!("enc");
    let published = vec![rsa.public(), ec.public(), ed.public(), shared, said, purpose];
    keys.set(Mood::Answers(published));
    let house = house(&keys, |_| ()).await;
    let claims = claims(json!({}));
    assert!(house.takes(&rsa.token(&claims)).await);

    let forged = |header: Value, secret: &[u8]| forged(&header, &claims, secret);
    let modulus = rsa.public()["n"].as_str().unwrap().to_owned();
    let set = json!({"keys": [rsa.public()]}).to_string();
    let unsigned = forged(json!({"alg": "none", "kid": "r"}), b"");
    let unsigned = unsigned.rsplit_once('.').unwrap().0;
    let hs256 = |key: &str| json!({"alg": "HS256", "kid": key});
    let es256 = |key: &str| json!({"alg": "ES256", "kid": key});
    let mut token = vec![
        ("none", format!("{unsigned}.")),
        ("HS256 with the modulus", forged(hs256("r"), modulus.as_bytes())),
        ("HS256 with the set", forged(hs256("r"), set.as_bytes())),
        (
            "HS256 with a published secret",
            forged(hs256("shared"), SECRET.as_bytes()),
        ),
        ("HS256 with our secret", forged(hs256("r"), SECRET.as_bytes())),
        (
            "our secret, their claims, no key",
            forged(json!({"alg": "HS256"}), SECRET.as_bytes()),
        ),
        (
            "another key's id",
            rsa.sign(&json!({"alg": "RS256", "kid": "e"}), &claims),
        ),
        (
            "another algorithm's name",
            ec.sign(&json!({"alg": "RS256", "kid": "e"}), &claims),
        ),
        ("an unknown key", ec.sign(&es256("x"), &claims)),
        ("no key", ec.sign(&json!({"alg": "ES256"}), &claims)),
        ("a key for another algorithm", other.token(&claims)),
        ("a key for another purpose", secret.token(&claims)),
        (
            "parts that must be understood",
            ec.sign(&json!({"alg": "ES256", "kid": "e", "crit": ["exp"]}), &claims),
        ),
        (
            "a key of its own",
            secret.sign(
                &json!({"alg": "ES256", "kid": "e", "jwk": secret.public()}),
                &claims,
            ),
        ),
    ];
    token.push(("a changed signature", changed(&ed.token(&claims))));
    for (what, token) in token {
        assert!(!house.takes(&token).await, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_is_fetched_once_for_all_and_an_old_one_goes_with_its_set() {
    let (old, new) = (Key::ec("old"), Key::ed("new"));
    let keys = Keys::serve(&[&old]).await;
    let house = house(&keys, |jwks| jwks.cooldown = Span(Duration::from_millis(300))).await;
    assert!(house.takes(&old.token(&claims(json!({})))).await);

    // Rotated within the cooldown: refused at first, then taken.
    keys.publish(&[&new]);
    let token = new.token(&claims(json!({})));
    assert!(!house.takes(&token).await);
    assert_eq!(keys.asked(), 1);
    crate::app::until("the cooldown to end", || async {
        house.takes(&token).await.then_some(())
    })
    .await;
    assert_eq!(keys.asked(), 2);
    assert!(
        !house.takes(&old.token(&claims(json!({})))).await,
        "a key that is withdrawn"
    );

    // Many unknown keys at once make one request.
    let before = keys.asked();
    let strangers: Vec<Key> = (0..20).map(|n| Key::ec(&format!("s{n}"))).collect();
    crate::app::until("the cooldown to end again", || async {
        house.takes(&strangers[0].token(&claims(json!({})))).await;
        (keys.asked() > before).then_some(())
    })
    .await;
    let before = keys.asked();
    let asking = strangers
        .iter()
        .map(|key| async { house.takes(&key.token(&claims(json!({})))).await });
    assert!(
        futures_util::future::join_all(asking)
            .await
            .iter()
            .all(|taken| !taken)
    );
    assert!(keys.asked() <= before + 1, "{} after {before}", keys.asked());
}

#[tokio::test(flavor = "multi_thread")]
async fn known_keys_are_used_while_the_server_of_the_keys_fails() {
    let (known, unknown) = (Key::ec("known"), Key::ec("unknown"));
    let keys = Keys::serve(&[&known]).await;
    let house = house(&keys, |jwks| jwks.cooldown = Span(Duration::ZERO)).await;
    let good = known.token(&claims(json!({})));
    assert!(house.takes(&good).await);
    for (what, mood) in [
        ("down", Mood::Fails),
        ("silent", Mood::Silent),
        ("endless", Mood::Endless),
        ("no JSON", Mood::Says("<html>")),
        ("no key set", Mood::Says("{\"error\": \"maintenance\"}")),
    ] {
        keys.set(mood);
        let before = keys.asked();
        assert!(!house.takes(&unknown.token(&claims(json!({})))).await, "{what}");
        assert!(keys.asked() > before, "{what}");
        assert!(house.app.domain.refresh_token_keys().await.is_err(), "{what}");
        assert!(house.takes(&good).await, "{what}");
    }
    // A set without keys is an answer: all are withdrawn.
    keys.set(Mood::Says("{\"keys\": []}"));
    house.app.domain.refresh_token_keys().await.unwrap();
    assert!(!house.takes(&good).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_token_ends_with_all_tokens_of_its_person() {
    let key = Key::ed("d");
    let keys = Keys::serve(&[&key]).await;
    let house = house(&keys, |_| ()).await;
    let (old, new) = (
        key.token(&claims(json!({}))),
        key.token(&claims(json!({"iat": now() + 3}))),
    );
    assert!(house.takes(&old).await);
    let ada = house
        .app
        .run(&Caller::bearer(&old), "{ me { user { id } } }", json!({}))
        .await;
    let ada = canopy_domain::entity::UserId::parse(&ada.text("/me/user/id")).unwrap();
    house.app.domain.revoke_tokens(&ada).await.unwrap();
    assert!(!house.takes(&old).await);
    assert!(house.takes(&new).await, "a younger one holds");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_come_from_a_file_too_and_another_claim_may_name_the_person() {
    let key = Key::ec("e");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys.json");
    std::fs::write(&file, json!({"keys": [key.public()]}).to_string()).unwrap();
    let keys = Keys::serve(&[]).await;
    let house = house(&keys, |jwks| {
        jwks.url = String::new();
        jwks.file = file.display().to_string();
        jwks.user_claim = "upn".to_owned();
    })
    .await;
    assert!(
        house
            .takes(&key.token(&claims(json!({"email": null, "upn": ADA}))))
            .await
    );
    assert!(!house.takes(&key.token(&claims(json!({})))).await);
    assert_eq!(keys.asked(), 0);
}

#[test]
fn a_configuration_that_could_be_forged_or_is_not_whole_is_refused() {
    let refused = |configure: fn(&mut JwksConfig)| {
        let mut auth = Sources::default().load().unwrap().config.auth;
        auth.jwks.issuer = "issuer".to_owned();
        configure(&mut auth.jwks);
        canopy::jwks::foreign(&auth).err().map(|error| error.to_string())
    };
    assert_eq!(refused(|_| ()), None, "off");
    assert!(
        refused(|jwks| jwks.url = "http://id.example.com/keys".into())
            .unwrap()
            .contains("https")
    );
    assert!(
        refused(|jwks| jwks.url = "nonsense".into())
            .unwrap()
            .contains("auth.jwks.url")
    );
    let no_issuer = refused(|jwks| {
        jwks.url = "https://id.example.com/keys".into();
        jwks.issuer.clear();
    });
    assert!(no_issuer.unwrap().contains("auth.jwks.issuer"));
}
