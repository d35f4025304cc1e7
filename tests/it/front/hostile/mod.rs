//! What was made to harm is refused before it costs anything, or is answered within its bounds.

mod families;

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::reply;
use crate::app::served::house;
use families::{FAMILIES, Fate, LARGEST};

#[tokio::test(flavor = "multi_thread")]
async fn each_family_of_hostile_documents_meets_its_fate() {
    let house = house().await;
    let mut wrong = Vec::new();
    for family in &FAMILIES {
        let body = (family.body)(LARGEST);
        let request = house.post().header("content-type", "application/json").body(body);
        let reply = reply(request).await;
        let fate = match reply.code() {
            "none" if reply.status == StatusCode::OK => Fate::Served,
            "BAD_USER_INPUT" if reply.body.get("data").is_none_or(Value::is_null) => Fate::Refused,
            _ => {
                wrong.push(format!("{}: {} {}", family.name, reply.status, reply.body));
                continue;
            }
        };
        if fate != family.fate {
            wrong.push(format!("{}: {fate:?}", family.name));
        }
        let size = reply.body.to_string().len();
        if size > 100_000 {
            wrong.push(format!("{}: an answer of {size} bytes", family.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_no_text_of_a_request_are_refused() {
    let house = house().await;
    let mut repeated = "{".to_owned();
    for _ in 0..100_000 {
        repeated += "\"a\":1,";
    }
    repeated += "\"query\":1}";
    let long_name = json!({"query": "{ __typename }", "operationName": "x".repeat(1_000_000)}).to_string();
    for body in [
        b"{\"query\":\"{ \xff\xfe }\"}".to_vec(),
        b"{\"query\":\"\\ud800\"}".to_vec(),
        "[".repeat(1_000_000).into_bytes(),
        repeated.into_bytes(),
        long_name.into_bytes(),
    ] {
        let start = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
        let request = house.post().header("content-type", "application/json").body(body);
        assert_eq!(reply(request).await.code(), "BAD_USER_INPUT", "{start}");
    }
}
