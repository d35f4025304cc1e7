//! `createUsageAlert`, `updateUsageAlert` and `deleteUsageAlert`.

use async_graphql::{Context, ID, InputObject, Object, OneofObject, SimpleObject};
use canopy_domain::Result;
use canopy_domain::alerts::{ChangeUsageAlert, NewUsageAlert, Threshold};
use canopy_domain::entity::usage_alert;
use canopy_domain::idempotency::Replayable;

use super::parse_id;
use crate::authorization::gates;
use crate::errors::refuse;
use crate::scalars::Decimal;
use crate::types::alert_period::AlertPeriod;
use crate::types::usage_alert::UsageAlert;
use crate::types::user_error::UserError;

/// A part of `Mutation`.
#[derive(Default)]
pub(super) struct UsageAlertMutations;

#[Object]
impl UsageAlertMutations {
    /// Sets a threshold on the usage of an account, at most 100 for each. It is told once in each period in which it is
    /// reached (usageAlerts of Subscription, and webhooks); at once if it was reached in the present period already.
    /// Needs SETTINGS FULL and USAGE FULL at the account.
    async fn create_usage_alert(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to be told of.")] input: CreateUsageAlertInput,
    ) -> Option<Result<CreateUsageAlertPayload>> {
        let payload = async {
            let caller = gates::CREATE_USAGE_ALERT.caller(ctx)?;
            let new = NewUsageAlert {
                account_id: parse_id(&input.account_id, "account")?,
                name: input.name,
                meter: input.meter,
                period: input.period.into(),
                include_descendants: input.include_descendants,
                threshold: input.threshold.into(),
            };
            let key = input.idempotency_key.as_deref();
            Changed::of(caller.domain().create_usage_alert(caller.actor(), new, key).await)
        };
        Some(payload.await.map(Into::into))
    }

    /// Changes the name or the threshold of an alert. A new threshold is told in the present period too, if it is or was
    /// reached, whether the old one was told or not. Needs SETTINGS FULL and USAGE FULL at the account.
    async fn update_usage_alert(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change. What is not given stays.")] input: UpdateUsageAlertInput,
    ) -> Option<Result<UpdateUsageAlertPayload>> {
        let payload = async {
            let caller = gates::UPDATE_USAGE_ALERT.caller(ctx)?;
            let change = ChangeUsageAlert {
                id: parse_id(&input.id, "usage alert")?,
                name: input.name,
                threshold: input.threshold.map(Into::into),
            };
            let key = input.idempotency_key.as_deref();
            Changed::of(
                caller
                    .domain()
                    .update_usage_alert(caller.actor(), change, key)
                    .await,
            )
        };
        Some(payload.await.map(Into::into))
    }

    /// Deletes an alert, with the record of when it was reached. Needs SETTINGS FULL and USAGE FULL at the account.
    async fn delete_usage_alert(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which alert.")] input: DeleteUsageAlertInput,
    ) -> Option<Result<DeleteUsageAlertPayload>> {
        let payload = async {
            let caller = gates::DELETE_USAGE_ALERT.caller(ctx)?;
            let id = parse_id(&input.id, "usage alert")?;
            let key = input.idempotency_key.as_deref();
            Changed::of(caller.domain().delete_usage_alert(caller.actor(), &id, key).await)
        };
        Some(payload.await.map(Into::into))
    }
}

/// From how much on an alert is told, more than nothing: exactly one of these.
#[derive(OneofObject)]
enum UsageAlertThresholdInput {
    /// So much of the meter, in its own unit.
    Quantity(Decimal),
    /// What the account is charged by its own seller, in its currency; with descendants what each of them is.
    Amount(Decimal),
}

impl From<UsageAlertThresholdInput> for Threshold {
    fn from(input: UsageAlertThresholdInput) -> Self {
        match input {
            UsageAlertThresholdInput::Quantity(quantity) => Threshold::Quantity(quantity.0),
            UsageAlertThresholdInput::Amount(amount) => Threshold::Amount(amount.0),
        }
    }
}

/// An alert to make.
#[derive(InputObject)]
struct CreateUsageAlertInput {
    /// Id of the account whose usage it is about. NOT_FOUND if it is out of scope.
    account_id: ID,
    /// What people call it, 1 to 120 characters.
    name: String,
    /// What is measured: 1 to 64 of a-z, 0-9, _ and a dot.
    meter: String,
    /// What is added up, by when it occurred, in UTC.
    period: AlertPeriod,
    /// Whether the usage of all accounts below counts too.
    #[graphql(default)]
    include_descendants: bool,
    /// From how much on it is told.
    threshold: UsageAlertThresholdInput,
    /// Makes it safe to send the mutation again.
    idempotency_key: Option<String>,
}

/// What to change of an alert.
#[derive(InputObject)]
struct UpdateUsageAlertInput {
    /// Id of the alert. NOT_FOUND if its account is out of scope.
    id: ID,
    /// What people call it, 1 to 120 characters.
    name: Option<String>,
    /// From how much on it is told.
    threshold: Option<UsageAlertThresholdInput>,
    /// Makes it safe to send the mutation again.
    idempotency_key: Option<String>,
}

/// An alert to delete.
#[derive(InputObject)]
struct DeleteUsageAlertInput {
    /// Id of the alert. NOT_FOUND if its account is out of scope.
    id: ID,
    /// Makes it safe to send the mutation again.
    idempotency_key: Option<String>,
}

/// What a mutation of alerts came to.
struct Changed {
    usage_alert: Option<UsageAlert>,
    replayed: bool,
    user_errors: Vec<UserError>,
}

impl Changed {
    fn of(outcome: Result<Replayable<usage_alert::Model>>) -> Result<Self> {
        let (changed, user_errors) = refuse(outcome)?;
        Ok(Self {
            replayed: changed.as_ref().is_some_and(|changed| changed.replayed),
            usage_alert: changed.map(|changed| changed.value.into()),
            user_errors,
        })
    }
}

/// Declares the payloads.
macro_rules! payloads {
    ($($(#[$doc:meta])* $name:ident { $(#[$alert:meta])* $usage_alert:ident };)*) => {$(
        $(#[$doc])*
        #[derive(SimpleObject)]
        struct $name {
            $(#[$alert])*
            $usage_alert: Option<UsageAlert>,
            /// True if the same input with the same idempotency key had been answered before.
            replayed: bool,
            /// Why it was refused; empty if it was not.
            user_errors: Vec<UserError>,
        }

        impl From<Changed> for $name {
            fn from(changed: Changed) -> Self {
                Self {
                    $usage_alert: changed.usage_alert,
                    replayed: changed.replayed,
                    user_errors: changed.user_errors,
                }
            }
        }
    )*};
}

payloads! {
    /// What making an alert came to.
    CreateUsageAlertPayload {
        /// The new alert; null if refused.
        usage_alert
    };
    /// What changing an alert came to.
    UpdateUsageAlertPayload {
        /// The alert as it is now; null if refused.
        usage_alert
    };
    /// What deleting an alert came to.
    DeleteUsageAlertPayload {
        /// The alert as it was; null if refused.
        usage_alert
    };
}
