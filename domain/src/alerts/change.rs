//! Making, changing and deleting alerts.

use canopy_entity::time::{self, Timestamp};
use canopy_entity::usage_alert::{self, AlertPeriod};
use canopy_entity::{AccountId, Level, PermissionKey, UsageAlertId, usage_alert_crossing};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
};
use serde_json::json;

use super::announce;
use super::watch::Reached;
use crate::idempotency::{Claim, Replayable};
use crate::pricing::Facts;
use crate::transaction::{self, work};
use crate::usage::{bucket, is_meter, sums_now};
use crate::{AccountView, Actor, Domain, Error, Micros, Result, accounts, audit};

/// So many alerts an account may have.
pub const MAX_ALERTS: u64 = 100;
/// The longest name, in characters.
const MAX_NAME: usize = 120;

/// From how much on an alert is told: more than nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Threshold {
    /// So much of the meter.
    Quantity(Micros),
    /// So much money, in the account's currency.
    Amount(Micros),
}

impl Threshold {
    /// As it is stored: the quantity and the amount, of which there is one.
    fn columns(self) -> (Option<i64>, Option<i64>) {
        match self {
            Self::Quantity(quantity) => (Some(quantity.get()), None),
            Self::Amount(amount) => (None, Some(amount.get())),
        }
    }

    fn check(self) -> Result<()> {
        let (Self::Quantity(threshold) | Self::Amount(threshold)) = self;
        if threshold > Micros::ZERO {
            return Ok(());
        }
        Err(Error::bad_input(
            &["threshold"],
            "A threshold is more than nothing.",
        ))
    }
}

/// An alert to make.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct NewUsageAlert {
    /// Whose usage.
    pub account_id: AccountId,
    /// What people call it.
    pub name: String,
    /// Of what.
    pub meter: String,
    /// Within what.
    pub period: AlertPeriod,
    /// Whether the usage of everything below counts, too.
    pub include_descendants: bool,
    /// How much.
    pub threshold: Threshold,
}

/// What to change of an alert; what is none stays.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct ChangeUsageAlert {
    /// Which.
    pub id: UsageAlertId,
    /// What people call it.
    pub name: Option<String>,
    /// How much.
    pub threshold: Option<Threshold>,
}

impl Domain {
    /// Makes an alert. Needs `USAGE` and `SETTINGS` FULL at the account. One whose threshold was reached in the present
    /// period already is told at once.
    pub async fn create_usage_alert(
        &self,
        actor: &Actor,
        new: NewUsageAlert,
        idempotency_key: Option<&str>,
    ) -> Result<Replayable<usage_alert::Model>> {
        let account = &self.account(actor, &new.account_id).await?;
        require(account)?;
        let claim = &Claim::new(actor, "createUsageAlert", idempotency_key, &new)?;
        account.require_active(&["accountId"])?;
        let row = &row_of(actor, account, &new)?;
        let outcome = transaction::run(&self.0.writer, "create-usage-alert", |txn| {
            work(async move {
                if let Some(row) = claim.find(txn).await? {
                    return Ok(Replayable::replayed(row));
                }
                accounts::lock(txn, account.id()).await?;
                require_room(txn, account).await?;
                usage_alert::Entity::insert(row.clone().into_active_model())
                    .exec_without_returning(txn)
                    .await?;
                announce_if_reached(txn, account, row, row.created_at).await?;
                log(txn, actor, account, "usage_alert.create", row).await?;
                claim.store(txn, row).await?;
                Ok(Replayable::fresh(row.clone()))
            })
        })
        .await?;
        self.0.hub.written();
        Ok(outcome)
    }

