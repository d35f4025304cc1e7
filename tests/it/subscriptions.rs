//! Usage arrives live, in order, once, and only at those who may see it.

use std::time::Duration;

use canopy_domain::entity::account::Model as Account;
use canopy_domain::entity::{ApiKeyId, Role};
use futures_util::stream::BoxStream;
use serde_json::{Value, json};

use crate::app::{Answer, App, Caller, next};
use crate::operations::{USAGE_UPDATES, event};

struct House {
    app: App,
    main: Account,
    client: Account,
    sibling: Account,
    owner: Caller,
}

async fn house() -> House {
    house_in(App::start().await).await
}

async fn house_in(app: App) -> House {
    let main = app.main_account(None, "Main", "pln_itellico").await;
    let client = app.subaccount(&main, "Client").await;
    let sibling = app.subaccount(&main, "Sibling").await;
    app.unit_price(&main, "1").await;
    let owner = app.member(&main, Role::Owner).await;
    House {
        app,
        main,
        client,
        sibling,
        owner,
    }
}

async fn watch(
    app: &App,
    caller: &Caller,
    account: &Account,
    below: bool,
    after: Option<&str>,
) -> BoxStream<'static, Answer> {
    app.follow(caller, USAGE_UPDATES, account, below, after).await
}

/// Records one event per key, and publishes.
async fn record(house: &House, account: &Account, keys: &[&str]) {
    let batch: Vec<_> = keys.iter().map(|key| event(key)).collect();
    house
        .app
        .accepted(&house.app.record(&house.owner, account, json!(batch)).await);
    house.app.relay().await;
}

/// The next updates: the keys of their events, and the last cursor.
async fn receive(stream: &mut BoxStream<'static, Answer>, count: usize) -> (Vec<String>, String) {
    let (mut keys, mut cursor) = (Vec::new(), String::new());
    for _ in 0..count {
        let update = next(stream).await.expect("the stream goes on");
        keys.push(update.text("/usageUpdates/event/idempotencyKey"));
        cursor = update.text("/usageUpdates/cursor");
    }
    (keys, cursor)
}

