//! People in accounts: who is listed, and to whom.

use canopy_domain::entity::Role;
use serde_json::{Value, json};

use crate::app::App;

#[tokio::test(flavor = "multi_thread")]
async fn a_member_is_fetched_again_by_its_id_by_whoever_may_see_members() {
    let app = App::start().await;
    let main = app.main_account(None, "Main", "pln_itellico").await;
    let client = app.subaccount(&main, "Client").await;
    let owner = app.member(&main, Role::Owner).await;
    app.member(&client, Role::Viewer).await;
    let members = "query ($id: ID!) { account(id: $id) { members { nodes { id role } } } }";
    let answer = app.run(&owner, members, json!({"id": client.id.as_str()})).await;
    let member = answer.at("/account/members/nodes/0").clone();

    let again = "query ($id: ID!) { node(id: $id) { id ... on Member { role } } }";
    let answer = app.run(&owner, again, json!({"id": member["id"]})).await;
    assert_eq!(answer.at("/node"), &member);

    let none = json!({"accountId": client.id.as_str(), "permissions": [{"key": "MEMBERS", "level": "NONE"}]});
    app.set_permissions(&owner, none).await.success();
    let answer = app.run(&owner, again, json!({"id": member["id"]})).await;
    assert_eq!(answer.at("/node"), &Value::Null);
}
