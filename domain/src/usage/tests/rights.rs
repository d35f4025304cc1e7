//! Who may record usage.

use canopy_entity::{Level, PermissionKey, permission_level};
use sea_orm::IntoActiveModel;

use super::*;
use crate::Error;

#[tokio::test]
async fn what_may_be_done_in_an_account_counts_as_of_now() {
    let house = house().await.with_prices().await;
    house.grant(&house.agency, "100").await;
    let of_inner = |key| NewUsageEvent {
        account_id: Some(house.inner.id.clone()),
        ..event(key, "1")
    };
    let outcomes = house.record(&house.agency, vec![of_inner("a")]).await;
    accepted(&outcomes[0]);

    let restricted = permission_level::Model {
        account_id: house.client.id.clone(),
        key: PermissionKey::Usage,
        level: Level::None,
        updated_at: time::now(),
    };
    let restricted = permission_level::Entity::insert(restricted.into_active_model());
    restricted
        .exec_without_returning(&house.database.db)
        .await
        .unwrap();
    let outcomes = house.record(&house.agency, vec![of_inner("b")]).await;
    assert!(
        matches!(outcomes[0], EventOutcome::Refused(Error::Forbidden(_))),
        "{outcomes:?}"
    );
}
