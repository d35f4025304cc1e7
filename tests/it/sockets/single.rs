//! One event stream for several operations.

use canopy_domain::entity::Role;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use crate::app::served::{House, NAME, house_with};
use crate::app::{Caller, within};
use crate::operations::event;

const TOKEN: &str = "x-graphql-event-stream-token";

impl House {
    fn streaming(&self, method: Method, caller: &Caller, query: &str) -> RequestBuilder {
        let url = self.server.url(&format!("/graphql/stream{query}"));
        let request = self.client.request(method, url);
        match &caller.authorization {
            Some(authorization) => request.header("authorization", authorization),
            None => request,
        }
    }

    /// The token of a new reservation.
    async fn reserved(&self, caller: &Caller) -> String {
        let response = sent(self.streaming(Method::PUT, caller, "")).await;
        assert_eq!(response.status(), StatusCode::CREATED);
        within("a token", response.text()).await.unwrap()
    }

    async fn opened(&self, caller: &Caller, token: &str) -> Response {
        let request = self.streaming(Method::GET, caller, "");
        sent(request.header(TOKEN, token).header("accept", "text/event-stream")).await
    }

    /// The status of starting an operation.
    async fn started(&self, token: &str, id: &str, mut body: Value) -> StatusCode {
        body["extensions"] = json!({"operationId": id});
        let request = self.streaming(Method::POST, &self.owner, "");
        sent(request.header(TOKEN, token).json(&body)).await.status()
    }

    async fn ended(&self, token: &str, id: &str) -> StatusCode {
        let request = self.streaming(Method::DELETE, &self.owner, &format!("?operationId={id}"));
        sent(request.header(TOKEN, token)).await.status()
    }
}

async fn sent(request: RequestBuilder) -> Response {
    within("a response", request.send()).await.unwrap()
}

/// The events of a stream, as names and data.
struct Events {
    response: Response,
    text: String,
}

impl Events {
    fn of(response: Response) -> Self {
        assert_eq!(response.status(), StatusCode::OK);
        Self {
            response,
            text: String::new(),
        }
    }

    async fn next(&mut self) -> (String, Value) {
        loop {
            if let Some((block, rest)) = self.text.clone().split_once("\n\n") {
                self.text = rest.to_owned();
                if block.starts_with(':') {
                    continue;
                }
                let (name, data) = block.split_once('\n').unwrap();
                let data = serde_json::from_str(data.trim_start_matches("data: ")).unwrap();
                return (name.trim_start_matches("event: ").to_owned(), data);
            }
            let chunk = within("more of the stream", self.response.chunk()).await;
            let chunk = chunk.unwrap().expect("the stream goes on");
            self.text += std::str::from_utf8(&chunk).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_share_a_stream_and_end_one_by_one() {
    let house = house_with(|config| config.subscriptions.max_per_socket = 2).await;
    let token = house.reserved(&house.owner).await;
    assert_eq!(
        house.started(&token, "early", house.body()).await,
        StatusCode::BAD_REQUEST
    );
    let mut events = Events::of(house.opened(&house.owner, &token).await);
    assert_eq!(
        house.opened(&house.owner, &token).await.status(),
        StatusCode::CONFLICT
    );

    assert_eq!(
        house.started(&token, "q", house.body()).await,
        StatusCode::ACCEPTED
    );
    let (name, next) = events.next().await;
    assert_eq!((name.as_str(), &next["id"]), ("next", &json!("q")));
    assert_eq!(next["payload"]["data"]["account"]["name"], "Main");
    assert_eq!(events.next().await, ("complete".to_owned(), json!({"id": "q"})));
    // What cannot run is told on the stream.
    assert_eq!(
        house
            .started(&token, "bad", json!({"query": "{ unknown }"}))
            .await,
        StatusCode::ACCEPTED
    );
    let (_, next) = events.next().await;
    assert_eq!(
        next["payload"]["errors"][0]["extensions"]["code"],
        "BAD_USER_INPUT"
    );
    assert_eq!(events.next().await.0, "complete");

    // Two subscriptions, and no more.
    for id in ["one", "two"] {
        assert_eq!(
            house.started(&token, id, house.updates()).await,
            StatusCode::ACCEPTED
        );
    }
    assert_eq!(
        house.started(&token, "one", house.updates()).await,
        StatusCode::CONFLICT
    );
    assert_eq!(
        house.started(&token, "three", house.updates()).await,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(house.ended(&token, "two").await, StatusCode::OK);
    assert_eq!(house.ended(&token, "never").await, StatusCode::OK);
    let mut id = Value::Null;
    for n in 0..1_000 {
        // Until the subscription listens.
        let batch = json!([event(&format!("e{n}"))]);
        house
            .app
            .accepted(&house.app.record(&house.owner, &house.main, batch).await);
        house.app.relay().await;
        let soon = tokio::time::timeout(std::time::Duration::from_millis(50), events.next());
        if let Ok((name, next)) = soon.await {
            assert_eq!(name, "next");
            id = next["id"].clone();
            break;
        }
    }
    assert_eq!(id, "one", "the other was ended");
    // A place is free again.
    assert_eq!(
        house.started(&token, "three", house.updates()).await,
        StatusCode::ACCEPTED
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_for_those_who_reserved_it() {
    let house = house_with(|config| config.subscriptions.init_timeout = "1s".parse().unwrap()).await;
    let nobody = sent(house.streaming(Method::PUT, &Caller::nobody(), "")).await;
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
    let token = house.reserved(&house.owner).await;
    let other = house.app.member(&house.main, Role::Admin).await;
    for (caller, token) in [(&other, token.as_str()), (&house.owner, "made-up")] {
        assert_eq!(house.opened(caller, token).await.status(), StatusCode::NOT_FOUND);
    }
    assert_eq!(
        house.started("made-up", "q", json!({"query": NAME})).await,
        StatusCode::NOT_FOUND
    );
    assert_eq!(house.ended("made-up", "q").await, StatusCode::NOT_FOUND);

    // When the stream is closed there is none any more.
    let response = house.opened(&house.owner, &token).await;
    assert_eq!(response.status(), StatusCode::OK);
    drop(response);
    let gone = crate::app::until("the stream to be gone", || async {
        let status = house.started(&token, "q", house.body()).await;
        (status == StatusCode::NOT_FOUND).then_some(())
    });
    gone.await;
}
