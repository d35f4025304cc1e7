//! Nothing is sent but to the public Internet and by https, unless the operator says so.

use canopy_domain::webhooks::Outcome;

use super::receiver::Receiver;
use super::{configured, endpoint, house_with};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_private_network_is_reached() {
    let receiver = Receiver::start().await;
    let mut config = configured();
    config.allow_networks = Vec::new();
    let house = house_with(config).await;
    for url in [
        receiver.url(),
        "http://[::1]/".to_owned(),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        "http://2130706433/".to_owned(),
    ] {
        let refused = house
            .app
            .create_endpoint(&house.owner, endpoint(&house.client, &url))
            .await;
        assert_eq!(refused.user_error(), "BAD_USER_INPUT", "{url}");
    }
    // A name is looked up when a message is sent; what it leads to is not connected to.
    let name = format!("http://localhost:{}/hook", receiver.address.port());
    let (id, _) = house.endpoint(&name).await;
    house.cross().await;
    assert_eq!(house.send().await, [Outcome::Later]);
    let attempt = house.deliveries().await[0]["attempts"][0].clone();
    assert_eq!(
        attempt["error"],
        "The host has no address on the public Internet."
    );
    // Nor is an address that came into the database by another way.
    let forged = format!(
        "UPDATE webhook_endpoints SET url = '{}' WHERE id = '{id}'",
        receiver.url()
    );
    house.app.tamper(&forged).await.unwrap();
    house.wait().await;
    assert_eq!(house.send().await, [Outcome::Later]);
    assert_eq!(receiver.received().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tls_nothing_is_sent_unless_the_operator_says_so() {
    let receiver = Receiver::start().await;
    let mut config = configured();
    config.allow_http = false;
    let house = house_with(config).await;
    let refused = house
        .app
        .create_endpoint(&house.owner, endpoint(&house.client, &receiver.url()))
        .await;
    assert_eq!(refused.user_error(), "BAD_USER_INPUT");
    let https = format!("https://{}/hook", receiver.address);
    house.endpoint(&https).await;
    house.cross().await;
    assert_eq!(house.send().await, [Outcome::Later], "the endpoint speaks no TLS");
    assert_eq!(receiver.received().len(), 0);
}
