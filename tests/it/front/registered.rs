//! Documents that are registered for an API key, and keys that may run nothing else.

use std::sync::Arc;

use canopy_domain::entity::account::Model as Account;
use canopy_domain::entity::{Level, PermissionKey, Role};
use canopy_schema::DocumentHash;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Reply, reply};
use crate::app::database::TestDatabase;
use crate::app::process::Served;
use crate::app::served::NAME;
use crate::app::{Answer, App, Caller};

const REGISTER: &str = "mutation ($input: RegisterDocumentsInput!) { registerDocuments(input: $input) {
    apiKey { id persistedOnly } documentIds replayed userErrors { field code message }
} }";
const OTHER: &str = "query Other { me { apiKey { id } } }";

struct Keys {
    app: App,
    main: Account,
    owner: Caller,
    /// With all permissions.
    key: Caller,
    /// Its id.
    id: String,
}

impl Keys {
    async fn of(app: App) -> Self {
        let main = app.main_account(None, "Main", "pln_connector").await;
        let owner = app.member(&main, Role::Owner).await;
        let key = app.full_api_key(&main).await;
        let me = app.run(&key, OTHER, json!({})).await;
        let id = me.text("/me/apiKey/id");
        Self {
            app,
            main,
            owner,
            key,
            id,
        }
    }

    async fn register(&self, caller: &Caller, documents: &[&str], more: Value) -> Answer {
        let mut input = json!({"apiKeyId": self.id, "documents": documents});
        for (name, value) in more.as_object().unwrap() {
            input[name] = value.clone();
        }
        self.app.run(caller, REGISTER, json!({"input": input})).await
    }

    /// What a process answers to the key.
    async fn ask(&self, server: &Served, mut body: Value) -> Reply {
        body["variables"] = json!({"id": self.main.id.as_str()});
        let client = canopy::tls::client_builder().build().unwrap();
        let request = client.post(server.url("/graphql")).bearer_auth(self.key.secret());
        let request = request.header("accept", "application/graphql-response+json");
        reply(request.json(&body)).await
    }
}

fn text(document: &str) -> Value {
    json!({"query": document})
}

fn id_of(document: &str) -> String {
    format!("sha256:{}", DocumentHash::of(document))
}

fn named(document: &str) -> Value {
    json!({"documentId": id_of(document)})
}

