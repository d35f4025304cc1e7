//! Windows on a clock that stands still until all wait.

use canopy_entity::usage_event::{self, RatingStatus};
use canopy_entity::{AccountPath, UsageBatchId, UsageEventId, time};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;

use super::*;
use crate::events::UsageUpdateKind;

const EVERY: Duration = Duration::from_secs(1);

type News = Result<Arc<UsageUpdate>>;

/// A stream of windows, and where its news comes in.
fn stream() -> (mpsc::UnboundedSender<News>, BoxStream<'static, News>) {
    let (news, told) = mpsc::unbounded_channel();
    let told = UnboundedReceiverStream::new(told).boxed();
    (news, windows(told, EVERY).boxed())
}

fn update(
    cursor: &str,
    kind: UsageUpdateKind,
    account: &AccountId,
    quantity: i64,
    charged: Option<i64>,
) -> Arc<UsageUpdate> {
    let now = time::now();
    let event = usage_event::Model {
        id: UsageEventId::new(),
        account_id: account.clone(),
        path: AccountPath::root(account),
        batch_id: UsageBatchId::new(),
        place: 0,
        idempotency_key: cursor.to_owned(),
        payload_digest: String::new(),
        meter: "calls".to_owned(),
        quantity,
        occurred_at: now,
        recorded_at: now,
        attributes: "{}".to_owned(),
        rating_status: RatingStatus::Rated,
        rating_attempts: 0,
        ratings: None,
        rated_batch_id: None,
        correction: None,
        corrects_id: None,
        reason: None,
        corrected_by: None,
        counted_at: None,
        adjusts: None,
    };
    let charged = charged.map(money);
    Arc::new(UsageUpdate::new(cursor.to_owned(), kind, event, charged))
}

fn money(micros: i64) -> Money {
    Money {
        amount: Micros::new(micros).unwrap(),
        currency: "USD".to_owned(),
    }
}

fn recorded(cursor: &str, account: &AccountId, quantity: i64) -> Arc<UsageUpdate> {
    update(
        cursor,
        UsageUpdateKind::Recorded,
        account,
        quantity,
        Some(quantity * 2),
    )
}

/// The cursor of the next update, and the quantities and events of its sums.
async fn next(told: &mut BoxStream<'static, Result<Arc<UsageUpdate>>>) -> (String, Vec<(i64, i64)>) {
    let update = told.next().await.expect("there is more").unwrap();
    let sums = update.sums().unwrap();
    let sums = sums.iter().map(|sum| (sum.quantity.get(), sum.events)).collect();
    (update.cursor.clone(), sums)
}

#[tokio::test(start_paused = true)]
async fn what_comes_within_a_window_is_one_update_with_the_last_cursor() {
    let (news, mut told) = stream();
    let (one, other) = (AccountId::new(), AccountId::new());
    let begun = Instant::now();
    for (cursor, account, quantity) in [("a", &one, 1), ("b", &other, 10), ("c", &one, 2)] {
        news.send(Ok(recorded(cursor, account, quantity))).unwrap();
    }
    let (cursor, mut sums) = next(&mut told).await;
    sums.sort_unstable();
    assert_eq!((cursor.as_str(), sums), ("c", vec![(3, 2), (10, 1)]));
    assert_eq!(begun.elapsed(), EVERY);

    // The next window opens with the next news, however long that takes.
    tokio::time::advance(EVERY * 10).await;
    let opened = Instant::now();
    news.send(Ok(recorded("d", &one, 4))).unwrap();
    assert_eq!(next(&mut told).await, ("d".to_owned(), vec![(4, 1)]));
    assert_eq!(opened.elapsed(), EVERY);
    drop(news);
    assert!(told.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_price_that_comes_later_adds_to_the_amount_alone() {
    let (news, mut told) = stream();
    let account = AccountId::new();
    news.send(Ok(update("a", UsageUpdateKind::Recorded, &account, 5, None)))
        .unwrap();
    let first = told.next().await.unwrap().unwrap();
    assert_eq!(first.sums().unwrap()[0].amount, None);
    news.send(Ok(update("b", UsageUpdateKind::Rated, &account, 5, Some(7))))
        .unwrap();
    news.send(Ok(recorded("c", &account, 3))).unwrap();
    let second = told.next().await.unwrap().unwrap();
    let sum = second.sums().unwrap().remove(0);
    assert_eq!((sum.quantity.get(), sum.events), (3, 1));
    assert_eq!(sum.amount, Some(money(13)));
}

#[tokio::test(start_paused = true)]
async fn a_window_that_has_no_room_is_told_before_it_closes() {
    let (news, mut told) = stream();
    let begun = Instant::now();
    for place in 0..=MAX_SUMS {
        let cursor = place.to_string();
        news.send(Ok(recorded(&cursor, &AccountId::new(), 1))).unwrap();
    }
    let (cursor, sums) = next(&mut told).await;
    assert_eq!((cursor, sums.len()), ((MAX_SUMS - 1).to_string(), MAX_SUMS));
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(next(&mut told).await, (MAX_SUMS.to_string(), vec![(1, 1)]));

    // Neither has a sum that no exact number holds.
    let account = AccountId::new();
    for cursor in ["x", "y"] {
        let all = update(
            cursor,
            UsageUpdateKind::Recorded,
            &account,
            Micros::MAX.get(),
            None,
        );
        news.send(Ok(all)).unwrap();
    }
    assert_eq!(next(&mut told).await.0, "x");
    assert_eq!(next(&mut told).await.0, "y");
}

#[tokio::test(start_paused = true)]
async fn what_was_kept_back_is_told_before_a_lag_and_not_after_a_lost_right() {
    let account = AccountId::new();
    let (news, mut told) = stream();
    let lagged = Error::Lagged {
        missed: 1,
        resume_from: "a".to_owned(),
    };
    news.send(Ok(recorded("a", &account, 1))).unwrap();
    news.send(Err(lagged)).unwrap();
    drop(news);
    assert_eq!(next(&mut told).await.0, "a");
    assert!(matches!(told.next().await, Some(Err(Error::Lagged { .. }))));
    assert!(told.next().await.is_none());

    let (news, mut told) = stream();
    news.send(Ok(recorded("a", &account, 1))).unwrap();
    news.send(Err(Error::Unauthenticated)).unwrap();
    drop(news);
    assert!(matches!(told.next().await, Some(Err(Error::Unauthenticated))));
    assert!(told.next().await.is_none());
}
