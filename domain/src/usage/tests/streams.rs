//! Streams of news: nothing missing, nothing twice, and an end when the right is gone.

use std::sync::{Arc, Mutex};

use canopy_entity::{MemberId, PermissionKey, Role, UserId, member, user};
use futures_util::StreamExt;

use super::*;
use crate::Credentials;
use crate::auth::NewApiKey;
use crate::events::{FollowUsage, RightsChange, UsageUpdateKind};
use crate::testing::insert;

fn follow(include_descendants: bool, after: Option<&str>) -> FollowUsage<'_> {
    FollowUsage {
        include_descendants,
        after,
        ..FollowUsage::default()
    }
}

#[tokio::test]
async fn a_stream_resumes_without_gap_or_duplicate() {
    let house = house().await.with_prices().await;
    house.grant(&house.agency, "100").await;
    let view = house
        .domain
        .account(&house.actor, &house.agency.id)
        .await
        .unwrap();
    let open = async |after: Option<String>| {
        let stream = house
            .domain
            .usage_updates(&house.actor, &view, follow(true, after.as_deref()))
            .await;
        stream.unwrap()
    };
    let mut live = open(None).await;
    house
        .record(&house.client, vec![event("a", "1"), event("b", "1")])
        .await;
    house.record(&house.inner, vec![event("c", "1")]).await;
    // A row for each batch.
    assert_eq!(house.domain.relay_outbox(1).await.unwrap(), 1);
    assert_eq!(house.domain.relay_outbox(100).await.unwrap(), 1);
    let mut cursors = Vec::new();
    for key in ["a", "b", "c"] {
        let update = live.next().await.unwrap().unwrap();
        assert_eq!(
            (update.event.idempotency_key.as_str(), update.kind),
            (key, UsageUpdateKind::Recorded)
        );
        cursors.push(update.cursor.clone());
    }
    // From the database, and then on with what comes.
    let mut resumed = open(Some(cursors[0].clone())).await;
    assert_eq!(resumed.next().await.unwrap().unwrap().event.idempotency_key, "b");
    assert_eq!(resumed.next().await.unwrap().unwrap().event.idempotency_key, "c");
    house.record(&house.platform, vec![event("not-below", "1")]).await;
    house.record(&house.client, vec![event("d", "1")]).await;
    house.domain.relay_outbox(100).await.unwrap();
    for stream in [&mut live, &mut resumed] {
        assert_eq!(stream.next().await.unwrap().unwrap().event.idempotency_key, "d");
    }

    let agency_alone = house
        .domain
        .usage_updates(&house.actor, &view, follow(false, Some(&cursors[0])))
        .await;
    let nothing = tokio::time::timeout(Duration::from_millis(50), agency_alone.unwrap().next()).await;
    assert!(nothing.is_err());
    let wrong = house
        .domain
        .usage_updates(&house.actor, &view, follow(true, Some("nonsense")))
        .await;
    assert_eq!(wrong.err().unwrap().code(), ErrorCode::BadUserInput);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_slow_stream_sees_all_that_two_relays_publish() {
    let house = Arc::new(house().await);
    let other = open(&house.database, Faults::default());
    let view = house
        .domain
        .account(&house.actor, &house.platform.id)
        .await
        .unwrap();
    let stream = house
        .domain
        .usage_updates(&house.actor, &view, follow(true, None))
        .await
        .unwrap();
    let written = Arc::new(Mutex::new(0));
    let writers = (0..4).map(|writer| {
        let (house, written, other) = (Arc::clone(&house), Arc::clone(&written), other.clone());
        tokio::spawn(async move {
            for batch in 0..10 {
                let events = (0..5)
                    .map(|n| event(&format!("w{writer}-{batch}-{n}"), "1"))
                    .collect();
                house.record(&house.client, events).await;
                *written.lock().unwrap() += 5;
                let relay = if batch % 2 == 0 { &house.domain } else { &other };
                relay.relay_outbox(7).await.unwrap();
            }
        })
    });
    futures_util::future::join_all(writers).await;
    while house.domain.relay_outbox(100).await.unwrap() > 0 {}
    let expected = *written.lock().unwrap();
    let seen: Vec<String> = stream
        .take(expected)
        .map(|update| update.unwrap().event.idempotency_key.clone())
        .collect()
        .await;
    let distinct: std::collections::HashSet<&String> = seen.iter().collect();
    assert_eq!((seen.len(), distinct.len()), (200, 200));
    let last = crate::events::outbox::last_position(&house.database.db)
        .await
        .unwrap();
    assert_eq!(last, 200);
}

#[tokio::test]
async fn a_stream_ends_when_the_membership_is_revoked() {
    let house = house().await;
    let person = user::Model {
        id: UserId::new(),
        email: "ada@example.com".to_owned(),
        name: "Ada".to_owned(),
        password_hash: None,
        token_version: 1,
        tokens_revoked_at: None,
        created_at: time::now(),
        last_sign_in_at: None,
    };
    let membership = member::Model {
        id: MemberId::new(),
        account_id: house.agency.id.clone(),
        user_id: person.id.clone(),
        role: Role::Owner,
        created_at: time::now(),
    };
    insert::<user::Entity>(&house.database.db, person.clone()).await;
    insert::<member::Entity>(&house.database.db, membership.clone()).await;
    let token = house.domain.issue_token(&person.id, None).await.unwrap().token;
    let credentials = Credentials {
        authorization: Some(format!("Bearer {token}")),
        sub_account: None,
        address: None,
    };
    let actor = house.domain.authenticate(&credentials).await.unwrap().unwrap();
    let view = house.domain.account(&actor, &house.client.id).await.unwrap();
    let mut stream = house
        .domain
        .usage_updates(&actor, &view, follow(true, None))
        .await
        .unwrap();
    house.record(&house.client, vec![event("a", "1")]).await;
    house.domain.relay_outbox(10).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap().event.idempotency_key, "a");

    member::Entity::delete_by_id(membership.id)
        .exec(&house.database.db)
        .await
        .unwrap();
    let change = RightsChange::Of(person.id.to_string());
    house.domain.0.hub.rights_changed(change);
    house.record(&house.client, vec![event("b", "1")]).await;
    house.domain.relay_outbox(10).await.unwrap();
    let end = stream.next().await.unwrap();
    // The token still holds; the account is out of its reach, as one that does not exist.
    assert_eq!(end.unwrap_err().code(), ErrorCode::NotFound);
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_stream_is_not_opened_with_a_right_that_has_just_gone() {
    let house = house().await;
    let view = house
        .domain
        .account(&house.actor, &house.client.id)
        .await
        .unwrap();
    let key = NewApiKey {
        name: "late".to_owned(),
        levels: PermissionKey::all().map(|key| (key, key.max_level())).collect(),
        expires_at: None,
        allowed_ips: Vec::new(),
    };
    let created = house
        .domain
        .create_api_key(&house.actor, &view, key)
        .await
        .unwrap();
    let credentials = Credentials {
        authorization: Some(format!("Bearer {}", created.secret)),
        sub_account: None,
        address: None,
    };
    let actor = house.domain.authenticate(&credentials).await.unwrap().unwrap();
    let own = house.domain.account(&actor, &house.client.id).await.unwrap();
    // Between a request's first look at its credential and the stream.
    house
        .domain
        .revoke_api_key(&house.actor, &created.key.id)
        .await
        .unwrap();
    let refused = house.domain.usage_updates(&actor, &own, follow(true, None)).await;
    assert_eq!(refused.err().unwrap().code(), ErrorCode::Unauthenticated);
}
