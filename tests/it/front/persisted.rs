//! Documents that are named by their hash.

use canopy_schema::DocumentHash;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Reply, reply};
use crate::app::process::Served;
use crate::app::served::{House, NAME, house};

fn automatic(document: &str, text: Option<&str>) -> Value {
    let hash = DocumentHash::of(document).to_string();
    let mut body = json!({"extensions": {"persistedQuery": {"version": 1, "sha256Hash": hash}}});
    if let Some(text) = text {
        body["query"] = json!(text);
    }
    body
}

async fn ask(house: &House, mut body: Value) -> Reply {
    body["variables"] = json!({"id": house.main.id.as_str()});
    reply(house.post().json(&body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_was_sent_once_is_known_by_its_hash() {
    let mut house = house().await;
    let unknown = ask(&house, automatic(NAME, None)).await;
    assert_eq!(unknown.code(), "PERSISTED_QUERY_NOT_FOUND");
    assert_eq!(unknown.body["errors"][0]["message"], "PersistedQueryNotFound");
    let wrong = ask(&house, automatic(NAME, Some("{ me { user { id } } }"))).await;
    assert_eq!(wrong.code(), "BAD_USER_INPUT");
    for body in [automatic(NAME, Some(NAME)), automatic(NAME, None)] {
        assert_eq!(ask(&house, body).await.body["data"]["account"]["name"], "Main");
    }

    house.server = Served::start_with(&house.app, |config| config.documents.automatic = false).await;
    let off = ask(&house, automatic(NAME, Some(NAME))).await;
    assert_eq!(off.code(), "PERSISTED_QUERY_NOT_SUPPORTED");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_persisted_documents_are_answered_where_the_operator_says_so() {
    let mut house = house().await;
    let directory = tempfile::tempdir().unwrap();
    let other = "{ me { user { id } } }";
    std::fs::write(directory.path().join("name.graphql"), NAME).unwrap();
    let manifest = json!({DocumentHash::of(other).to_string(): other}).to_string();
    std::fs::write(directory.path().join("relay.json"), manifest).unwrap();
    house.server = Served::start_with(&house.app, |config| {
        config.documents.directory = directory.path().to_owned();
        config.documents.persisted_only = true;
    })
    .await;

    let id = |document: &str| json!({"documentId": format!("sha256:{}", DocumentHash::of(document))});
    assert_eq!(
        ask(&house, id(NAME)).await.body["data"]["account"]["name"],
        "Main"
    );
    assert_eq!(ask(&house, id(other)).await.code(), "none");
    assert_eq!(
        ask(&house, id("{ me { apiKey { id } } }")).await.code(),
        "PERSISTED_QUERY_NOT_FOUND"
    );
    let known = ask(&house, json!({"query": NAME})).await;
    assert_eq!(
        known.code(),
        "none",
        "the text of a persisted document is as good as its hash"
    );
    for body in [
        json!({"query": "{ __typename }"}),
        automatic("{ __typename }", Some("{ __typename }")),
    ] {
        assert_eq!(ask(&house, body).await.code(), "FORBIDDEN");
    }
    let both = json!({"query": NAME, "documentId": id(NAME)["documentId"]});
    assert_eq!(ask(&house, both).await.status, StatusCode::BAD_REQUEST);
}
