//! API keys through GraphQL: made with at most what the maker has, shown once, listed, revoked.

use canopy_domain::entity::account::Model as Account;
use canopy_domain::entity::{Level, PermissionKey, Role, time};
use serde_json::{Value, json};

use crate::app::{Answer, App, Caller};

const CREATE: &str = "mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) {
    apiKey { id name prefix account { id } permissions { key level } allowedIps createdAt expiresAt lastUsedAt revokedAt }
    secret replayed userErrors { field code message }
} }";
const REVOKE: &str = "mutation ($input: RevokeApiKeyInput!) { revokeApiKey(input: $input) {
    apiKey { id revokedAt } replayed userErrors { field code message }
} }";
const LIST: &str = "query ($id: ID!) { account(id: $id) { apiKeys(first: 10) {
    totalCount nodes { id name prefix revokedAt } edges { cursor }
} } }";
const ME: &str = "{ me { apiKey { id name permissions { key level } } actingAs { id } } }";

impl App {
    pub(crate) async fn create_api_key(&self, caller: &Caller, input: Value) -> Answer {
        self.run(caller, CREATE, json!({"input": input})).await
    }

    pub(crate) async fn revoke_api_key(&self, caller: &Caller, input: Value) -> Answer {
        self.run(caller, REVOKE, json!({"input": input})).await
    }
}

/// A key of `account` with these permissions, as `[key, level]`.
pub(crate) fn wanted(account: &Account, permissions: &[(&str, &str)]) -> Value {
    let permissions: Vec<Value> = permissions
        .iter()
        .map(|(key, level)| json!({"key": key, "level": level}))
        .collect();
    json!({"accountId": account.id.as_str(), "name": "Reports", "permissions": permissions})
}

async fn house() -> (App, Account, Caller) {
    let app = App::start().await;
    let main = app.main_account(None, "Main", "pln_connector").await;
    let owner = app.member(&main, Role::Owner).await;
    (app, main, owner)
}

