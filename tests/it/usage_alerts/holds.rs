//! Usage that was held counts towards a threshold when it is settled, and not before.

use serde_json::json;

use super::{alert, crossing, house};
use crate::subscriptions::now;

#[tokio::test(flavor = "multi_thread")]
async fn a_settlement_that_reaches_a_threshold_tells_it_once() {
    let house = house().await;
    house.app.fund(&house.main, "100").await;
    let start = now(&house.app, &house.owner, &house.main).await;
    let mut stream = house.follow(true, &start).await;
    let input = alert(&house.client, json!({"quantity": "10"}));
    house.app.create_alert(&house.owner, input).await.success();
    house.use_up(&house.client, "a", "4").await;

    let usage = json!({"accountId": house.client.id.as_str(), "meter": "minutes", "quantity": "20"});
    let held = house.app.hold(&house.owner, &usage, "held").await;
    let hold = held.text("/holdUsage/hold/id");
    assert_eq!(house.app.crossings().await, 0, "what is held is not used yet");

    // Less than was held, and just enough.
    for _ in 0..2 {
        house.app.settle(&house.owner, &hold, "6").await.success();
        house.app.relay().await;
        assert_eq!(house.app.crossings().await, 1);
    }
    let told = crossing(&mut stream).await;
    assert_eq!(told["quantity"], "10");
    assert_eq!(told["accountId"], house.client.id.as_str());

    house.use_up(&house.client, "b", "100").await;
    assert_eq!(house.app.crossings().await, 1);
}
