//! Usage as CloudEvents: each mode of `POST /usage`, what becomes of each event, and that both doors lead to one place.

mod hostile;
mod lines;

use async_compression::tokio::write::GzipEncoder;
use canopy_domain::entity::{AccountId, Level, PermissionKey};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::app::served::{House, house};
use crate::app::{Caller, within};

const SINGLE: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";
const NDJSON: &str = "application/x-ndjson";

/// An event of one minute.
fn event(id: &str) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "/pbx", "type": "minutes", "data": {"quantity": "1"},
    })
}

fn changed(id: &str, name: &str, value: Value) -> Value {
    let mut event = event(id);
    event[name] = value;
    event
}

fn lines(events: &[Value]) -> String {
    events.iter().map(|event| format!("{event}\n")).collect()
}

async fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzipEncoder::new(Vec::new());
    encoder.write_all(bytes).await.expect("memory takes it");
    encoder.shutdown().await.expect("memory takes it");
    encoder.into_inner()
}

async fn text(request: RequestBuilder) -> (StatusCode, String) {
    let response = within("a response", request.send()).await.expect("an answer");
    let status = response.status();
    (status, within("its body", response.text()).await.expect("a body"))
}

async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let (status, body) = text(request).await;
    (status, serde_json::from_str(&body).expect("JSON"))
}

