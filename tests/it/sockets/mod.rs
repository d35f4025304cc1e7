//! GraphQL over WebSocket: what is told, how a socket ends, and with which code.

mod drain;
mod protocol;
mod single;

use std::time::Duration;

use canopy_domain::auth::NewApiKey;
use canopy_domain::entity::{ApiKeyId, PermissionKey, Role, time};
use serde_json::{Value, json};

use crate::app::served::{House, house, house_of};
use crate::app::socket::Socket;
use crate::app::{App, Caller, within};
use crate::operations::{USAGE_UPDATES, event};

#[tokio::test(flavor = "multi_thread")]
async fn updates_arrive_on_a_websocket_and_the_socket_ends_with_the_server() {
    let mut house = house().await;
    let mut socket = Socket::open(
        &house.server.base,
        json!({"authorization": house.owner.authorization}),
    )
    .await;
    socket.acknowledged().await;
    let variables = json!({"account": house.main.id.as_str(), "below": true});
    let subscribe =
        json!({"id": "1", "type": "subscribe", "payload": {"query": USAGE_UPDATES, "variables": variables}});
    socket.send(subscribe).await;
    // A query on the same socket is answered after the subscription was taken in.
    let query = json!({"id": "2", "type": "subscribe", "payload": house.body()});
    socket.send(query).await;
    assert_eq!(
        socket.receive().await.unwrap()["payload"]["data"]["account"]["name"],
        "Main"
    );
    assert_eq!(
        socket.receive().await.unwrap(),
        json!({"id": "2", "type": "complete"})
    );

    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(50));
    let mut sent = 0;
    let update = loop {
        tokio::select! {
            biased;
            message = socket.receive() => break message.unwrap(),
            _ = ticks.tick() => {
                sent += 1;
                let batch = json!([event(&format!("live-{sent}"))]);
                house.app.accepted(&house.app.record(&house.owner, &house.main, batch).await);
            }
        }
    };
    assert_eq!((&update["id"], &update["type"]), (&json!("1"), &json!("next")));
    let told = &update["payload"]["data"]["usageUpdates"];
    assert_eq!(told["kind"], "RECORDED");
    assert_eq!(told["event"]["account"]["id"], house.main.id.as_str());

    house.server.stop();
    let (code, _) = socket.closed().await;
    assert_eq!(code, 1001, "the server says that it goes away");
    house.server.ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_with_a_bad_credential_is_closed() {
    let house = house().await;
    let mut socket = Socket::open(&house.server.base, json!({"authorization": "Bearer nonsense"})).await;
    assert_eq!(socket.closed().await, (4403, "Forbidden".to_owned()));
    let mut socket = Socket::open(&house.server.base, json!({})).await;
    socket.acknowledged().await;
    socket
        .send(json!({"id": "1", "type": "subscribe", "payload": house.body()}))
        .await;
    let message = socket.receive().await.unwrap();
    assert!(message.to_string().contains("UNAUTHENTICATED"), "{message}");
}

impl House {
    /// A subscription to all usage of the main account and below.
    pub(super) fn updates(&self) -> Value {
        json!({"query": USAGE_UPDATES, "variables": {"account": self.main.id.as_str(), "below": true}})
    }

    async fn record(&self, key: &str) {
        let batch = json!([event(key)]);
        self.app
            .accepted(&self.app.record(&self.owner, &self.main, batch).await);
    }

    /// Records events until the socket tells of one.
    async fn heard(&self, socket: &mut Socket, name: &str) -> Value {
        let mut ticks = tokio::time::interval(Duration::from_millis(50));
        let mut sent = 0;
        loop {
            tokio::select! {
                biased;
                message = socket.receive() => break message.expect("the socket is open"),
                _ = ticks.tick() => {
                    sent += 1;
                    self.record(&format!("{name}-{sent}")).await;
                }
            }
        }
    }

    /// The owner with a token that holds for so long.
    async fn for_a_while(&self, lifetime: Duration) -> Caller {
        let person = self.app.person("Short Lived").await;
        self.app.join(&self.main, &person, Role::Owner).await;
        let signed_in = self
            .app
            .domain
            .issue_token(&person, Some(lifetime))
            .await
            .unwrap();
        Caller::bearer(&signed_in.token)
    }

