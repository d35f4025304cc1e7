//! `canopy explain`: the plan of a query without a database, and with a token what is asked of one.

use std::path::Path;

use canopy_domain::entity::{Level, PermissionKey};
use serde_json::{Value, json};

use super::{Ran, ran};
use crate::app::process::canopy;
use crate::app::{App, Caller};

const TREE: &str = "query Tree($id: ID!, $deep: Boolean = false) {
  account(id: $id) {
    name
    subaccounts(first: 5) { nodes { name limits { resources { max } } subaccounts(first: 2) @include(if: $deep) { nodes { id } } } }
  }
}";

struct Folder(tempfile::TempDir);

impl Folder {
    /// A folder with this document in `query.graphql`.
    fn with(document: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("query.graphql"), document).unwrap();
        Self(folder)
    }

    /// Explains the document without a database.
    async fn explain(&self, arguments: &[&str]) -> Ran {
        explain(self.0.path(), "sqlite://nothing/here.db", arguments).await
    }

    /// Runs the document on the database of an app.
    async fn run(&self, app: &App, caller: &Caller, id: &str, more: &[&str]) -> Ran {
        let variables = json!({ "id": id }).to_string();
        let mut arguments = vec!["--token", caller.secret(), "--variables", &variables];
        arguments.extend(more);
        explain(self.0.path(), app.database.url(), &arguments).await
    }
}

async fn explain(folder: &Path, database: &str, arguments: &[&str]) -> Ran {
    let mut command = canopy(&["explain", "query.graphql", "--database-url", database]);
    command.args(arguments).current_dir(folder);
    ran(command).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_plan_is_told_without_a_database() {
    let folder = Folder::with(TREE);
    let told = folder.explain(&[]).await.json();
    let tree = &told["operations"][0];
    assert_eq!((&tree["name"], &tree["kind"]), (&json!("Tree"), &json!("query")));
    assert_eq!(tree["notPlanned"], Value::Null);
    let account = &tree["plan"]["reads"][0];
    let below = &account["accounts"][0]["reads"][0];
    assert_eq!(account["what"], "account by its id");
    assert_eq!(
        (&below["what"], &below["gate"]),
        (&json!("a page of subaccounts"), &json!("Subaccounts Read"))
    );
    let read_below = |below: &Value| below["accounts"][0]["reads"].as_array().map(Vec::len);
    assert_eq!(read_below(below), Some(1), "the default decides: {told}");
    assert!(told.get("run").is_none(), "{told}");

    let deep = ["--variables", r#"{"id": "acc_1", "deep": true}"#];
    let told = folder.explain(&deep).await.json();
    let below = &told["operations"][0]["plan"]["reads"][0]["accounts"][0]["reads"][0];
    assert_eq!(read_below(below), Some(2), "{told}");

    let words = folder.explain(&["--text"]).await;
    let words = words.words();
    assert!(
        words.starts_with("query Tree: answered by a query plan"),
        "{words}"
    );
    assert!(words.contains("reads limits, where the caller has"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_plan_is_told_with_the_reason() {
    let folder =
        Folder::with("query Types { __schema { types { name } } } query Me { me { user { name } } }");
    let told = folder.explain(&[]).await.json();
    let operations = told["operations"].as_array().unwrap();
    assert_eq!(operations.len(), 2, "{told}");
    assert!(operations[0]["plan"].is_object(), "{told}");
    assert_eq!(operations[1]["notPlanned"], "Query.__schema is not planned");

    let one = folder.explain(&["--operation", "Types"]).await.json();
    assert_eq!(one["operations"], json!([operations[1]]));

    let off = canopy(&["explain", "query.graphql", "--operation", "Me"])
        .current_dir(folder.0.path())
        .env("CANOPY__GRAPHQL__PLANNED_READS", "false")
        .output()
        .await
        .unwrap();
    let off = String::from_utf8(off.stdout).unwrap();
    assert!(off.contains("graphql.planned_reads is false"), "{off}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_explained_is_refused() {
    for (document, arguments, code, told) in [
        ("{ nothing }", vec![], 4, "nothing"),
        ("{", vec![], 4, "cannot be read"),
        (TREE, vec!["--operation", "Other"], 4, "no operation of that name"),
        (TREE, vec!["--variables", r#"{"id": []}"#], 4, "$id"),
        (TREE, vec!["--variables", "{"], 2, "JSON"),
        (TREE, vec!["--variables", "[]"], 2, "JSON"),
        (TREE, vec!["--analyze"], 2, "--token"),
        (
            "mutation { a: __typename }",
            vec!["--token", "t"],
            4,
            "Only queries",
        ),
    ] {
        let ran = Folder::with(document).explain(&arguments).await;
        assert!(ran.failed(code).contains(told), "{arguments:?}: {ran:?}");
    }
    let empty = tempfile::tempdir().unwrap();
    let ran = explain(empty.path(), "sqlite::memory:", &[]).await;
    assert!(ran.failed(1).contains("cannot read query.graphql"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_token_it_tells_what_was_sent() {
    let app = App::start().await;
    let main = app.main_account(None, "Main", "pln_itellico").await;
    for name in ["One", "Two", "Three"] {
        app.subaccount(&main, name).await;
    }
    let key = app.full_api_key(&main).await;
    let folder = Folder::with(TREE);
    let told = folder
        .run(&app, &key, main.id.as_str(), &["--analyze"])
        .await
        .json();
    let sent = told["run"]["statements"].as_array().unwrap();
    assert!(!sent.is_empty(), "{told}");
    assert!(
        told["run"]["statementsAtFirst"].as_u64() > Some(sent.len() as u64),
        "{told}"
    );
    assert_eq!(told["run"]["errors"], Value::Null);
    let of_children = sent.iter().find(|one| one["rows"] == 3);
    assert!(
        of_children.is_some(),
        "a statement gives the three subaccounts: {told}"
    );
    for one in sent {
        let sql = one["sql"].as_str().unwrap();
        // When the key was used last is noted on the side.
        let is_read = !sql.contains("last_used_at");
        assert_eq!(one["rows"].is_number(), is_read, "{one}");
        assert_eq!(
            one["plan"].as_array().is_some_and(|plan| !plan.is_empty()),
            is_read,
            "{one}"
        );
    }
    let words = folder.run(&app, &key, main.id.as_str(), &["--text"]).await;
    let words = words.words();
    assert!(words.contains("statements at first, and then these"), "{words}");
    assert!(words.contains("3 rows\n   SELECT"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_shows_no_more_than_its_token_may_see() {
    let app = App::start().await;
    let main = app.main_account(None, "Main", "pln_itellico").await;
    let key = app.api_key(&main, &[(PermissionKey::Usage, Level::Full)]).await;
    let folder = Folder::with(TREE);
    let told = folder.run(&app, &key, main.id.as_str(), &[]).await.json();
    assert_eq!(
        told["run"]["errors"][0]["extensions"]["code"], "FORBIDDEN",
        "{told}"
    );

    let wrong = ["--token", "ck_live_wrong", "--variables", r#"{"id": "acc_1"}"#];
    let ran = explain(folder.0.path(), app.database.url(), &wrong).await;
    ran.failed(4);
}