    /// Changes an alert's name or threshold. Needs `USAGE` and `SETTINGS` FULL at its account. A new threshold is told in
    /// the present period, too, if it is crossed or was reached, whether the old one was told or not.
    pub async fn update_usage_alert(
        &self,
        actor: &Actor,
        change: ChangeUsageAlert,
        idempotency_key: Option<&str>,
    ) -> Result<Replayable<usage_alert::Model>> {
        let account = &self.account_of_alert(actor, &change.id).await?;
        let claim = &Claim::new(actor, "updateUsageAlert", idempotency_key, &change)?;
        account.require_active(&["id"])?;
        change.name.as_deref().map(name).transpose()?;
        change.threshold.map(Threshold::check).transpose()?;
        let change = &change;
        let outcome = transaction::run(&self.0.writer, "update-usage-alert", |txn| {
            work(async move {
                if let Some(row) = claim.find(txn).await? {
                    return Ok(Replayable::replayed(row));
                }
                // Changes of one account's alerts follow each other; usage waits for none of them but at the terms.
                accounts::lock(txn, account.id()).await?;
                let before = by_id(txn, &change.id).await?;
                let now = time::now();
                let row = changed(&before, change, now)?;
                usage_alert::Entity::update(row.clone().into_active_model().reset_all())
                    .exec(txn)
                    .await?;
                if row.revision != before.revision {
                    announce_if_reached(txn, account, &row, now).await?;
                }
                log(txn, actor, account, "usage_alert.update", &row).await?;
                claim.store(txn, &row).await?;
                Ok(Replayable::fresh(row))
            })
        })
        .await?;
        self.0.hub.written();
        Ok(outcome)
    }

    /// Deletes an alert and the record of when it was crossed; news of that stay. Needs `USAGE` and `SETTINGS` FULL at its
    /// account. Answers what it was.
    pub async fn delete_usage_alert(
        &self,
        actor: &Actor,
        id: &UsageAlertId,
        idempotency_key: Option<&str>,
    ) -> Result<Replayable<usage_alert::Model>> {
        let claim = &Claim::new(actor, "deleteUsageAlert", idempotency_key, id)?;
        let account = self.account_of_alert(actor, id).await;
        // Behind the alert, which is missing if this was done before.
        if let Some(row) = claim.find(&self.0.db).await? {
            return Ok(Replayable::replayed(row));
        }
        let account = &account?;
        transaction::run(&self.0.writer, "delete-usage-alert", |txn| {
            work(async move {
                // Before the claim: whoever waits here for the same deletion finds that it was done, and not that nothing is there.
                accounts::lock(txn, account.id()).await?;
                if let Some(row) = claim.find(txn).await? {
                    return Ok(Replayable::replayed(row));
                }
                let row = by_id(txn, id).await?;
                usage_alert::Entity::delete_by_id(id.clone()).exec(txn).await?;
                // Behind the alert, for whose change whoever records usage is waited for.
                usage_alert_crossing::Entity::delete_many()
                    .filter(usage_alert_crossing::Column::AlertId.eq(id.clone()))
                    .exec(txn)
                    .await?;
                log(txn, actor, account, "usage_alert.delete", &row).await?;
                claim.store(txn, &row).await?;
                Ok(Replayable::fresh(row))
            })
        })
        .await
    }

    /// The account of an alert that the actor may change.
    async fn account_of_alert(&self, actor: &Actor, id: &UsageAlertId) -> Result<AccountView> {
        let missing = Error::NotFound("usage alert");
        let alert = by_id(&self.0.db, id).await?;
        let account = self
            .account(actor, &alert.account_id)
            .await
            .map_err(|error| match error {
                Error::NotFound(_) => missing,
                other => other,
            })?;
        require(&account)?;
        Ok(account)
    }
}

/// `Error::Forbidden` unless the holder of the view may change the account's alerts: whoever may only see or report usage,
/// as the keys of producers do, has no say in what others are told.
fn require(account: &AccountView) -> Result<()> {
    account.access().require(PermissionKey::Usage, Level::Full)?;
    account.access().require(PermissionKey::Settings, Level::Full)
}

