//! What happens at an account is sent to its endpoints: signed, at least once, and nowhere but to the public Internet.

mod endpoints;
mod killed;
mod reach;
mod receiver;

use std::time::Duration;

use canopy::config::WebhooksConfig;
use canopy::webhooks::{self, Courier};
use canopy_domain::entity::Role;
use canopy_domain::entity::account::Model as Account;
use canopy_domain::webhooks::Outcome;
use serde_json::{Value, json};

use self::receiver::Receiver;
use crate::app::database::config;
use crate::app::{Answer, App, Caller};
use crate::operations::event;

const ENDPOINT: &str = "fragment Endpoint on WebhookEndpoint {
  id url description enabled includeDescendants eventTypes previousSecretUntil
}";

struct House {
    app: App,
    courier: Courier,
    main: Account,
    client: Account,
    owner: Caller,
}

/// The configuration of a server that may reach endpoints of this machine.
fn configured() -> WebhooksConfig {
    let mut config = config("sqlite::memory:").webhooks;
    config.allow_http = true;
    config.allow_networks = vec!["127.0.0.0/8".parse().expect("a range")];
    config
}

async fn house() -> House {
    house_with(configured()).await
}

async fn house_with(config: WebhooksConfig) -> House {
    let app = App::configured(|settings| settings.webhooks = webhooks::settings(&config)).await;
    let main = app.main_account(None, "Main", "pln_itellico").await;
    let client = app.subaccount(&main, "Client").await;
    app.unit_price(&main, "2").await;
    let owner = app.member(&main, Role::Owner).await;
    House {
        courier: Courier::new(&config).expect("a client"),
        app,
        main,
        client,
        owner,
    }
}

impl App {
    async fn change_webhook(&self, caller: &Caller, field: &str, selection: &str, input: Value) -> Answer {
        let (first, rest) = field.split_at(1);
        let name = format!("{}{rest}Input", first.to_uppercase());
        let fragment = if selection.contains("Endpoint") {
            ENDPOINT
        } else {
            ""
        };
        let document = format!(
            "mutation ($input: {name}!) {{
               {field}(input: $input) {{ {selection} replayed userErrors {{ field message code }} }}
             }} {fragment}"
        );
        self.run(caller, &document, json!({"input": input})).await
    }

    async fn create_endpoint(&self, caller: &Caller, input: Value) -> Answer {
        let selection = "webhookEndpoint { ...Endpoint } secret";
        self.change_webhook(caller, "createWebhookEndpoint", selection, input)
            .await
    }

    async fn update_endpoint(&self, caller: &Caller, input: Value) -> Answer {
        let selection = "webhookEndpoint { ...Endpoint }";
        self.change_webhook(caller, "updateWebhookEndpoint", selection, input)
            .await
    }

    async fn rotate_secret(&self, caller: &Caller, input: Value) -> Answer {
        let selection = "webhookEndpoint { ...Endpoint } secret";
        self.change_webhook(caller, "rotateWebhookSecret", selection, input)
            .await
    }

    async fn redeliver(&self, caller: &Caller, input: Value) -> Answer {
        self.change_webhook(caller, "redeliverWebhook", "delivery { id status }", input)
            .await
    }
}

fn endpoint(account: &Account, url: &str) -> Value {
    json!({"accountId": account.id.as_str(), "url": url, "eventTypes": ["USAGE_ALERT_CROSSED"]})
}

impl House {
    /// Makes an endpoint of the client; answers its id and its secret.
    async fn endpoint(&self, url: &str) -> (String, String) {
        let made = self
            .app
            .create_endpoint(&self.owner, endpoint(&self.client, url))
            .await;
        let made = made.success();
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        (text(&made["webhookEndpoint"]["id"]), text(&made["secret"]))
    }

    /// Makes something happen at the client.
    async fn cross(&self) {
        let alert = self.app.usage_alert(&self.client, "minutes").await;
        let keys = [0, 1].map(|n| event(&format!("{}-{n}", alert.id)));
        self.app
            .accepted(&self.app.record(&self.owner, &self.client, json!(keys)).await);
    }

    /// Sends what is due, one message after the other.
    async fn send(&self) -> Vec<Outcome> {
        let lease = self.courier.lease();
        let messages = self.app.domain.take_messages(10, lease, &[]).await.unwrap();
        let mut outcomes = Vec::new();
        for message in messages {
            let outcome = self.courier.deliver(&self.app.domain, &message).await;
            outcomes.push(outcome.expect("it is written down"));
        }
        outcomes
    }

    /// Lets the time pass until the next try.
    async fn wait(&self) {
        let due = "UPDATE webhook_deliveries SET next_attempt_at = since WHERE status = 'PENDING'";
        self.app.tamper(due).await.unwrap();
    }

