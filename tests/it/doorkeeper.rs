//! Who may come in, from where and how often: API keys with address ranges, their last use, and tries to sign in.

use std::time::Duration;

use canopy_domain::auth::{NewApiKey, SignInSettings, Tries, parse_range};
use canopy_domain::entity::{PermissionKey, api_key};
use sea_orm::EntityTrait;
use serde_json::{Value, json};

use crate::app::served::{House, house, house_of, house_with};
use crate::app::socket::Socket;
use crate::app::{App, Caller, until};

const SIGN_IN: &str =
    "mutation ($input: SignInInput!) { signIn(input: $input) { token userErrors { code } } }";

impl House {
    /// A key that may be used from these ranges only.
    async fn key_from(&self, ranges: &[&str]) -> Caller {
        let new = NewApiKey {
            name: "from there".to_owned(),
            levels: PermissionKey::all().map(|key| (key, key.max_level())).collect(),
            expires_at: None,
            allowed_ips: ranges.iter().map(|range| parse_range(range).unwrap()).collect(),
        };
        let (system, view) = (self.app.system(&self.main), self.app.view(&self.main).await);
        let made = self.app.domain.create_api_key(&system, &view, new).await;
        Caller::bearer(&made.unwrap().secret)
    }

    /// The status of a request with this key, as a proxy passes it on.
    async fn status(&self, key: &Caller, forwarded: &[(&str, &str)]) -> u16 {
        let mut request = self
            .client
            .post(self.server.url("/graphql"))
            .header("authorization", key.authorization.as_deref().unwrap())
            .json(&self.body());
        for (name, value) in forwarded {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap().status().as_u16()
    }

    /// A try to sign in, as a proxy passes it on.
    async fn sign_in(&self, email: &str, password: &str, from: &str) -> Value {
        let input = json!({"input": {"email": email, "password": password}});
        let request = self
            .client
            .post(self.server.url("/graphql"))
            .header("x-forwarded-for", from)
            .json(&json!({"query": SIGN_IN, "variables": input}));
        request.send().await.unwrap().json().await.unwrap()
    }
}

fn code(answer: &Value) -> &str {
    let refused = answer["data"]["signIn"]["userErrors"][0]["code"].as_str();
    let failed = answer["errors"][0]["extensions"]["code"].as_str();
    refused.or(failed).unwrap_or("none")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_with_ranges_is_good_from_there_only() {
    let house = house().await;
    let (here, elsewhere) = (
        house.key_from(&["127.0.0.0/8", "::1"]).await,
        house.key_from(&["203.0.113.0/24"]).await,
    );
    assert_eq!(house.status(&here, &[]).await, 200);
    assert_eq!(house.status(&elsewhere, &[]).await, 401);
    // Nobody is believed who is no trusted proxy.
    let told = [
        ("x-forwarded-for", "203.0.113.7"),
        ("forwarded", "for=203.0.113.7"),
    ];
    assert_eq!(house.status(&elsewhere, &told).await, 401);
    assert_eq!(house.status(&here, &told).await, 200);

    let init = |key: &Caller| json!({"authorization": key.authorization});
    let mut socket = Socket::open(&house.server.base, init(&here)).await;
    socket.acknowledged().await;
    socket.subscribe("1", house.body()).await;
    assert_eq!(
        socket.receive().await.unwrap()["payload"]["data"]["account"]["name"],
        "Main"
    );
    let mut socket = Socket::open(&house.server.base, init(&elsewhere)).await;
    assert_eq!(socket.closed().await, (4403, "Forbidden".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_trusted_proxy_the_client_is_whom_the_proxy_heard() {
    let house = house_with(|config| config.http.trusted_proxies = vec!["127.0.0.1".parse().unwrap()]).await;
    let key = house.key_from(&["203.0.113.0/24"]).await;
    for (value, expected) in [
        ("203.0.113.7", 200),
        ("198.51.100.1, 203.0.113.7", 200),
        // What the client wrote itself stands before what the proxy appended.
        ("203.0.113.7, 198.51.100.1", 401),
        ("203.0.113.7, 127.0.0.1", 200),
        ("nonsense", 401),
    ] {
        assert_eq!(
            house.status(&key, &[("x-forwarded-for", value)]).await,
            expected,
            "{value}"
        );
        // The other header is the client's own.
        assert_eq!(
            house
                .status(
                    &key,
                    &[("x-forwarded-for", value), ("forwarded", "for=203.0.113.7")]
                )
                .await,
            expected
        );
    }
    assert_eq!(house.status(&key, &[]).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_use_of_a_key_is_written_once_by_many_requests() {
    let house = house().await;
    let key = house.key_from(&[]).await;
    house.app.statements.take();
    let asking = (0..30).map(|_| house.status(&key, &[]));
    assert!(
        futures_util::future::join_all(asking)
            .await
            .iter()
            .all(|status| *status == 200)
    );
    let noted = || async {
        let key = api_key::Entity::find()
            .one(&house.app.probe)
            .await
            .unwrap()
            .unwrap();
        key.last_used_at
    };
    until("the last use to be written", noted).await;
    let statements = house.app.statements.take();
    let writes = statements
        .iter()
        .filter(|one| one.sql.contains("UPDATE") && one.sql.contains("last_used_at"));
    // The minute may have ended in between.
    assert!(writes.count() <= 2);
}

/// A house in which one has few tries.
async fn strict(account: u32, address: u32) -> House {
    let every = Duration::from_secs(600);
    let app = App::configured(|settings| {
        settings.sign_in = SignInSettings {
            account: Tries {
                burst: account,
                every,
            },
            address: Tries {
                burst: address,
                every,
            },
            remembered: 100,
        };
    })
    .await;
    house_of(app, |config| {
        config.http.trusted_proxies = vec!["127.0.0.1".parse().unwrap()]
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_stopped_per_account_whoever_guesses_and_whether_it_is_there() {
    let house = strict(3, 100).await;
    let password = "correct horse battery";
    house
        .app
        .domain
        .create_user("ada@example.com", "Ada", Some(password))
        .await
        .unwrap();
    // To know the password is no guess.
    for _ in 0..5 {
        let answer = house.sign_in("ada@example.com", password, "198.51.100.1").await;
        assert!(answer["data"]["signIn"]["token"].is_string(), "{answer}");
    }
    for email in ["ada@example.com", "nobody@example.com"] {
        for n in 0..3 {
            let from = format!("198.51.100.{n}");
            assert_eq!(
                code(&house.sign_in(email, "wrong horse", &from).await),
                "UNAUTHENTICATED"
            );
        }
        for (email, password) in [(email, "wrong horse"), (&email.to_uppercase(), password)] {
            let answer = house.sign_in(email, password, "198.51.100.9").await;
            assert_eq!(code(&answer), "RATE_LIMITED", "{answer}");
            let wait = answer["errors"][0]["extensions"]["retryAfter"].as_u64().unwrap();
            assert!((590..=600).contains(&wait), "{wait}");
        }
    }
    assert_eq!(
        code(&house.sign_in("eve@example.com", "x", "198.51.100.9").await),
        "UNAUTHENTICATED"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_stopped_per_address_and_costs_others_nothing() {
    let house = strict(2, 4).await;
    for n in 0..4 {
        let email = format!("person{n}@example.com");
        assert_eq!(
            code(&house.sign_in(&email, "x", "198.51.100.1").await),
            "UNAUTHENTICATED"
        );
    }
    let begun = std::time::Instant::now();
    for n in 0..40 {
        let email = format!("person{}@example.com", n % 2);
        assert_eq!(
            code(&house.sign_in(&email, "x", "198.51.100.1").await),
            "RATE_LIMITED"
        );
    }
    println!("40 refused tries took {:?}", begun.elapsed());
    // What the address was refused is not taken from the accounts: each has one of two left.
    for n in 0..2 {
        let email = format!("person{n}@example.com");
        assert_eq!(
            code(&house.sign_in(&email, "x", "198.51.100.2").await),
            "UNAUTHENTICATED"
        );
    }
    assert_eq!(
        code(&house.sign_in("person0@example.com", "x", "198.51.100.3").await),
        "RATE_LIMITED"
    );
}