/// A cursor from which nothing is missed: a stream without one begins at some instant after it was opened, so this
/// records markers until the stream tells the last of them.
pub(crate) async fn now(app: &App, caller: &Caller, account: &Account) -> String {
    let mut stream = watch(app, caller, account, false, None).await;
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let (mut markers, mut heard) = (0, false);
    loop {
        tokio::select! {
            biased;
            update = next(&mut stream) => {
                heard = true;
                let update = update.expect("the stream goes on");
                if update.text("/usageUpdates/event/idempotencyKey") == format!("marker-{markers}") {
                    return update.text("/usageUpdates/cursor");
                }
            }
            _ = ticks.tick(), if !heard => {
                markers += 1;
                app.accepted(&app.record(caller, account, json!([event(&format!("marker-{markers}"))])).await);
                app.relay().await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_come_in_the_order_of_recording_with_a_cursor_each() {
    let house = house().await;
    let start = now(&house.app, &house.owner, &house.client).await;
    let mut stream = watch(&house.app, &house.owner, &house.client, false, Some(&start)).await;
    let keys: Vec<String> = (0..20).map(|n| format!("k{n:02}")).collect();
    for key in &keys {
        record(&house, &house.client, &[key]).await;
    }
    let mut cursors = std::collections::HashSet::new();
    for key in &keys {
        let (received, cursor) = receive(&mut stream, 1).await;
        assert_eq!(received, [key.as_str()]);
        assert!(cursors.insert(cursor), "a cursor is used twice");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_resumes_behind_its_cursor_without_gap_or_duplicate_across_a_restart() {
    let house = house().await;
    record(&house, &house.client, &["a"]).await;
    let start = now(&house.app, &house.owner, &house.client).await;
    record(&house, &house.client, &["b", "c", "d"]).await;
    let mut stream = watch(&house.app, &house.owner, &house.client, false, Some(&start)).await;
    let (keys, cursor) = receive(&mut stream, 2).await;
    assert_eq!(keys, ["b", "c"]);
    drop(stream);
    record(&house, &house.client, &["e"]).await;

    let restarted = App::on(std::sync::Arc::clone(&house.app.database)).await;
    let mut stream = watch(&restarted, &house.owner, &house.client, false, Some(&cursor)).await;
    let (keys, _) = receive(&mut stream, 2).await;
    assert_eq!(keys, ["d", "e"]);
    let batch = json!([event("f"), event("g")]);
    restarted.accepted(&restarted.record(&house.owner, &house.client, batch).await);
    restarted.relay().await;
    let (keys, cursor) = receive(&mut stream, 2).await;
    assert_eq!(keys, ["f", "g"]);

    // The same cursor leads to the same place, as often as it is given.
    let mut again = watch(&restarted, &house.owner, &house.client, false, Some(&start)).await;
    let (keys, last) = receive(&mut again, 6).await;
    assert_eq!(keys, ["b", "c", "d", "e", "f", "g"]);
    assert_eq!(last, cursor);
}

#[tokio::test(flavor = "multi_thread")]
async fn descendants_are_heard_when_asked_for_and_siblings_never() {
    let house = house().await;
    let branch = house.app.subaccount(&house.client, "Branch").await;
    let start = now(&house.app, &house.owner, &house.main).await;
    for (account, keys) in [
        (&house.sibling, ["s1", "s2"]),
        (&branch, ["b1", "b2"]),
        (&house.client, ["c1", "c2"]),
    ] {
        record(&house, account, &keys).await;
    }
    record(&house, &house.main, &["m1"]).await;
    let inside = house.app.member(&house.client, Role::Owner).await;
    let cases = [
        (&house.owner, &house.client, false, vec!["c1", "c2", "c3"]),
        (
            &house.owner,
            &house.client,
            true,
            vec!["b1", "b2", "c1", "c2", "b3", "c3"],
        ),
        (
            &inside,
            &house.client,
            true,
            vec!["b1", "b2", "c1", "c2", "b3", "c3"],
        ),
        (&house.owner, &house.sibling, true, vec!["s1", "s2", "s3"]),
        (&house.owner, &house.main, false, vec!["m1"]),
        (
            &house.owner,
            &house.main,
            true,
            vec!["s1", "s2", "b1", "b2", "c1", "c2", "m1", "s3", "b3", "c3"],
        ),
    ];
    let mut streams = Vec::new();
    for (caller, account, below, _) in &cases {
        streams.push(watch(&house.app, caller, account, *below, Some(&start)).await);
    }
    for (account, key) in [(&house.sibling, "s3"), (&branch, "b3"), (&house.client, "c3")] {
        record(&house, account, &[key]).await;
    }
    for (stream, (_, account, below, expected)) in streams.iter_mut().zip(cases) {
        let (keys, _) = receive(stream, expected.len()).await;
        assert_eq!(keys, expected, "{} {below}", account.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_rated_later_is_told_twice() {
    let app = App::start().await;
    let main = app.main_account(None, "Main", "pln_itellico").await;
    let client = app.subaccount(&main, "Client").await;
    let owner = app.member(&main, Role::Owner).await;
    let start = now(&app, &owner, &client).await;
    let mut stream = watch(&app, &owner, &client, false, Some(&start)).await;
    app.tamper(
        r#"UPDATE usage_events SET rating_status = 'RATED', ratings = '{"currency":"USD","edges":[]}'"#,
    )
    .await
    .unwrap();
    app.accepted(&app.record(&owner, &client, json!([event("a")])).await);
    app.relay().await;
    let first = next(&mut stream).await.unwrap();
    assert_eq!(first.at("/usageUpdates/kind"), "RECORDED");
    assert_eq!(first.at("/usageUpdates/event/ratingStatus"), "PENDING");
    app.unit_price(&main, "1").await;
    app.domain.rate_pending(10).await.unwrap();
    app.relay().await;
    let second = next(&mut stream).await.unwrap();
    assert_eq!(second.at("/usageUpdates/kind"), "RATED");
    assert_eq!(second.at("/usageUpdates/event/ratingStatus"), "RATED");
    assert_eq!(
        second.at("/usageUpdates/event/id"),
        first.at("/usageUpdates/event/id")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_ends_its_stream() {
    let house = house().await;
    let key = house.app.full_api_key(&house.main).await;
    let id = house
        .app
        .run(&key, "{ me { apiKey { id } } }", json!({}))
        .await
        .text("/me/apiKey/id");
    let start = now(&house.app, &key, &house.client).await;
    let mut stream = watch(&house.app, &key, &house.client, false, Some(&start)).await;
    record(&house, &house.client, &["a"]).await;
    assert_eq!(receive(&mut stream, 1).await.0, ["a"]);

    let id = ApiKeyId::parse(&id).unwrap();
    house
        .app
        .domain
        .revoke_api_key(&house.app.system(&house.main), &id)
        .await
        .unwrap();
    record(&house, &house.client, &["b"]).await;
    let last = next(&mut stream).await;
    if let Some(last) = last {
        assert_eq!(
            last.code(),
            "UNAUTHENTICATED",
            "nothing is told after the key is gone"
        );
        assert!(next(&mut stream).await.is_none(), "the stream ends");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_what_one_may_not_see_is_refused() {
    let house = house().await;
    let stranger = house.app.main_account(None, "Stranger", "pln_itellico").await;
    let viewer = house.app.member(&house.main, Role::Viewer).await;
    let first = async |caller: &Caller, account: &str, after: Value| {
        let variables = json!({"account": account, "below": true, "after": after});
        let mut stream = house.app.subscribe(caller, USAGE_UPDATES, variables).await;
        let refusal = next(&mut stream).await.expect("a refusal is told");
        assert!(next(&mut stream).await.is_none(), "and then the stream ends");
        refusal
    };
    let expected = first(&house.owner, "acc_01jd0000000000000000000000", Value::Null).await;
    assert_eq!(expected.code(), "NOT_FOUND");
    for account in [stranger.id.as_str(), "nonsense"] {
        assert_eq!(first(&house.owner, account, Value::Null).await, expected);
    }
    assert_eq!(
        first(&viewer, house.main.id.as_str(), Value::Null).await.code(),
        "FORBIDDEN"
    );
    assert_eq!(
        first(&Caller::nobody(), house.main.id.as_str(), Value::Null)
            .await
            .code(),
        "UNAUTHENTICATED"
    );
    assert_eq!(
        first(&house.owner, house.main.id.as_str(), json!("nonsense"))
            .await
            .code(),
        "BAD_USER_INPUT"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_falls_too_far_behind_is_told_how_much_was_missed_and_goes_on_from_there() {
    // More than fit into the ring that all streams of a process share.
    const BATCH: usize = 1_000;
    const TOLD: usize = 5 * BATCH;
    let house = house_in(App::configured(|settings| settings.streams.max_lag = 1_000).await).await;
    let start = now(&house.app, &house.owner, &house.client).await;
    let mut slow = watch(&house.app, &house.owner, &house.client, false, Some(&start)).await;
    let mut other = watch(&house.app, &house.owner, &house.sibling, false, Some(&start)).await;
    record(&house, &house.client, &["first"]).await;
    let (_, first) = receive(&mut slow, 1).await;

    // Nobody reads for a while.
    for batch in 0..5 {
        let keys: Vec<String> = (0..BATCH).map(|n| format!("k{:04}", batch * BATCH + n)).collect();
        record(
            &house,
            &house.client,
            &keys.iter().map(String::as_str).collect::<Vec<_>>(),
        )
        .await;
    }
    record(&house, &house.sibling, &["elsewhere"]).await;

    let last = next(&mut slow).await.expect("the end is told");
    assert_eq!(last.code(), "RATE_LIMITED");
    let told = &last.0["errors"][0]["extensions"];
    assert_eq!(told["missed"], json!(TOLD), "{told}");
    assert_eq!(told["resumeFrom"], json!(first), "{told}");
    assert!(next(&mut slow).await.is_none(), "the stream ends");
    // A stream is not behind because of what it would not have told.
    assert_eq!(receive(&mut other, 1).await.0, ["elsewhere"]);

    // Whoever goes on from there may be as far behind as that, and misses nothing.
    let resume = told["resumeFrom"].as_str();
    let mut again = watch(&house.app, &house.owner, &house.client, false, resume).await;
    let (keys, _) = receive(&mut again, TOLD).await;
    assert!(keys.iter().enumerate().all(|(n, key)| *key == format!("k{n:04}")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_another_process_revokes_ends_its_stream_before_the_next_event() {
    let house = house().await;
    let elsewhere = App::on(std::sync::Arc::clone(&house.app.database)).await;
    let key = house.app.full_api_key(&house.main).await;
    let me = house.app.run(&key, "{ me { apiKey { id } } }", json!({})).await;
    let id = ApiKeyId::parse(&me.text("/me/apiKey/id")).unwrap();
    let start = now(&house.app, &key, &house.client).await;
    let mut stream = watch(&house.app, &key, &house.client, false, Some(&start)).await;
    // The first may be read from the database, which asks for the right as well; the second is told.
    for key in ["a", "b"] {
        record(&house, &house.client, &[key]).await;
        assert_eq!(receive(&mut stream, 1).await.0, [key]);
    }

    let operator = elsewhere.system(&house.main);
    elsewhere.domain.revoke_api_key(&operator, &id).await.unwrap();
    record(&house, &house.client, &["c"]).await;
    let last = next(&mut stream).await.expect("the end is told");
    assert_eq!(last.code(), "UNAUTHENTICATED");
    assert!(next(&mut stream).await.is_none(), "the stream ends");
}

/// An answer that many get is the same for all of them only where nothing in it depends on who asks.
#[tokio::test(flavor = "multi_thread")]
async fn each_who_follows_an_event_is_told_its_own_part_of_it() {
    let house = house().await;
    let inner = house.app.subaccount(&house.client, "Inner").await;
    house.app.unit_price(&house.client, "2").await;
    let callers = [
        house.owner.clone(),
        house.app.member(&house.client, Role::Owner).await,
        house.app.member(&inner, Role::Owner).await,
        house.app.member(&inner, Role::Owner).await,
    ];
    const DOCUMENT: &str = "subscription ($account: ID!, $after: String) {
      usageUpdates(accountId: $account, after: $after) {
        event { idempotencyKey ratings { buyer } account { parent { id } } }
      }
    }";
    let start = now(&house.app, &house.owner, &inner).await;
    let variables = json!({"account": inner.id.as_str(), "after": start});
    let mut streams = Vec::new();
    for caller in &callers {
        streams.push(house.app.subscribe(caller, DOCUMENT, variables.clone()).await);
    }
    // The first may still be read from the database; those behind it are told to all at once.
    for key in ["a", "b", "c"] {
        record(&house, &inner, &[key]).await;
        let mut told = Vec::new();
        for stream in &mut streams {
            let update = next(stream).await.expect("the stream goes on");
            assert_eq!(update.text("/usageUpdates/event/idempotencyKey"), key);
            let buyers = update.at("/usageUpdates/event/ratings").clone();
            told.push((buyers, update.at("/usageUpdates/event/account/parent").clone()));
        }
        let (client, inner) = (json!({"buyer": house.client.id}), json!({"buyer": inner.id}));
        let parent = json!({"id": house.client.id});
        assert_eq!(
            told[0],
            (json!([client, inner]), parent.clone()),
            "the owner of the tree"
        );
        assert_eq!(told[1], (json!([client, inner]), parent), "the client");
        assert_eq!(told[2], (json!([inner]), Value::Null), "the account itself");
        assert_eq!(told[3], told[2]);
    }
}
