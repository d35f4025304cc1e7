//! Usage that never ends keeps nobody from changing what it goes by.

use super::*;
use crate::pricing::Facts;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_changes_the_terms_of_a_tree_goes_before_usage_that_comes_later() {
    let house = house().await;
    let facts = Facts::read(&house.database.db, [&house.client.path])
        .await
        .unwrap();
    let first = house.begin().await;
    assert!(facts.hold(&first).await.unwrap());
    if house.database.db.get_database_backend() == DbBackend::Sqlite {
        // There is one writer, and who waits for it takes its turn.
        return;
    }
    let (db, id) = (house.database.db.clone(), house.client.id.clone());
    let change = tokio::spawn(async move {
        let sql = format!("UPDATE accounts SET status = 'SUSPENDED' WHERE id = '{id}'");
        db.execute_unprepared(&sql).await
    });
    while !house.anybody_waits().await {
        tokio::task::yield_now().await;
    }
    // What is held by the first could be held by others, too; but there is somebody before them.
    let second = house.begin().await;
    second
        .execute_unprepared("SET LOCAL lock_timeout = '100ms'")
        .await
        .unwrap();
    assert!(facts.hold(&second).await.is_err());
    second.rollback().await.unwrap();
    assert!(!change.is_finished());

    first.commit().await.unwrap();
    change.await.unwrap().unwrap();
    let third = house.begin().await;
    assert!(!facts.hold(&third).await.unwrap(), "it was changed");
    third.commit().await.unwrap();
}
