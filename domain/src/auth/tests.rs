//! Credentials on a database: which of them make an actor, and of what reach.

use std::collections::HashMap;

use canopy_entity::{AccountId, Level, PermissionKey, Role, api_key};
use sea_orm::EntityTrait;

use crate::auth::NewApiKey;
use crate::permissions::Decider;
use crate::testing::{TestDomain, credentials, subaccount};
use crate::{Credentials, Error, ErrorCode, PageArgs};

fn key(levels: &[(PermissionKey, Level)]) -> NewApiKey {
    NewApiKey {
        name: "Live".into(),
        levels: levels.iter().copied().collect::<HashMap<_, _>>(),
        expires_at: None,
        allowed_ips: Vec::new(),
    }
}

fn on(mut credentials: Credentials, id: &str) -> Credentials {
    credentials.sub_account = Some(id.into());
    credentials
}

#[tokio::test]
async fn signing_in_makes_a_token_that_holds_until_it_is_revoked() {
    let test = TestDomain::new().await;
    let (main, system) = test.main_account("pln_itellico").await;
    let domain = &test.domain;
    let user = domain
        .create_user("Ada@Example.com", "Ada", Some("correct horse"))
        .await
        .unwrap();
    let view = domain.account(&system, &main.id).await.unwrap();
    domain
        .add_member(&system, &view, &user.id, Role::Admin)
        .await
        .unwrap();
    for (email, password) in [
        ("ada@example.com", "wrong horse"),
        ("eve@example.com", "correct horse"),
    ] {
        let refused = domain.sign_in(email, password, None).await.unwrap_err();
        assert!(matches!(refused, Error::Unauthenticated));
    }
    let signed_in = domain
        .sign_in(" ADA@example.com", "correct horse", None)
        .await
        .unwrap();
    assert!(signed_in.user.last_sign_in_at.is_some());
    let token = credentials(&signed_in.token);
    let actor = domain.authenticate(&token).await.unwrap().unwrap();
    assert_eq!(actor.acting_as(), Some(&main.id));
    assert_eq!(domain.current_user(&actor).await.unwrap().unwrap().id, user.id);
    let accounts = domain
        .accessible_accounts(&actor, &PageArgs::default())
        .await
        .unwrap();
    assert_eq!(accounts.items.len(), 1);
    assert_eq!(accounts.items[0].1.role, Some(Role::Admin));

    assert_eq!(domain.renewed(&actor).await.unwrap().grants(), actor.grants());
    domain.revoke_tokens(&user.id).await.unwrap();
    assert!(matches!(
        domain.renewed(&actor).await,
        Err(Error::Unauthenticated)
    ));
    assert!(matches!(
        domain.authenticate(&token).await,
        Err(Error::Unauthenticated)
    ));
    assert!(
        domain
            .authenticate(&Credentials::default())
            .await
            .unwrap()
            .is_none()
    );
    let header_alone = on(Credentials::default(), main.id.as_str());
    assert!(matches!(
        domain.authenticate(&header_alone).await,
        Err(Error::Unauthenticated)
    ));
}

#[tokio::test]
async fn an_api_key_holds_until_it_is_revoked_and_acts_on_descendants() {
    let test = TestDomain::new().await;
    let (main, system) = test.main_account("pln_agentphone").await;
    let (other, _) = test.main_account("pln_agentphone").await;
    let domain = &test.domain;
    let child = domain
        .create_subaccount(&system, subaccount(&main.id, "Client"), None)
        .await
        .unwrap()
        .value;
    let view = domain.account(&system, &main.id).await.unwrap();
    let created = domain
        .create_api_key(&system, &view, key(&[(PermissionKey::Usage, Level::Full)]))
        .await;
    let created = created.unwrap();
    assert!(!format!("{created:?}").contains(&created.secret));
    assert!(created.secret.starts_with(&created.key.prefix));

    let secret = credentials(&created.secret);
    let actor = domain.authenticate(&secret).await.unwrap().unwrap();
    assert_eq!(actor.acting_as(), Some(&main.id));
    let narrowed = domain
        .authenticate(&on(secret.clone(), child.id().as_str()))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(narrowed.acting_as(), Some(child.id()));
    let seen = domain
        .accounts(&narrowed, &[main.id.clone(), child.id().clone()])
        .await
        .unwrap();
    assert_eq!(seen.keys().collect::<Vec<_>>(), [child.id()]);
    let effective = seen[child.id()].access().effective(PermissionKey::Usage);
    assert_eq!(effective.level, Level::Full);
    assert_eq!(
        effective.decided_by,
        Decider::ApiKey {
            account_id: main.id.clone()
        }
    );
    for hidden in [other.id.as_str(), AccountId::new().as_str(), "acc_1", ""] {
        let error = domain
            .authenticate(&on(secret.clone(), hidden))
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), "There is no such account.", "{hidden}");
    }

    let renewed = domain.renewed(&narrowed).await.unwrap();
    assert_eq!(
        (renewed.acting_as(), renewed.scope()),
        (Some(child.id()), narrowed.scope())
    );
    domain.revoke_api_key(&system, &created.key.id).await.unwrap();
    assert!(matches!(
        domain.renewed(&narrowed).await,
        Err(Error::Unauthenticated)
    ));
    assert!(matches!(
        domain.authenticate(&secret).await,
        Err(Error::Unauthenticated)
    ));
    let changed = credentials(&format!("{}x", created.secret));
    assert!(matches!(
        domain.authenticate(&changed).await,
        Err(Error::Unauthenticated)
    ));
}