/// The lines of an answer.
async fn answers(request: RequestBuilder) -> Vec<Value> {
    let (status, body) = text(request).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

fn code(answer: &Value) -> &str {
    answer["errors"][0]["extensions"]["code"]
        .as_str()
        .unwrap_or("(none)")
}

fn statuses(results: &[Value]) -> Vec<&str> {
    results
        .iter()
        .map(|result| result["status"].as_str().unwrap_or("(none)"))
        .collect()
}

impl House {
    fn usage(&self, caller: &Caller, media: &str) -> RequestBuilder {
        let mut request = self
            .client
            .post(self.server.url("/usage"))
            .header("content-type", media);
        if let Some(authorization) = &caller.authorization {
            request = request.header("authorization", authorization);
        }
        if let Some(account) = &caller.sub_account {
            request = request.header("x-sub-account-id", account);
        }
        request
    }

    async fn single(&self, event: &Value) -> (StatusCode, Value) {
        answer(self.usage(&self.owner, SINGLE).body(event.to_string())).await
    }

    async fn batch(&self, caller: &Caller, events: &[Value]) -> Vec<Value> {
        let request = self.usage(caller, BATCH).body(json!(events).to_string());
        let (status, answer) = answer(request).await;
        assert_eq!(status, StatusCode::OK, "{answer:#}");
        answer["results"].as_array().expect("results").clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_created_then_replayed_and_then_a_conflict_at_both_doors() {
    let house = house().await;
    house.app.unit_price(&house.main, "0.5").await;
    let (status, first) = house.single(&event("a")).await;
    assert_eq!(status, StatusCode::CREATED, "{first:#}");
    assert_eq!(
        (&first["index"], &first["id"], &first["status"]),
        (&json!(0), &json!("a"), &json!("accepted"))
    );
    let (status, again) = house.single(&event("a")).await;
    assert_eq!((status, &again["status"]), (StatusCode::OK, &json!("replayed")));
    assert_eq!(again["eventId"], first["eventId"]);
    let other = changed("a", "data", json!({"quantity": 2}));
    let (status, conflict) = house.single(&other).await;
    assert_eq!(
        (status, &conflict["status"]),
        (StatusCode::CONFLICT, &json!("conflict"))
    );
    assert_eq!(
        conflict["errors"][0]["extensions"],
        json!({"code": "CONFLICT", "field": ["id"]})
    );

    // recordUsage knows the event by its source and id.
    let same = json!({"idempotencyKey": "/pbx a", "meter": "minutes", "quantity": "1"});
    let answer = house.app.record(&house.owner, &house.main, json!([same])).await;
    let replay = &answer.success()["results"][0];
    assert_eq!(
        (&replay["status"], &replay["event"]["id"]),
        (&json!("REPLAYED"), &first["eventId"])
    );
    let new = json!({"idempotencyKey": "/pbx b", "meter": "minutes", "quantity": "1", "attributes": {"a": [1.5, "x"]}});
    let accepted = house
        .app
        .accepted(&house.app.record(&house.owner, &house.main, json!([new])).await);
    let data = |quantity: &str| json!({"quantity": quantity, "attributes": {"a": [1.50, "x"]}});
    let (status, known) = house.single(&changed("b", "data", data("1.0"))).await;
    assert_eq!(
        (status, &known["eventId"]),
        (StatusCode::OK, &accepted[0]["id"]),
        "{known:#}"
    );
    let (status, _) = house.single(&changed("b", "data", data("1.1"))).await;
    assert_eq!(status, StatusCode::CONFLICT);

    assert_eq!(house.app.count("usage_events").await, 2);
    house.app.assert_counted_once().await;
    house.app.assert_balanced().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_attributes_may_be_headers() {
    let house = house().await;
    let send = |id: &str| {
        house
            .usage(&house.owner, "application/json")
            .header("ce-specversion", "1.0")
            .header("ce-id", id)
            .header("ce-source", "/pbx")
            .header("ce-type", "minutes")
    };
    let (status, created) = answer(send("%E2%82%AC1").body(r#"{"quantity": 1}"#)).await;
    assert_eq!(
        (status, &created["id"]),
        (StatusCode::CREATED, &json!("€1")),
        "{created:#}"
    );
    let (status, same) = house.single(&event("€1")).await;
    assert_eq!((status, &same["eventId"]), (StatusCode::OK, &created["eventId"]));
    let packed = gzip(br#"{"quantity": "1"}"#).await;
    let (status, _) = answer(send("2").header("content-encoding", "gzip").body(packed)).await;
    assert_eq!(status, StatusCode::CREATED);
    let (status, refused) = answer(send("3").body("{}")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(
        (
            &refused["status"],
            &refused["field"],
            &refused["errors"][0]["extensions"]["code"]
        ),
        (
            &json!("rejected"),
            &json!(["data", "quantity"]),
            &json!("BAD_USER_INPUT")
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_answered_event_by_event_in_its_order() {
    let house = house().await;
    let events = [
        event("a"),
        changed("b", "data", json!({"quantity": -1})),
        json!(7),
        changed("a", "type", json!("seconds")),
        event("a"),
        changed("c", "time", json!("2020-01-01T00:00:00Z")),
        changed("d", "type", json!("Not A Meter")),
        event("e"),
    ];
    for body in [
        json!(events).to_string().into_bytes(),
        gzip(json!(events).to_string().as_bytes()).await,
    ] {
        let request = house.usage(&house.owner, BATCH);
        let request = match body.starts_with(b"[") {
            true => request,
            false => request.header("content-encoding", "gzip"),
        };
        let (status, answer) = answer(request.body(body)).await;
        assert_eq!(status, StatusCode::OK);
        let results = answer["results"].as_array().unwrap();
        let indexes: Vec<_> = results
            .iter()
            .map(|result| result["index"].as_u64().unwrap())
            .collect();
        assert_eq!(indexes, (0..8).collect::<Vec<_>>());
        let fields: Vec<_> = results.iter().map(|result| result["field"].clone()).collect();
        let no = Value::Null;
        assert_eq!(
            fields,
            [
                no.clone(),
                json!(["data", "quantity"]),
                no.clone(),
                json!(["id"]),
                no.clone(),
                json!(["time"]),
                json!(["type"]),
                no
            ]
        );
        let told = statuses(results);
        let first = if told[0] == "accepted" {
            "accepted"
        } else {
            "replayed"
        };
        assert_eq!(
            told,
            [
                first, "rejected", "rejected", "conflict", "replayed", "rejected", "rejected", first
            ]
        );
    }
    assert_eq!(house.app.count("usage_events").await, 2);
    assert!(house.batch(&house.owner, &[]).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_goes_to_the_account_that_is_acted_on_or_to_the_subject_below_it() {
    let house = house().await;
    let app = &house.app;
    let client = app.subaccount(&house.main, "Client").await;
    let branch = app.subaccount(&client, "Branch").await;
    let stranger = app.main_account(None, "Stranger", "pln_itellico").await;
    let subject = |id: &str, account: &str| changed(id, "subject", json!(account));
    let acting = house.owner.acting_on(&client.id);
    let unknown = AccountId::new();
    let events = [
        event("own"),
        subject("below", branch.id.as_str()),
        subject("above", house.main.id.as_str()),
        subject("foreign", stranger.id.as_str()),
        subject("unknown", unknown.as_str()),
        subject("nonsense", "nonsense"),
    ];
    let results = house.batch(&acting, &events).await;
    assert_eq!(
        statuses(&results),
        [
            "accepted", "accepted", "rejected", "rejected", "rejected", "rejected"
        ]
    );
    for refused in &results[2..] {
        assert_eq!(
            (&refused["code"], &refused["message"], &refused["field"]),
            (
                &json!("NOT_FOUND"),
                &json!("There is no such account."),
                &Value::Null
            )
        );
    }
    let rows = app
        .rows("SELECT account_id, idempotency_key FROM usage_events ORDER BY idempotency_key DESC")
        .await;
    let of: Vec<_> = rows
        .iter()
        .map(|row| row["account_id"].as_str().unwrap())
        .collect();
    assert_eq!(of, [client.id.as_str(), branch.id.as_str()]);

    let (status, refused) = answer(house.usage(&acting, SINGLE).body(events[3].to_string())).await;
    assert_eq!(
        (status, &refused["code"]),
        (StatusCode::NOT_FOUND, &json!("NOT_FOUND"))
    );
    let results = house.batch(&house.owner, &[events[2].clone()]).await;
    assert_eq!(
        statuses(&results),
        ["accepted"],
        "the owner acts on the main account"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_request_is_refused_with_its_code() {
    let house = house().await;
    let one = event("a").to_string();
    let reader = house
        .app
        .api_key(&house.main, &[(PermissionKey::Usage, Level::None)])
        .await;
    let signed = |media: &str| house.usage(&house.owner, media);
    let packed = |request: RequestBuilder| request.header("content-encoding", "gzip");
    let nobody = Caller::nobody();
    let cases = [
        (
            house.usage(&nobody, SINGLE).body(one.clone()),
            401,
            "UNAUTHENTICATED",
        ),
        (
            house.usage(&Caller::bearer("wrong"), SINGLE).body(one.clone()),
            401,
            "UNAUTHENTICATED",
        ),
        (house.usage(&reader, SINGLE).body(one.clone()), 403, "FORBIDDEN"),
        (house.usage(&reader, NDJSON).body(one.clone()), 403, "FORBIDDEN"),
        (
            signed("application/json").body(one.clone()),
            415,
            "BAD_USER_INPUT",
        ),
        (
            signed(SINGLE).header("content-encoding", "br").body(one.clone()),
            415,
            "BAD_USER_INPUT",
        ),
        (packed(signed(SINGLE)).body(one.clone()), 400, "BAD_USER_INPUT"),
        (
            packed(signed(BATCH)).body(gzip(b"[]").await[..12].to_vec()),
            400,
            "BAD_USER_INPUT",
        ),
        (signed(BATCH).body(one.clone()), 400, "BAD_USER_INPUT"),
        (
            signed(BATCH).body(json!(vec![0; 1_001]).to_string()),
            400,
            "BAD_USER_INPUT",
        ),
        (signed(SINGLE).body("{"), 400, "BAD_USER_INPUT"),
        (
            signed(SINGLE).body(vec![b' '; (2 << 20) + 1]),
            413,
            "BAD_USER_INPUT",
        ),
        (
            packed(signed(SINGLE)).body(gzip(&vec![b' '; 64 << 20]).await),
            413,
            "BAD_USER_INPUT",
        ),
    ];
    for (number, (request, status, expected)) in cases.into_iter().enumerate() {
        let (given, answer) = answer(request).await;
        assert_eq!(
            (given.as_u16(), code(&answer)),
            (status, expected),
            "{number}: {answer:#}"
        );
    }
    let (status, _) = answer(house.client.put(house.server.url("/usage"))).await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(house.app.count("usage_events").await, 0);
}