    /// An API key that may do everything for so long.
    async fn key_for_a_while(&self, lifetime: Duration) -> Caller {
        let new = NewApiKey {
            name: "short".to_owned(),
            levels: PermissionKey::all().map(|key| (key, key.max_level())).collect(),
            expires_at: Some(time::now() + lifetime),
            allowed_ips: Vec::new(),
        };
        let (system, view) = (self.app.system(&self.main), self.app.view(&self.main).await);
        let made = self.app.domain.create_api_key(&system, &view, new).await;
        Caller::bearer(&made.unwrap().secret)
    }
}

pub(super) fn init(caller: &Caller) -> Value {
    json!({"authorization": caller.authorization})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_ends_when_its_credential_expires() {
    let house = house().await;
    let lifetime = Duration::from_secs(5);
    for (is_key, reason) in [(false, "Token expired"), (true, "API key expired")] {
        let caller = match is_key {
            true => house.key_for_a_while(lifetime).await,
            false => house.for_a_while(lifetime).await,
        };
        // From the init payload, and from the headers of the upgrade.
        let mut idle = Socket::open(&house.server.base, init(&caller)).await;
        let authorization = [("authorization", caller.authorization.as_deref().unwrap())];
        let mut busy =
            Socket::connect(&house.server.base, Some("graphql-transport-ws"), &authorization).await;
        busy.send(json!({"type": "connection_init"})).await;
        busy.acknowledged().await;
        busy.subscribe("1", house.updates()).await;
        house.heard(&mut busy, reason).await;
        idle.acknowledged().await;
        let closed = (4403, reason.to_owned());
        assert_eq!(idle.closed().await, closed);
        assert_eq!(busy.closed().await, closed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_ends_with_its_revoked_key_before_the_next_event() {
    let house = house().await;
    let key = house.app.full_api_key(&house.main).await;
    let id = house.app.run(&key, "{ me { apiKey { id } } }", json!({})).await;
    let id = ApiKeyId::parse(&id.text("/me/apiKey/id")).unwrap();
    let mut socket = Socket::open(&house.server.base, init(&key)).await;
    socket.acknowledged().await;
    socket.subscribe("1", house.updates()).await;
    house.heard(&mut socket, "before").await;

    let system = house.app.system(&house.main);
    house.app.domain.revoke_api_key(&system, &id).await.unwrap();
    house.record("after").await;
    let closed = loop {
        match socket.receive().await {
            Ok(message) => assert!(!message.to_string().contains("after"), "{message}"),
            Err(closed) => break closed,
        }
    };
    assert_eq!(closed, (4403, "Credential revoked".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_has_the_rights_of_now_and_not_of_the_init() {
    let app = App::configured(|settings| settings.remember = Duration::ZERO).await;
    let house = house_of(app, |_| ()).await;
    let mut socket = Socket::open(&house.server.base, init(&house.owner)).await;
    socket.acknowledged().await;
    socket.subscribe("1", house.body()).await;
    let told = socket.receive().await.unwrap();
    assert_eq!(told["payload"]["data"]["account"]["name"], "Main");
    assert_eq!(socket.receive().await.unwrap()["type"], "complete");

    // As another process does it: nobody tells this one.
    house.app.tamper("DELETE FROM members").await.unwrap();
    socket.subscribe("2", house.body()).await;
    let told = socket.receive().await.unwrap();
    assert_eq!(
        told["payload"]["errors"][0]["extensions"]["code"], "NOT_FOUND",
        "{told}"
    );
    assert_eq!(socket.receive().await.unwrap()["type"], "complete");

    let withdrawn = "UPDATE users SET token_version = token_version + 1";
    house.app.tamper(withdrawn).await.unwrap();
    socket.subscribe("3", house.body()).await;
    assert_eq!(
        socket.receive().await,
        Err((4403, "Credential revoked".to_owned()))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_events_ends_with_its_token_and_says_so() {
    let house = house().await;
    let caller = house.for_a_while(Duration::from_secs(2)).await;
    let request = house
        .client
        .post(house.server.url("/graphql/stream"))
        .header("accept", "text/event-stream")
        .header("authorization", caller.authorization.as_deref().unwrap())
        .json(&house.updates());
    let response = within("the head of the stream", request.send()).await.unwrap();
    let text = within("the end of the stream", response.text()).await.unwrap();
    let (_, last) = text
        .trim_start_matches(":\n\n")
        .split_once("data: ")
        .expect("an event");
    let (last, end) = last.split_once("\n\n").unwrap();
    let last: Value = serde_json::from_str(last).unwrap();
    assert_eq!(
        last["errors"][0]["extensions"]["code"], "UNAUTHENTICATED",
        "{text}"
    );
    assert_eq!(end, "event: complete\ndata: \n\n");
}