fn automatic(document: &str) -> Value {
    let hash = DocumentHash::of(document).to_string();
    json!({"extensions": {"persistedQuery": {"version": 1, "sha256Hash": hash}}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_runs_what_is_registered_for_it_and_nothing_else_if_so_marked() {
    let keys = Keys::of(App::start().await).await;
    let server = Served::start_with(&keys.app, |_| ()).await;
    assert_eq!(
        keys.ask(&server, named(NAME)).await.code(),
        "PERSISTED_QUERY_NOT_FOUND"
    );
    let registered = keys.register(&keys.owner, &[NAME], json!({})).await;
    assert_eq!(registered.success()["documentIds"], json!([id_of(NAME)]));
    let answer = keys.ask(&server, named(NAME)).await;
    assert_eq!(answer.body["data"]["account"]["name"], "Main", "{}", answer.body);
    // As long as it is not marked, it runs anything; and what is another key's is not its own.
    assert_eq!(keys.ask(&server, text(OTHER)).await.code(), "none");
    assert_eq!(
        keys.ask(&server, named(OTHER)).await.code(),
        "PERSISTED_QUERY_NOT_FOUND"
    );
    let another = keys.app.full_api_key(&keys.main).await;
    let client = canopy::tls::client_builder().build().unwrap();
    let request = client.post(server.url("/graphql")).bearer_auth(another.secret());
    let refused = reply(request.json(&named(NAME))).await;
    assert_eq!(refused.code(), "PERSISTED_QUERY_NOT_FOUND");

    let marked = keys
        .register(&keys.owner, &[], json!({"persistedOnly": true}))
        .await;
    assert_eq!(marked.success()["apiKey"]["persistedOnly"], true);
    for body in [named(NAME), text(NAME), automatic(NAME)] {
        let answer = keys.ask(&server, body.clone()).await;
        assert_eq!(
            answer.body["data"]["account"]["name"], "Main",
            "{body}: {}",
            answer.body
        );
    }
    let refused = keys.ask(&server, text(OTHER)).await;
    assert_eq!(
        (refused.status, refused.code()),
        (StatusCode::FORBIDDEN, "FORBIDDEN")
    );
    // What is beside GraphQL is no registered document either.
    for (method, path) in [(Method::PUT, "/rules"), (Method::GET, "/rules/rlv_1.wasm")] {
        let url = server.url(&format!("{path}?accountId={}&kind=PRICING&name=a", keys.main.id));
        let request = client.request(method, url).bearer_auth(keys.key.secret());
        let refused = reply(request).await;
        assert_eq!(
            (refused.status, refused.code()),
            (StatusCode::FORBIDDEN, "FORBIDDEN"),
            "{path}"
        );
    }
    // The process knows this document well, from others.
    assert_eq!(
        keys.ask(&server, automatic(OTHER)).await.code(),
        "PERSISTED_QUERY_NOT_FOUND"
    );

    let freed = keys.register(&keys.owner, &[], json!({"persistedOnly": false, "replace": true}));
    freed.await.success();
    assert_eq!(keys.ask(&server, text(OTHER)).await.code(), "none");
    assert_eq!(
        keys.ask(&server, named(NAME)).await.code(),
        "PERSISTED_QUERY_NOT_FOUND"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_process_registers_holds_in_all() {
    let database = Arc::new(TestDatabase::create().await);
    let here = App::on_configured(Arc::clone(&database), |_| ()).await;
    let there = App::on_configured(database, |_| ()).await;
    let keys = Keys::of(here).await;
    let server = Served::start_with(&there, |_| ()).await;
    assert_eq!(
        keys.ask(&server, named(NAME)).await.code(),
        "PERSISTED_QUERY_NOT_FOUND"
    );
    for _ in 0..2 {
        keys.register(&keys.owner, &[NAME], json!({})).await.success();
        assert_eq!(keys.ask(&server, named(NAME)).await.code(), "none");
        keys.register(&keys.owner, &[OTHER], json!({"replace": true}))
            .await
            .success();
        // What it does not know is looked for at once; what it knows ends with the news.
        there.relay().await;
        assert_eq!(
            keys.ask(&server, named(NAME)).await.code(),
            "PERSISTED_QUERY_NOT_FOUND"
        );
    }
    there.relay().await;
    // Known documents are not looked up again.
    keys.ask(&server, named(OTHER)).await;
    let statements = there.statements.take();
    keys.ask(&server, named(OTHER)).await;
    let again = there.statements.take();
    let looks = |sql: &[sea_orm::Statement]| {
        let texts = sql.iter().map(|statement| format!("{statement:?}"));
        texts.filter(|text| text.contains("api_key_documents")).count()
    };
    assert!(looks(&statements) > 0);
    assert_eq!(looks(&again), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_registered_is_valid_and_by_whom_it_may_be() {
    let keys = Keys::of(App::start().await).await;
    for (bad, part) in [
        ("{ unknown }", "unknown"),
        (
            "{ accoun(id: 1) { id } }",
            "Unknown field \"accoun\" on type \"Query\".",
        ),
        ("query ($id: Nothing!) { account(id: $id) { id } }", "Nothing"),
        ("{", "cannot be read"),
        ("{ ...A } fragment A on Query { ...A }", "contains itself"),
    ] {
        let refused = keys.register(&keys.owner, &[NAME, bad], json!({})).await;
        assert_eq!(refused.user_error(), "BAD_USER_INPUT", "{bad}");
        let error = &refused.payload()["userErrors"][0];
        assert_eq!(error["field"], json!(["documents", "1"]), "{bad}");
        assert!(error["message"].as_str().unwrap().contains(part), "{error}");
    }
    assert_eq!(keys.app.count("api_key_documents").await, 0, "all or none");
    let all = [
        "subscription ($id: ID!) { usageUpdates(accountId: $id) { cursor } }",
        "mutation ($input: SignInInput!) { signIn(input: $input) { token } }",
        "query A { me { user { id } } } query B($id: ID!) { account(id: $id) { name } }",
    ];
    keys.register(&keys.owner, &all, json!({})).await.success();
    assert_eq!(keys.app.count("api_key_documents").await, 3);
    let many = vec![NAME; 201];
    assert_eq!(
        keys.register(&keys.owner, &many, json!({})).await.user_error(),
        "BAD_USER_INPUT"
    );

    // Neither the key itself, nor who has no say over keys.
    assert_eq!(
        keys.register(&keys.key, &[NAME], json!({})).await.code(),
        "FORBIDDEN"
    );
    let viewer = keys.app.member(&keys.main, Role::Viewer).await;
    assert_eq!(
        keys.register(&viewer, &[NAME], json!({})).await.code(),
        "FORBIDDEN"
    );
    // Nor does a key that is bound make one that is not.
    keys.register(&keys.owner, &[], json!({"persistedOnly": true}))
        .await
        .success();
    let input = crate::api_keys::wanted(&keys.main, &[]);
    assert_eq!(
        keys.app.create_api_key(&keys.key, input).await.code(),
        "FORBIDDEN"
    );
    let keeper = [
        (PermissionKey::Developers, Level::Full),
        (PermissionKey::ApiKeys, Level::Full),
    ];
    let keeper = keys.app.api_key(&keys.main, &keeper).await;
    keys.register(&keeper, &[OTHER], json!({})).await.success();

    // Sent again it is done once, and a revoked key gets no more.
    let once = json!({"idempotencyKey": "once", "replace": true});
    let first = keys.register(&keys.owner, &[NAME], once.clone()).await;
    let again = keys.register(&keys.owner, &[NAME], once).await;
    assert_eq!(
        (&first.success()["replayed"], &again.success()["replayed"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(again.success()["documentIds"], first.success()["documentIds"]);
    keys.app
        .revoke_api_key(&keys.owner, json!({"id": keys.id}))
        .await
        .success();
    let late = keys.register(&keys.owner, &[NAME], json!({})).await;
    assert_eq!(late.user_error(), "CONFLICT");
}
