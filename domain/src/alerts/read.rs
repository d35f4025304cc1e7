//! Reading alerts and when they were crossed.

use canopy_entity::{AccountId, Level, PermissionKey, UsageAlertId, usage_alert, usage_alert_crossing};
use sea_orm::sea_query::Condition;

use crate::page::{List, Pages};
use crate::{AccountView, Actor, Domain, PageArgs, Result};

impl Domain {
    /// A page of the alerts on the usage of each account. An account without `USAGE` FULL is missing from the answer.
    pub async fn usage_alerts(
        &self,
        _actor: &Actor,
        accounts: &[AccountView],
        page: &PageArgs,
    ) -> Result<Pages<AccountId, usage_alert::Model>> {
        let accounts: Vec<AccountId> = accounts
            .iter()
            .filter(|account| account.access().allows(PermissionKey::Usage, Level::Full))
            .map(|account| account.id().clone())
            .collect();
        let alerts = List::<usage_alert::Entity> {
            parent: usage_alert::Column::AccountId,
            id: usage_alert::Column::Id,
            condition: Condition::all(),
        };
        alerts.pages(&self.0.db, &accounts, page).await
    }

    /// A page of the crossings of each alert, which whoever holds the alert may see.
    pub async fn usage_alert_crossings(
        &self,
        _actor: &Actor,
        alerts: &[usage_alert::Model],
        page: &PageArgs,
    ) -> Result<Pages<UsageAlertId, usage_alert_crossing::Model>> {
        let alerts: Vec<UsageAlertId> = alerts.iter().map(|alert| alert.id.clone()).collect();
        let crossings = List::<usage_alert_crossing::Entity> {
            parent: usage_alert_crossing::Column::AlertId,
            id: usage_alert_crossing::Column::Id,
            condition: Condition::all(),
        };
        crossings.pages(&self.0.db, &alerts, page).await
    }
}
