//! The header `Idempotency-Key`.

use serde_json::{Value, json};

use super::{Reply, reply};
use crate::app::served::{House, house};

const CREATE: &str = "mutation ($input: CreateSubaccountInput!) {
  made: createSubaccount(input: $input) { subaccount { id } userErrors { code } }
}";

async fn create(house: &House, key: &str, document: &str, input: Value) -> Reply {
    let body = json!({"query": document, "variables": {"input": input}});
    reply(house.post().header("idempotency-key", key).json(&body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_header_makes_a_mutation_safe_to_send_again() {
    let house = house().await;
    let input = json!({"parentId": house.main.id.as_str(), "name": "Acme"});
    let first = create(&house, "k1", CREATE, input.clone()).await;
    assert_eq!(first.header("idempotency-replayed"), "");
    let again = create(&house, "k1", CREATE, input.clone()).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.body["extensions"]["idempotency"], json!({"replayed": true}));
    assert_eq!(
        again.body["data"], first.body["data"],
        "and nothing that was not asked for"
    );
    assert!(
        first.body["data"]["made"]["subaccount"]["id"].is_string(),
        "{}",
        first.body
    );

    // A key in the document itself counts as much, and in a literal the header's is put beside the rest.
    let parent = house.main.id.as_str();
    let literal = format!(
        "mutation {{ made: createSubaccount(input: {{parentId: \"{parent}\", name: \"Acme\"}}) {{ subaccount {{ id }} }} }}"
    );
    let same = create(&house, "k1", &literal, Value::Null).await;
    assert_eq!(same.header("idempotency-replayed"), "true");
    assert_eq!(
        same.body["data"]["made"]["subaccount"],
        first.body["data"]["made"]["subaccount"]
    );

    let other = json!({"parentId": parent, "name": "Other"});
    let conflict = create(&house, "k1", CREATE, other.clone()).await;
    assert_eq!(conflict.body["data"]["made"]["userErrors"][0]["code"], "CONFLICT");
    let mut keyed = other;
    keyed["idempotencyKey"] = json!("k2");
    assert_eq!(
        create(&house, "k1", CREATE, keyed.clone()).await.code(),
        "BAD_USER_INPUT"
    );
    assert_eq!(create(&house, "k2", CREATE, keyed).await.code(), "none");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_cannot_be_kept_is_refused() {
    let house = house().await;
    let input = json!({"parentId": house.main.id.as_str(), "name": "Acme"});
    let two = "mutation ($input: CreateSubaccountInput!) {
      a: createSubaccount(input: $input) { replayed } b: createSubaccount(input: $input) { replayed }
    }";
    assert_eq!(
        create(&house, "k", two, input.clone()).await.code(),
        "BAD_USER_INPUT"
    );
    for key in ["", &"k".repeat(256)] {
        assert_eq!(
            create(&house, key, CREATE, input.clone()).await.code(),
            "BAD_USER_INPUT",
            "{key}"
        );
    }
    let query = create(&house, "k", "{ me { user { id } } }", Value::Null).await;
    assert_eq!(query.code(), "none", "a query has no use for a key");
}