async fn by_id(db: &impl ConnectionTrait, id: &UsageAlertId) -> Result<usage_alert::Model> {
    let alert = usage_alert::Entity::find_by_id(id.clone()).one(db).await?;
    alert.ok_or(Error::NotFound("usage alert"))
}

fn row_of(actor: &Actor, account: &AccountView, new: &NewUsageAlert) -> Result<usage_alert::Model> {
    if !is_meter(&new.meter) {
        return Err(Error::bad_input(
            &["meter"],
            "A meter has 1 to 64 of a-z, 0-9, _ and a dot.",
        ));
    }
    new.threshold.check()?;
    let (quantity, amount) = new.threshold.columns();
    let now = time::now();
    Ok(usage_alert::Model {
        id: UsageAlertId::new(),
        account_id: new.account_id.clone(),
        name: name(&new.name)?,
        meter: new.meter.clone(),
        period: new.period,
        include_descendants: new.include_descendants,
        quantity,
        amount,
        currency: account.row().currency.clone(),
        revision: 1,
        created_by: actor.label(),
        created_at: now,
        updated_at: now,
    })
}

fn changed(
    before: &usage_alert::Model,
    change: &ChangeUsageAlert,
    now: Timestamp,
) -> Result<usage_alert::Model> {
    let mut row = before.clone();
    if let Some(text) = &change.name {
        row.name = name(text)?;
    }
    if let Some(threshold) = change.threshold {
        (row.quantity, row.amount) = threshold.columns();
    }
    if (row.quantity, row.amount) != (before.quantity, before.amount) {
        row.revision += 1;
    }
    row.updated_at = now;
    Ok(row)
}

/// The name without the space around it.
fn name(text: &str) -> Result<String> {
    let name = text.trim();
    if (1..=MAX_NAME).contains(&name.chars().count()) && !name.chars().any(char::is_control) {
        return Ok(name.to_owned());
    }
    let message = format!("A name has 1 to {MAX_NAME} characters.");
    Err(Error::bad_input(&["name"], message))
}

/// `Error::LimitExceeded` if the account, which is locked, has as many alerts as it may.
async fn require_room(txn: &impl ConnectionTrait, account: &AccountView) -> Result<()> {
    let used = usage_alert::Entity::find()
        .filter(usage_alert::Column::AccountId.eq(account.id().clone()))
        .count(txn)
        .await?;
    if used < MAX_ALERTS {
        return Ok(());
    }
    Err(Error::LimitExceeded {
        resource: "usageAlerts".to_owned(),
        message: format!("An account has at most {MAX_ALERTS} alerts; delete one to make another."),
    })
}

/// Tells of an alert, which was just written, if the present period has reached its threshold. Its row has changed the
/// terms of the tree, so that no usage is recorded until the transaction ends and the sum is what it is.
async fn announce_if_reached(
    txn: &impl ConnectionTrait,
    account: &AccountView,
    alert: &usage_alert::Model,
    now: Timestamp,
) -> Result<()> {
    let granularity = alert.period.granularity();
    let present = (
        account.id(),
        granularity,
        bucket::start_of(granularity, now),
        alert.meter.as_str(),
    );
    let sums = sums_now(txn, std::iter::once(present)).await?;
    let Some(sums) = sums.first() else { return Ok(()) };
    let facts = Facts::read(txn, [account.path()]).await?;
    let reached = Reached::by(&facts, alert, sums, now);
    announce(txn, reached.into_iter().collect()).await
}

async fn log(
    txn: &impl ConnectionTrait,
    actor: &Actor,
    account: &AccountView,
    action: &'static str,
    alert: &usage_alert::Model,
) -> Result<()> {
    let entry = audit::Entry {
        account_id: account.id(),
        path: account.path(),
        action,
        target: alert.id.as_str(),
        detail: json!({
            "name": alert.name, "meter": alert.meter, "period": alert.period,
            "includeDescendants": alert.include_descendants, "quantity": alert.quantity, "amount": alert.amount,
        }),
    };
    audit::write(txn, actor, entry).await
}
