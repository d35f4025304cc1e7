//! Arrays of requests.

use reqwest::StatusCode;
use serde_json::json;

use super::reply;
use crate::app::process::Served;
use crate::app::served::house;

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_answered_in_its_order_where_it_is_allowed() {
    let mut house = house().await;
    let batch = json!([house.body(), {"query": "{ nothing }"}, {"query": "{ me { apiKey { id } } }"}]);
    let refused = reply(house.post().json(&batch)).await;
    assert_eq!(
        (refused.status, refused.code()),
        (StatusCode::BAD_REQUEST, "BAD_USER_INPUT")
    );

    house.server = Served::start_with(&house.app, |config| config.graphql.max_batch = 3).await;
    let answers = reply(house.post().json(&batch)).await;
    assert_eq!(answers.status, StatusCode::OK);
    assert_eq!(answers.body[0]["data"]["account"]["name"], "Main");
    assert_eq!(
        answers.body[1]["errors"][0]["extensions"]["code"],
        "BAD_USER_INPUT"
    );
    assert_eq!(answers.body[2]["data"]["me"]["apiKey"], json!(null));
    assert_eq!(answers.body.as_array().unwrap().len(), 3);

    let followed = json!([house.body(), {"query": "subscription { nothing }"}]);
    let answers = reply(house.post().json(&followed)).await;
    assert_eq!(answers.body[0]["data"]["account"]["name"], "Main");
    assert_eq!(
        answers.body[1]["errors"][0]["extensions"]["code"],
        "BAD_USER_INPUT"
    );

    let longer = json!([house.body(), house.body(), house.body(), house.body()]);
    assert_eq!(
        reply(house.post().json(&longer)).await.status,
        StatusCode::BAD_REQUEST
    );
    let keyed = house.post().header("idempotency-key", "k").json(&batch);
    assert_eq!(reply(keyed).await.status, StatusCode::BAD_REQUEST);
}