/// The key of a secret, as it sees itself.
async fn itself(app: &App, secret: &str) -> Answer {
    app.run(&Caller::bearer(secret), ME, json!({})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_made_shown_once_used_listed_and_revoked() {
    let (app, main, owner) = house().await;
    let mut input = wanted(&main, &[("USAGE", "FULL"), ("SUBACCOUNTS", "READ")]);
    input["expiresAt"] = json!("2100-01-01T00:00:00Z");
    input["idempotencyKey"] = json!("once");
    let made = app.create_api_key(&owner, input.clone()).await;
    let payload = made.success();
    let (key, secret) = (&payload["apiKey"], payload["secret"].as_str().unwrap());
    assert!(secret.starts_with(key["prefix"].as_str().unwrap()));
    assert_eq!(key["account"]["id"], main.id.as_str());
    assert_eq!(key["expiresAt"], "2100-01-01T00:00:00Z");
    let permissions = json!([{"key": "SUBACCOUNTS", "level": "READ"}, {"key": "USAGE", "level": "FULL"}]);
    let mut told = key["permissions"].as_array().unwrap().clone();
    told.sort_by_key(|row| row["key"].to_string());
    assert_eq!(json!(told), permissions);

    let me = itself(&app, secret).await;
    assert_eq!(me.at("/me/apiKey/id"), &key["id"]);
    assert_eq!(me.at("/me/apiKey/name"), "Reports");

    // Sent again it is the same key, and the secret is not told again.
    let again = app.create_api_key(&owner, input.clone()).await;
    let again = again.success();
    assert_eq!(
        (&again["apiKey"]["id"], &again["secret"]),
        (&key["id"], &Value::Null)
    );
    assert_eq!(again["replayed"], true);
    input["name"] = json!("Another");
    assert_eq!(app.create_api_key(&owner, input).await.user_error(), "CONFLICT");

    let listed = app.run(&owner, LIST, json!({"id": main.id.as_str()})).await;
    let keys = listed.at("/account/apiKeys");
    assert_eq!(keys["totalCount"], 1);
    assert_eq!(keys["nodes"][0]["prefix"], key["prefix"]);

    let revoke = json!({"id": key["id"], "idempotencyKey": "end"});
    let revoked = app.revoke_api_key(&owner, revoke.clone()).await;
    assert!(revoked.success()["apiKey"]["revokedAt"].is_string());
    let again = app.revoke_api_key(&owner, revoke).await;
    assert_eq!(again.success()["replayed"], true);
    assert_eq!(again.success()["apiKey"], revoked.success()["apiKey"]);
    assert_eq!(itself(&app, secret).await.code(), "UNAUTHENTICATED");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_makes_a_key_that_may_do_more_than_its_maker() {
    let (app, main, owner) = house().await;
    let keeper = app
        .api_key(
            &main,
            &[
                (PermissionKey::Developers, Level::Full),
                (PermissionKey::ApiKeys, Level::Full),
                (PermissionKey::Tasks, Level::Read),
            ],
        )
        .await;
    let levels = |levels: &[(&str, &str)]| wanted(&main, levels);
    app.create_api_key(&keeper, levels(&[("TASKS", "READ")]))
        .await
        .success();
    for more in [("TASKS", "FULL"), ("USAGE", "FULL")] {
        let refused = app.create_api_key(&keeper, levels(&[more])).await;
        assert_eq!(refused.code(), "FORBIDDEN", "{more:?}");
    }
    // Who may not make keys makes none, wherever the account is.
    let viewer = app.member(&main, Role::Viewer).await;
    assert_eq!(app.create_api_key(&viewer, levels(&[])).await.code(), "FORBIDDEN");
    let other = app.main_account(None, "Other", "pln_connector").await;
    let elsewhere = app.create_api_key(&owner, wanted(&other, &[])).await;
    assert_eq!(elsewhere.code(), "NOT_FOUND");
    let nothing = app.api_key(&main, &[]).await;
    let listed = app.run(&nothing, LIST, json!({"id": main.id.as_str()})).await;
    assert_eq!(
        (listed.codes(), &listed.0["data"]["account"]["apiKeys"]),
        (vec!["FORBIDDEN"], &Value::Null)
    );

    // A key that ends, or is bound to addresses, makes none that is freer than itself.
    let soon = time::now() + std::time::Duration::from_secs(3_600);
    let mut bound = wanted(&main, &[("DEVELOPERS", "FULL"), ("API_KEYS", "FULL")]);
    bound["expiresAt"] = json!(soon.to_rfc3339());
    let ending = app.create_api_key(&owner, bound).await;
    let ending = Caller::bearer(ending.success()["secret"].as_str().unwrap());
    assert_eq!(app.create_api_key(&ending, levels(&[])).await.code(), "FORBIDDEN");
    let mut within = levels(&[]);
    within["expiresAt"] = json!(soon.to_rfc3339());
    app.create_api_key(&ending, within).await.success();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_key_is_told_with_its_place() {
    let (app, main, owner) = house().await;
    for (field, value, place) in [
        ("name", json!(" "), json!(["name"])),
        ("expiresAt", json!("2020-01-01T00:00:00Z"), json!(["expiresAt"])),
        (
            "allowedIps",
            json!(["10.0.0.0/8", "example.com"]),
            json!(["allowedIps"]),
        ),
        (
            "permissions",
            json!([{"key": "USAGE", "level": "READ"}]),
            json!(["permissions"]),
        ),
        (
            "permissions",
            json!([{"key": "TASKS", "level": "READ"}, {"key": "TASKS", "level": "FULL"}]),
            json!(["permissions"]),
        ),
    ] {
        let mut input = wanted(&main, &[]);
        input[field] = value.clone();
        let refused = app.create_api_key(&owner, input).await;
        assert_eq!(refused.user_error(), "BAD_USER_INPUT", "{field}: {value}");
        assert_eq!(refused.payload()["userErrors"][0]["field"], place, "{value}");
    }
    assert_eq!(app.count("api_keys").await, 0);
}
