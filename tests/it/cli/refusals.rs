//! What a command says when it cannot do what it was asked, and the code that it ends with: 1 failed, 2 wrong usage,
//! 4 refused, 5 worth trying again.

use canopy_domain::entity::Role;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{id, rules, shop};

const NOTHING: &str = "rul_01jd0000000000000000000000";

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_not_there_is_refused_by_each_command() {
    let shop = shop().await;
    for command in ["activate", "shadow", "retire", "logs", "check --rule", "show"] {
        for id in [NOTHING, "rul_1", "prices"] {
            let ran = shop.rules(&format!("{command} {id}")).await;
            let told = ran.failed(4);
            assert!(
                told.starts_with("canopy: There is no such rule version"),
                "{command} {id}: {told}"
            );
        }
    }
    let period = "--from 2026-01-01 --to 2026-02-01";
    for (command, told) in [
        (
            format!("simulate {NOTHING} {period}"),
            "There is no such rule version",
        ),
        (
            "replay rat_01jd0000000000000000000000".to_owned(),
            "There is no such rating",
        ),
        (
            "list --account acc_01jd0000000000000000000000".to_owned(),
            "There is no such account",
        ),
        (
            format!(
                "upload --account {} --kind pricing --name a --from {NOTHING}",
                shop.house.main.id
            ),
            "There is no such rule version",
        ),
        (
            format!(
                "upload --account {} --kind pricing --name a --builtin none",
                shop.house.main.id
            ),
            "There is no built-in rule of this name",
        ),
    ] {
        let ran = shop.rules(&command).await;
        assert!(ran.failed(4).contains(told), "{command}: {ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_a_version_cannot_take_is_refused() {
    let shop = shop().await;
    let main = &shop.house.main.id;
    let live = shop.priced("1", "--activate").await;
    for command in [
        format!("shadow {}", id(&live)),
        format!("rollback --account {main} --kind pricing"),
        format!("rollback --account {main} --kind limits"),
    ] {
        let ran = shop.rules(&command).await;
        assert!(ran.failed(4).ends_with("(CONFLICT)"), "{command}: {ran:?}");
    }
    let configured = ["--configuration", r#"{"meters":{"*":{"unit_price":true}}}"#];
    let upload = format!("upload --account {main} --kind pricing --name a --builtin tiered-pricing");
    let ran = shop.rules_with(&upload, &configured).await;
    let told = ran.failed(4);
    assert!(
        told.contains("configuration") && told.ends_with("(RULE_FAILED)"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_none_and_one_with_too_few_rights_are_told_apart() {
    let shop = shop().await;
    let url = shop.house.server.url("/graphql");
    let list = format!("list --account {}", shop.house.main.id);
    let with = async |token: &str, words: &str| {
        let env = [("CANOPY_URL", url.as_str()), ("CANOPY_TOKEN", token)];
        rules(shop.home.path(), &env, words, &[]).await
    };
    let told = with("ck_live_wrong", &list).await;
    assert!(told.failed(4).ends_with("(UNAUTHENTICATED)"), "{told:?}");
    shop.file("rule.wasm", b"\0asm");
    let upload = format!("upload --account {} --kind pricing --name a", shop.house.main.id);
    let told = with("ck_live_wrong", &format!("{upload} --wasm rule.wasm")).await;
    assert!(told.failed(4).ends_with("(UNAUTHENTICATED)"), "{told:?}");

    let viewer = shop.house.app.member(&shop.house.main, Role::Viewer).await;
    let told = with(viewer.secret(), &format!("{upload} --builtin tiered-pricing")).await;
    assert!(told.failed(4).ends_with("(FORBIDDEN)"), "{told:?}");

    let none = rules(shop.home.path(), &[("CANOPY_URL", url.as_str())], &list, &[]).await;
    assert!(none.failed(4).contains("CANOPY_TOKEN"), "{none:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_worth_trying_again() {
    let home = tempfile::tempdir().unwrap();
    let address = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let list = format!("list --account acc_1 --token t --url http://{address}/graphql");
    let told = rules(home.path(), &[], &list, &[]).await;
    let told = told.failed(5);
    assert!(
        told.starts_with(&format!("canopy: cannot reach http://{address}/graphql")),
        "{told}"
    );
    assert!(told.contains("refused"), "the cause is told: {told}");
}

/// Answers each request with the same text, whatever it asks.
async fn stranger(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            if stream.read(&mut request).await.is_ok() {
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        }
    });
    format!("http://{address}/graphql")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_answers_and_is_not_canopy_is_named() {
    let home = tempfile::tempdir().unwrap();
    for (answer, told) in [
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n<html>", "502 Bad Gateway"),
        ("HTTP/1.1 200 OK\r\n\r\n<html>", "is that Canopy"),
        ("HTTP/1.1 200 OK\r\n\r\n{\"status\":\"ok\"}", "is that Canopy"),
        ("SSH-2.0-OpenSSH_9.2\r\n", "cannot reach"),
        (
            "HTTP/1.1 500 Oh\r\n\r\n{\"errors\":[{\"message\":\"Oh.\",\"extensions\":{\"code\":\"INTERNAL\"}}]}",
            "Oh. (INTERNAL)",
        ),
    ] {
        let url = stranger(answer).await;
        let list = format!("list --account acc_1 --token t --url {url}");
        let ran = rules(home.path(), &[], &list, &[]).await;
        assert!(ran.failed(5).contains(told), "{ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_is_told_before_anything_is_asked() {
    let home = tempfile::tempdir().unwrap();
    for (words, told) in [
        ("list", "--account"),
        ("list --account acc_1 --url localhost:8080/graphql", "http://"),
        ("list --account acc_1 --url nonsense", "http://"),
        ("list --account acc_1 --json --text", "cannot be used with"),
        ("logs rul_1 --first 0", "1..=100"),
        ("logs rul_1 --first 101", "1..=100"),
        ("shadow rul_1 --confirm-variance", "--confirm-variance"),
        ("retire rul_1 --confirm-variance", "--confirm-variance"),
        ("upload --account acc_1 --kind pricing --name a", "--wasm"),
        (
            "upload --account a --kind pricing --name a --wasm b --builtin c",
            "cannot be used with",
        ),
        (
            "upload --account a --kind pricing --name a --wasm b --draft --activate",
            "cannot be used with",
        ),
        ("upload --account a --kind prices --name a --wasm b", "pricing"),
        ("simulate rul_1 --from January --to 2026-02-01", "2026-01-31"),
    ] {
        let ran = rules(home.path(), &[("CANOPY_TOKEN", "t")], words, &[]).await;
        let said = ran.failed(2);
        assert!(said.contains(told), "{words}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_be_used_are_named() {
    let shop = shop().await;
    shop.file("not.json", b"{");
    shop.file("not.wasm", b"MZ");
    let upload = format!("upload --account {} --kind pricing --name a", shop.house.main.id);
    for (words, code, told) in [
        ("--wasm none.wasm", 1, "none.wasm"),
        (
            "--builtin tiered-pricing --configuration none.json",
            1,
            "none.json",
        ),
        ("--builtin tiered-pricing --configuration not.json", 1, "not.json"),
        ("--builtin tiered-pricing --configuration {", 1, "JSON"),
        ("--wasm not.wasm", 4, "(RULE_FAILED)"),
    ] {
        let ran = shop.rules(&format!("{upload} {words}")).await;
        assert!(ran.failed(code).contains(told), "{words}: {ran:?}");
    }
    let listed = shop
        .rules(&format!("list --account {}", shop.house.main.id))
        .await;
    assert_eq!(listed.json(), json!([]));
}