    /// The messages of the client's endpoints.
    async fn deliveries(&self) -> Value {
        const DOCUMENT: &str = "query ($id: ID!) { account(id: $id) { webhookEndpoints { nodes {
          deliveries { nodes {
            id eventType subjectId status attemptCount nextAttemptAt endedAt
            attempts { statusCode error response durationMs startedAt }
          } }
        } } } }";
        let answer = self
            .app
            .run(&self.owner, DOCUMENT, json!({"id": self.client.id.as_str()}))
            .await;
        answer
            .at("/account/webhookEndpoints/nodes/0/deliveries/nodes")
            .clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crossing_is_sent_once_signed_and_logged() {
    let (house, receiver) = (house().await, Receiver::start().await);
    let (_, secret) = house.endpoint(&receiver.url()).await;
    house.cross().await;
    assert_eq!(house.send().await, [Outcome::Delivered]);
    assert_eq!(house.send().await, []);
    let received = receiver.received();
    assert_eq!(received.len(), 1);
    let received = &received[0];
    assert_eq!(received.signed_with(&secret), 1);
    assert_eq!(received.header("content-type"), "application/json");
    assert!(received.header("user-agent").starts_with("canopy-webhooks/"));
    let message = received.json();
    assert_eq!(message["type"], "usage_alert.crossed");
    let data = &message["data"];
    assert_eq!(data["accountId"], house.client.id.as_str());
    assert_eq!(
        (&data["quantity"], &data["thresholdQuantity"]),
        (&json!("2"), &json!("2"))
    );
    assert_eq!((&data["amount"], &data["currency"]), (&json!("4"), &json!("USD")));
    assert_eq!(message["timestamp"], data["crossedAt"]);

    let deliveries = house.deliveries().await;
    assert_eq!(deliveries[0]["id"], received.header("webhook-id"));
    assert_eq!(deliveries[0]["status"], "DELIVERED");
    assert_eq!(deliveries[0]["subjectId"], data["id"]);
    let attempt = &deliveries[0]["attempts"][0];
    assert_eq!(
        (&attempt["statusCode"], &attempt["error"]),
        (&json!(204), &Value::Null)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_taken_is_sent_again_with_the_same_id_until_it_is_given_up() {
    let (house, receiver) = (house().await, Receiver::start().await);
    house.endpoint(&receiver.url()).await;
    house.cross().await;
    receiver.answer(500, "out of order");
    receiver.answer(302, "http://127.0.0.1:1/elsewhere");
    receiver.answer(429, &"ö".repeat(2_000));
    for _ in 0..3 {
        assert_eq!(house.send().await, [Outcome::Later]);
        assert_eq!(house.send().await, [], "it waits");
        house.wait().await;
    }
    let deliveries = house.deliveries().await;
    let attempts = deliveries[0]["attempts"].as_array().unwrap();
    let codes: Vec<&Value> = attempts.iter().map(|attempt| &attempt["statusCode"]).collect();
    assert_eq!(codes, [500, 302, 429]);
    assert_eq!(attempts[0]["response"], "out of order");
    assert_eq!(attempts[2]["response"].as_str().unwrap().len(), 1_024);
    let ids: Vec<String> = receiver
        .received()
        .iter()
        .map(|received| received.header("webhook-id").to_owned())
        .collect();
    assert!(ids.iter().all(|id| *id == deliveries[0]["id"]), "{ids:?}");

    // Three days later.
    let long_ago = chrono::Utc::now() - chrono::Duration::days(3);
    let late = format!(
        "UPDATE webhook_deliveries SET since = '{}'",
        long_ago.to_rfc3339()
    );
    house.app.tamper(&late).await.unwrap();
    receiver.answer(503, "");
    assert_eq!(house.send().await, [Outcome::Failed]);
    house.wait().await;
    assert_eq!(house.send().await, []);
    assert_eq!(house.deliveries().await[0]["status"], "FAILED");

    // Somebody asks for it.
    let id = json!({"deliveryId": ids[0], "idempotencyKey": "again"});
    for replayed in [false, true] {
        let asked = house.app.redeliver(&house.owner, id.clone()).await;
        assert_eq!(asked.success()["replayed"], replayed);
    }
    assert_eq!(house.send().await, [Outcome::Delivered]);
    assert_eq!(
        house.deliveries().await[0]["attempts"].as_array().unwrap().len(),
        5
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_was_taken_is_due_again_if_nobody_says_what_became_of_it() {
    let (house, receiver) = (house().await, Receiver::start().await);
    house.endpoint(&receiver.url()).await;
    house.cross().await;
    let domain = &house.app.domain;
    // Two processes take; one of them gets it and dies.
    let lease = Duration::from_secs(60);
    let (one, other) = futures_util::join!(
        domain.take_messages(10, lease, &[]),
        domain.take_messages(10, lease, &[])
    );
    let taken = [one.unwrap(), other.unwrap()].concat();
    assert_eq!(taken.len(), 1);
    assert_eq!(house.send().await, []);
    house.wait().await;
    assert_eq!(house.send().await, [Outcome::Delivered]);
    // The first comes back after all: it was sent twice, and counts once.
    let late = house.courier.deliver(domain, &taken[0]).await;
    assert_eq!(late, Some(Outcome::Overtaken));
    let ids: Vec<String> = receiver
        .received()
        .iter()
        .map(|received| received.header("webhook-id").to_owned())
        .collect();
    assert_eq!(ids[0], ids[1]);
    // An endpoint that has enough on its way gets no more, and what ended long ago is forgotten.
    house.cross().await;
    assert!(
        domain
            .take_messages(10, lease, &[taken[0].endpoint_id.clone()])
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(domain.forget_messages(10).await.unwrap(), 0);
    let old = "UPDATE webhook_deliveries SET ended_at = '2020-01-01T00:00:00Z' WHERE ended_at IS NOT NULL";
    house.app.tamper(old).await.unwrap();
    assert_eq!(domain.forget_messages(10).await.unwrap(), 1);
    assert_eq!(house.app.count("webhook_deliveries").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_delivers_by_itself() {
    let (house, receiver) = (house().await, Receiver::start().await);
    let (_, secret) = house.endpoint(&receiver.url()).await;
    let server =
        crate::app::process::Served::start_with(&house.app, |config| config.webhooks = configured()).await;
    house.cross().await;
    assert_eq!(receiver.next().await.signed_with(&secret), 1);
    drop(server);
}
