//! Streams across a move: who stays entitled misses nothing and hears nothing twice, and who is not hears no more.

use canopy_domain::entity::Role;
use chrono::{Duration, Utc};
use futures_util::StreamExt;

use super::shop;
use crate::app::next;
use crate::operations::USAGE_UPDATES;
use crate::subscriptions;

#[tokio::test(flavor = "multi_thread")]
async fn streams_go_on_for_who_may_still_see_the_account_and_end_for_who_may_not() {
    let shop = shop().await;
    let app = &shop.app;
    let [left, client] = [
        app.member(&shop.left, Role::Owner).await,
        app.member(&shop.client, Role::Owner).await,
    ];
    let start = subscriptions::now(app, &client, &shop.client).await;
    let follow =
        async |caller, account, below, after| app.follow(caller, USAGE_UPDATES, account, below, after).await;
    let mut own = follow(&client, &shop.client, true, Some(start.as_str())).await;
    let mut lost = follow(&left, &shop.client, false, Some(start.as_str())).await;
    let mut whole = follow(&left, &shop.left, true, Some(start.as_str())).await;
    let mut came = follow(&shop.operator, &shop.right, true, Some(start.as_str())).await;

    let earlier = Utc::now() - Duration::days(1);
    shop.record_at(&shop.client, "before", earlier).await;
    app.relay().await;
    for stream in [&mut own, &mut lost, &mut whole] {
        let told = next(stream).await.expect("it goes on");
        assert_eq!(told.text("/usageUpdates/event/idempotencyKey"), "before");
    }
    let at = shop.move_client().await;
    shop.record_at(&shop.branch, "after", at).await;
    shop.record_at(&shop.client, "late", earlier).await;
    app.relay().await;

    let ended = next(&mut lost).await.expect("it says why it ends");
    assert_eq!(ended.code(), "NOT_FOUND");
    assert!(lost.next().await.is_none());
    // By where something was used: what was used on the left is news there, however late.
    for (stream, keys) in [
        (&mut own, vec!["after", "late"]),
        (&mut whole, vec!["late"]),
        (&mut came, vec!["after"]),
    ] {
        for key in keys {
            let told = next(stream).await.expect("it goes on");
            assert_eq!(told.text("/usageUpdates/event/idempotencyKey"), key);
        }
    }
    let mut resumed = follow(&client, &shop.client, true, Some(start.as_str())).await;
    for key in ["before", "after", "late"] {
        let told = next(&mut resumed).await.expect("it goes on");
        assert_eq!(told.text("/usageUpdates/event/idempotencyKey"), key);
    }
}