#[tokio::test]
async fn the_last_use_of_a_key_is_noted_to_the_minute() {
    let test = TestDomain::new().await;
    let (main, system) = test.main_account("pln_itellico").await;
    let domain = &test.domain;
    let view = domain.account(&system, &main.id).await.unwrap();
    let created = domain.create_api_key(&system, &view, key(&[])).await.unwrap();
    domain.authenticate(&credentials(&created.secret)).await.unwrap();
    // A key is noted as used, but not in the request itself.
    let noted = async {
        let key = || api_key::Entity::find_by_id(created.key.id.clone()).one(&test.database.db);
        while key().await.unwrap().unwrap().last_used_at.is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), noted)
        .await
        .unwrap();
    let listed = domain.api_keys(&system, &view).await.unwrap();
    assert!(
        listed[0]
            .last_used_at
            .is_some_and(|last| last.to_rfc3339().ends_with(":00+00:00"))
    );
}

#[tokio::test]
async fn nobody_gives_more_than_they_have() {
    let test = TestDomain::new().await;
    let domain = &test.domain;
    let (main, system) = test.main_account("pln_itellico").await;
    let (_, credentials) = test.person(&main, Role::AgencyAdmin).await;
    let actor = domain.authenticate(&credentials).await.unwrap().unwrap();
    let view = domain.account(&actor, &main.id).await.unwrap();
    let too_much = domain
        .create_api_key(&actor, &view, key(&[(PermissionKey::Usage, Level::Full)]))
        .await;
    assert_eq!(too_much.unwrap_err().code(), ErrorCode::Forbidden);
    let owner = domain
        .create_user("owner@example.com", "Owner", None)
        .await
        .unwrap();
    let promoted = domain
        .add_member(&actor, &view, &owner.id, Role::Admin)
        .await
        .unwrap_err();
    let (admin, _) = test.person(&main, Role::Admin).await;
    let demoted = domain
        .add_member(&actor, &view, &admin, Role::Viewer)
        .await
        .unwrap_err();
    assert_eq!(demoted.code(), ErrorCode::Forbidden);
    assert_eq!(promoted.code(), ErrorCode::Forbidden);
    assert!(
        domain
            .add_member(&actor, &view, &owner.id, Role::Member)
            .await
            .is_ok()
    );
    let view = domain.account(&system, &main.id).await.unwrap();
    let members = domain
        .members(
            &system,
            &[view],
            &PageArgs::new(Some(1), None, None, None, true).unwrap(),
        )
        .await;
    assert_eq!(members.unwrap()[&main.id].total, Some(3));
}

#[tokio::test]
async fn the_policy_of_the_parents_plan_holds_for_keys_and_members() {
    let test = TestDomain::new().await;
    let domain = &test.domain;
    let (phone, system) = test.main_account("pln_agentphone").await;
    let child = domain
        .create_subaccount(&system, subaccount(&phone.id, "Client"), None)
        .await
        .unwrap()
        .value;
    assert_eq!(
        domain
            .create_api_key(&system, &child, key(&[]))
            .await
            .unwrap_err()
            .code(),
        ErrorCode::Forbidden
    );
    let (bolna, system) = test.main_account("pln_bolna").await;
    let child = domain
        .create_subaccount(&system, subaccount(&bolna.id, "Container"), None)
        .await
        .unwrap()
        .value;
    domain.create_api_key(&system, &child, key(&[])).await.unwrap();
    let second = domain
        .create_api_key(&system, &child, key(&[]))
        .await
        .unwrap_err();
    assert_eq!(second.code(), ErrorCode::Conflict, "{second}");
    let user = domain
        .create_user("member@example.com", "Member", None)
        .await
        .unwrap();
    let member = domain
        .add_member(&system, &child, &user.id, Role::Member)
        .await
        .unwrap_err();
    assert_eq!(member.code(), ErrorCode::Conflict, "{member}");
}
