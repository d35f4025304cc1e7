//! How an answer travels: tags, compression, and who may ask for it.

use reqwest::StatusCode;
use serde_json::json;

use super::reply;
use crate::app::served::house;
use crate::app::within;

#[tokio::test(flavor = "multi_thread")]
async fn a_get_is_answered_anew_only_when_the_answer_changed() {
    let house = house().await;
    let get = |tag: &str| {
        let url = house.server.url("/graphql?query=%7Bme%7Buser%7Bname%7D%7D%7D");
        let authorization = house.owner.authorization.as_deref().unwrap();
        let request = house.client.get(url).header("authorization", authorization);
        request.header("if-none-match", tag)
    };
    let first = reply(get("\"other\"")).await;
    let tag = first.header("etag").to_owned();
    assert_eq!(first.status, StatusCode::OK);
    assert!(tag.starts_with("W/\""), "{tag}");
    assert_eq!(first.header("cache-control"), "private, no-cache");
    assert!(first.header("vary").contains("authorization"));
    let again = reply(get(&tag)).await;
    assert_eq!((again.status, again.body), (StatusCode::NOT_MODIFIED, json!("")));
    let url = house.server.url("/graphql?query=%7Bme%7Buser%7Bname%7D%7D%7D");
    let stranger = reply(house.client.get(url).header("if-none-match", tag)).await;
    assert_eq!(stranger.status, StatusCode::OK, "another answer has another tag");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_answer_is_compressed_for_who_can_read_it() {
    let house = house().await;
    let body = json!({"query": "{ __schema { types { name description } } }"});
    for (accepted, expected) in [("gzip", "gzip"), ("br", "br"), ("identity", "")] {
        let request = house.post().header("accept-encoding", accepted).json(&body);
        let response = within("an answer", request.send()).await.unwrap();
        let encoding = response.headers().get("content-encoding");
        assert_eq!(encoding.map_or("", |value| value.to_str().unwrap()), expected);
        let size = within("a body", response.bytes()).await.unwrap().len();
        assert_eq!(size < 12_000, accepted != "identity", "{accepted}: {size}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_answer_travels_as_it_is() {
    let house = house().await;
    let body = json!({"query": "{ __typename }"});
    let request = house.post().header("accept-encoding", "gzip, br").json(&body);
    let reply = reply(request).await;
    assert!(!reply.headers.contains_key("content-encoding"));
    assert_eq!(reply.body["data"]["__typename"], "Query");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_origin_has_to_ask_first() {
    let house = house().await;
    let get = |headers: &[(&str, &str)]| {
        let mut request = house
            .client
            .get(house.server.url("/graphql?query=%7B__typename%7D"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request
    };
    let foreign = ("sec-fetch-site", "cross-site");
    assert_eq!(reply(get(&[])).await.status, StatusCode::OK);
    assert_eq!(reply(get(&[foreign])).await.status, StatusCode::FORBIDDEN);
    let asked = reply(get(&[foreign, ("graphql-require-preflight", "1")])).await;
    assert_eq!(asked.status, StatusCode::OK);
}
