//! A credential that does not hold is UNAUTHENTICATED, and nothing tells why.

use std::sync::Arc;
use std::time::Duration;

use canopy_domain::entity::{ApiKeyId, PermissionKey, Role};
use serde_json::{Value, json};

use crate::app::{Answer, App, Caller, SECRET, token_settings, until};
use crate::operations::base64url;

const ME: &str = "{ me { user { email } apiKey { id } actingAs { id } } }";

async fn ask(app: &App, authorization: &str) -> Answer {
    let caller = Caller {
        authorization: Some(authorization.to_owned()),
        sub_account: None,
    };
    app.run(&caller, ME, json!({})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_a_good_credential_is_refused_alike() {
    let app = App::start().await;
    let main = app.main_account(None, "Main", "pln_itellico").await;
    let owner = app.member(&main, Role::Owner).await;
    let key = app.full_api_key(&main).await;
    app.run(&owner, ME, json!({})).await.data();
    app.run(&key, ME, json!({})).await.data();

    let token = owner.secret();
    let parts: Vec<&str> = token.split('.').collect();
    let (header, claims, signature) = (parts[0], parts[1], parts[2]);
    let none = |algorithm: &str| base64url(format!(r#"{{"alg":"{algorithm}","typ":"JWT"}}"#).as_bytes());
    let other_secret =
        foreign_token(&app, "another key, also of 32 bytes and more", "canopy", "canopy").await;
    let other_audience = foreign_token(&app, SECRET, "canopy", "elsewhere").await;
    let other_issuer = foreign_token(&app, SECRET, "somebody", "canopy").await;
    let other_claims = other_secret.split('.').nth(1).unwrap().to_owned();
    let secret = key.secret();
    let turned = |text: &str| {
        let last = if text.ends_with('A') { 'B' } else { 'A' };
        format!("{}{last}", &text[..text.len() - 1])
    };
    let bad = [
        "".to_owned(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        "Bearer nonsense".to_owned(),
        "Bearer a.b.c".to_owned(),
        format!("Basic {token}"),
        token.to_owned(),
        format!("Bearer {}.{claims}.", none("none")),
        format!("Bearer {}.{claims}.{signature}", none("none")),
        format!("Bearer {}.{claims}.{signature}", none("HS512")),
        format!("Bearer {}.{claims}.{signature}", none("RS256")),
        format!("Bearer {header}.{claims}."),
        format!("Bearer {header}.{claims}"),
        format!("Bearer {header}.{other_claims}.{signature}"),
        format!("Bearer {header}.{}.{signature}", turned(claims)),
        format!(
            "Bearer {header}.{claims}.A{}",
            &signature[1..].chars().rev().collect::<String>()
        ),
        format!("Bearer {other_secret}"),
        format!("Bearer {other_audience}"),
        format!("Bearer {other_issuer}"),
        "Bearer ck_live_".to_owned(),
        format!("Bearer {}", turned(secret)),
        format!("Bearer {}", secret.to_uppercase()),
        format!("Bearer {}", &secret[..secret.len() - 1]),
        format!("Bearer {secret}x"),
    ];
    let expected = ask(&app, &bad[3]).await;
    assert_eq!(expected.code(), "UNAUTHENTICATED");
    for authorization in bad {
        assert_eq!(ask(&app, &authorization).await, expected, "{authorization}");
    }
}

/// A token made for the same kind of user by a Canopy with other settings, for a user whom this one knows.
async fn foreign_token(app: &App, secret: &str, issuer: &str, audience: &str) -> String {
    let mut tokens = token_settings(secret, audience);
    tokens.issuer = issuer.to_owned();
    let other = App::with_tokens(Arc::clone(&app.database), tokens).await;
    let user = other
        .person(&format!("Foreign {secret} {issuer} {audience}"))
        .await;
    other.sign_in(&user).await.secret().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_ends_with_its_lifetime() {
    let app = App::start().await;
    let main = app.main_account(None, "Main", "pln_itellico").await;
    let person = app.person("Short Lived").await;
    app.join(&main, &person, Role::Owner).await;
    let signed_in = app
        .domain
        .issue_token(&person, Some(Duration::from_secs(1)))
        .await
        .unwrap();
    let caller = Caller::bearer(&signed_in.token);
    let refused = until("the token to expire", || async {
        let answer = app.run(&caller, ME, json!({})).await;
        (!answer.codes().is_empty()).then_some(answer)
    })
    .await;
    assert_eq!(refused, ask(&app, "Bearer nonsense").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_ends_when_its_version_is_withdrawn() {
    let app = App::start().await;
    let main = app.main_account(None, "Main", "pln_itellico").await;
    let person = app.person("Withdrawn").await;
    app.join(&main, &person, Role::Owner).await;
    let owner = app.sign_in(&person).await;
    app.run(&owner, ME, json!({})).await.data();
    app.domain.revoke_tokens(&person).await.unwrap();
    assert_eq!(
        app.run(&owner, ME, json!({})).await,
        ask(&app, "Bearer nonsense").await
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_or_expired_key_is_refused_at_once() {
    // What is changed by hand is seen at once only where nothing is remembered.
    let app = App::configured(|settings| settings.remember = Duration::ZERO).await;
    let main = app.main_account(None, "Main", "pln_itellico").await;
    let key = app.full_api_key(&main).await;
    let id = app.run(&key, ME, json!({})).await.text("/me/apiKey/id");
    let id = ApiKeyId::parse(&id).unwrap();
    app.domain.revoke_api_key(&app.system(&main), &id).await.unwrap();
    let expected = ask(&app, "Bearer nonsense").await;
    assert_eq!(app.run(&key, ME, json!({})).await, expected);

    let key = app.full_api_key(&main).await;
    app.run(&key, ME, json!({})).await.data();
    app.tamper("UPDATE api_keys SET expires_at = created_at")
        .await
        .unwrap();
    assert_eq!(app.run(&key, ME, json!({})).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_who_left_is_nobody_there() {
    let app = App::start().await;
    let main = app.main_account(None, "Main", "pln_itellico").await;
    let person = app.person("Left").await;
    app.join(&main, &person, Role::Owner).await;
    let caller = app.sign_in(&person).await;
    app.tamper("DELETE FROM members").await.unwrap();
    let answer = app
        .run(
            &caller,
            "query ($id: ID!) { account(id: $id) { id } }",
            json!({"id": main.id.as_str()}),
        )
        .await;
    assert_eq!(answer.code(), "NOT_FOUND");
    assert_eq!(answer.0["data"]["account"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_needs_the_right_password_and_tells_no_more() {
    let app = App::start().await;
    let main = app.main_account(None, "Main", "pln_itellico").await;
    let user = app
        .domain
        .create_user("Ada@Example.com", "Ada", Some("correct horse battery"))
        .await
        .unwrap();
    app.join(&main, &user.id, Role::Admin).await;
    app.domain
        .create_user("bob@example.com", "Bob", None)
        .await
        .unwrap();
    let sign_in = async |email: &str, password: &str| {
        let document = "mutation ($input: SignInInput!) {
          signIn(input: $input) { token expiresAt user { id email name } userErrors { field message code } }
        }";
        let input = json!({"input": {"email": email, "password": password}});
        app.run(&Caller::nobody(), document, input).await
    };

    let answer = sign_in("ada@example.com", "correct horse battery").await;
    let payload = answer.success();
    assert_eq!(payload["user"]["email"], "ada@example.com");
    let caller = Caller::bearer(payload["token"].as_str().unwrap());
    let me = app.run(&caller, ME, json!({})).await;
    assert_eq!(me.text("/me/user/email"), "ada@example.com");
    assert_eq!(me.text("/me/actingAs/id"), main.id.as_str());

    let expected = sign_in("nobody@example.com", "correct horse battery").await;
    assert_eq!(expected.user_error(), "UNAUTHENTICATED");
    for (email, password) in [
        ("ada@example.com", "wrong"),
        ("ada@example.com", ""),
        ("bob@example.com", ""),
        ("bob@example.com", "correct horse battery"),
        ("", ""),
        ("not an address", "x"),
    ] {
        assert_eq!(sign_in(email, password).await, expected, "{email} {password}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sees_nothing() {
    let app = App::start().await;
    let main = app.main_account(None, "Main", "pln_itellico").await;
    for document in [
        ME,
        "query ($id: ID!) { account(id: $id) { id } }",
        "{ account { id } }",
        "{ plans { id } }",
    ] {
        let answer = app
            .run(&Caller::nobody(), document, json!({"id": main.id.as_str()}))
            .await;
        assert_eq!(answer.code(), "UNAUTHENTICATED", "{document}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_that_one_may_switch_to_are_listed() {
    let app = App::start().await;
    let main = app.main_account(None, "Main", "pln_itellico").await;
    let client = app.subaccount(&main, "Client").await;
    let other = app.main_account(None, "Other", "pln_bolna").await;
    let person = app.person("Many Hats").await;
    app.join(&other, &person, Role::Viewer).await;
    app.join(&client, &person, Role::Admin).await;
    let caller = app.sign_in(&person).await;
    let document = "{ me { accounts(first: 10) { totalCount edges { role node { id name } } } } }";
    let answer = app.run(&caller, document, json!({})).await;
    let mut listed: Vec<_> = answer
        .at("/me/accounts/edges")
        .as_array()
        .unwrap()
        .iter()
        .map(|edge| {
            (
                edge["node"]["id"].as_str().unwrap().to_owned(),
                edge["role"].clone(),
            )
        })
        .collect();
    listed.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(
        listed,
        [
            (client.id.to_string(), json!("ADMIN")),
            (other.id.to_string(), json!("VIEWER"))
        ]
    );

    let key = app
        .api_key(&main, &[(PermissionKey::Tasks, PermissionKey::Tasks.max_level())])
        .await;
    let answer = app.run(&key, document, json!({})).await;
    assert_eq!(
        answer.at("/me/accounts/edges"),
        &json!([{"role": null, "node": {"id": main.id.as_str(), "name": "Main"}}])
    );
}
