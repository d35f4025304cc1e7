//! Who may ask the schema about itself.

use canopy::config::Introspection;
use serde_json::json;

use super::reply;
use crate::app::process::Served;
use crate::app::served::house;

const SCHEMA: &str = "{ ...S } fragment S on Query { __schema { queryType { name } } }";

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_learns_no_names_unless_the_operator_says_so() {
    let mut house = house().await;
    for (mode, stranger, owner) in [
        (Introspection::Authenticated, "UNAUTHENTICATED", "none"),
        (Introspection::Anyone, "none", "none"),
        (Introspection::Nobody, "BAD_USER_INPUT", "BAD_USER_INPUT"),
    ] {
        house.server = Served::start_with(&house.app, |config| config.graphql.introspection = mode).await;
        let ask = |document: &str| {
            let url = house.server.url("/graphql");
            house.client.post(url).json(&json!({"query": document}))
        };
        assert_eq!(reply(ask(SCHEMA)).await.code(), stranger, "{mode:?}");
        let own = house.post().json(&json!({"query": SCHEMA}));
        assert_eq!(reply(own).await.code(), owner, "{mode:?}");
        assert_eq!(
            reply(ask("{ __typename }")).await.body["data"]["__typename"],
            "Query"
        );
        let message = reply(ask("{ acount { id } }")).await.body["errors"][0]["message"].to_string();
        assert_eq!(
            message.contains("\\\"account\\\""),
            mode == Introspection::Anyone,
            "{message}"
        );
    }
}
