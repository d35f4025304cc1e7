//! The real program, killed between sending a message and writing down that it did.

use canopy_domain::webhooks::Outcome;

use super::house;
use super::receiver::Receiver;
use crate::app::process::Process;

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_a_killed_process_is_sent_again_with_the_same_id() {
    let (house, receiver) = (house().await, Receiver::start().await);
    let (_, secret) = house.endpoint(&receiver.url()).await;
    receiver.keep_waiting();
    house.cross().await;
    let environment = [
        ("CANOPY__WEBHOOKS__ALLOW_HTTP", "true"),
        ("CANOPY__WEBHOOKS__ALLOW_NETWORKS", "127.0.0.0/8"),
    ];
    let process = Process::serve_with(&house.app.database, &environment).await;
    let first = receiver.next().await;
    process.kill().await;
    let deliveries = house.deliveries().await;
    assert_eq!(
        (&deliveries[0]["status"], &deliveries[0]["attemptCount"]),
        (&"PENDING".into(), &0.into())
    );
    assert_eq!(
        house.send().await,
        [],
        "the one that was killed may still be at it"
    );

    house.wait().await;
    assert_eq!(house.send().await, [Outcome::Delivered]);
    let second = receiver.next().await;
    assert_eq!(first.header("webhook-id"), second.header("webhook-id"));
    assert_eq!(first.body, second.body);
    assert_eq!((first.signed_with(&secret), second.signed_with(&secret)), (1, 1));
    assert_eq!(house.deliveries().await[0]["attemptCount"], 1);
    assert_eq!(house.send().await, []);
}
