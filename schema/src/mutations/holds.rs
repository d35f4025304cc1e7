//! `quoteUsage`, `holdUsage`, `settleHold` and `voidHold`.

use std::time::Duration;

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use canopy_domain::Result;
use canopy_domain::usage::{HoldUsage, MeteredUse};

use super::parse_id;
use crate::authorization::gates;
use crate::errors::refuse;
use crate::scalars::{Decimal, Json};
use crate::types::usage_event::UsageEvent;
use crate::types::usage_hold::UsageHold;
use crate::types::usage_quote::UsageQuote;
use crate::types::user_error::UserError;

/// A part of `Mutation`.
#[derive(Default)]
pub(super) struct HoldMutations;

#[Object]
impl HoldMutations {
    /// Says what usage would cost the account now. It changes nothing; it is a mutation since the sellers' rules are
    /// really asked. Needs USAGE FULL.
    async fn quote_usage(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of which usage.")] input: QuoteUsageInput,
    ) -> Option<Result<QuoteUsagePayload>> {
        let payload = async {
            let caller = gates::QUOTE_USAGE.caller(ctx)?;
            let usage = metered(&input.account_id, input.meter, input.quantity, input.attributes)?;
            let (quote, user_errors) = refuse(caller.domain().quote_usage(caller.actor(), usage).await)?;
            Ok(QuoteUsagePayload {
                quote: quote.map(UsageQuote::from),
                user_errors,
            })
        };
        Some(payload.await)
    }

    /// Reserves the credits for usage to come: of the account, and of all above it that would pay for it. Needs USAGE
    /// FULL. LIMIT_EXCEEDED, and nothing is held, where one of them does not have enough. What is held nobody else can
    /// spend, until the hold is settled, voided, or expires. The same key with another input is a CONFLICT.
    async fn hold_usage(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "For which usage, and for how long.")] input: HoldUsageInput,
    ) -> Option<Result<HoldUsagePayload>> {
        let payload = async {
            let caller = gates::HOLD_USAGE.caller(ctx)?;
            let hold = HoldUsage {
                usage: metered(&input.account_id, input.meter, input.quantity, input.attributes)?,
                idempotency_key: input.idempotency_key,
                // No time at all is refused, and so is less than that.
                expires_in: input
                    .expires_in
                    .map(|seconds| Duration::from_secs(seconds.max(0).unsigned_abs().into())),
                quote: input.quote,
            };
            let (held, user_errors) = refuse(caller.domain().hold_usage(caller.actor(), hold).await)?;
            Ok(HoldUsagePayload {
                replayed: held.as_ref().is_some_and(|held| held.replayed),
                hold: held.map(|held| held.value.into()),
                user_errors,
            })
        };
        Some(payload.await)
    }

    /// Charges what was used of a hold, at the price that was quoted and by the same rule versions, as one usage event;
    /// what it does not cost goes back. Needs USAGE FULL at the hold's account. Settling again with the same quantity
    /// answers the same event; with another, or after the hold was voided or has expired, it is a CONFLICT.
    async fn settle_hold(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which hold, and how much.")] input: SettleHoldInput,
    ) -> Option<Result<SettleHoldPayload>> {
        let payload = async {
            let caller = gates::SETTLE_HOLD.caller(ctx)?;
            let id = parse_id(&input.hold_id, "usage hold")?;
            let settled = caller
                .domain()
                .settle_hold(caller.actor(), &id, input.quantity.0)
                .await;
            let (settled, user_errors) = refuse(settled)?;
            let replayed = settled.as_ref().is_some_and(|settled| settled.replayed);
            let (hold, event) = match settled {
                Some(settled) => (Some(settled.value.hold.into()), Some(settled.value.event.into())),
                None => (None, None),
            };
            Ok(SettleHoldPayload {
                hold,
                event,
                replayed,
                user_errors,
            })
        };
        Some(payload.await)
    }

    /// Gives back all that is held. Needs USAGE FULL at the hold's account. A hold that was voided before, or has expired,
    /// is answered as it is; one that was settled is a CONFLICT: correct its event.
    async fn void_hold(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which hold.")] input: VoidHoldInput,
    ) -> Option<Result<VoidHoldPayload>> {
        let payload = async {
            let caller = gates::VOID_HOLD.caller(ctx)?;
            let id = parse_id(&input.hold_id, "usage hold")?;
            let (voided, user_errors) = refuse(caller.domain().void_hold(caller.actor(), &id).await)?;
            Ok(VoidHoldPayload {
                replayed: voided.as_ref().is_some_and(|voided| voided.replayed),
                hold: voided.map(|voided| voided.value.into()),
                user_errors,
            })
        };
        Some(payload.await)
    }
}

fn metered(account: &ID, meter: String, quantity: Decimal, attributes: Option<Json>) -> Result<MeteredUse> {
    Ok(MeteredUse {
        account_id: parse_id(account, "account")?,
        meter,
        quantity: quantity.0,
        attributes: attributes.map_or(serde_json::Value::Null, |json| json.0),
    })
}

/// Usage to quote.
#[derive(InputObject)]
struct QuoteUsageInput {
    /// Id of the account that would use it. NOT_FOUND if it is out of scope.
    account_id: ID,
    /// What is measured: 1 to 64 of a-z, 0-9, "_" and ".".
    meter: String,
    /// How much, in the meter's own unit; not negative.
    quantity: Decimal,
    /// What the rules are told beside it: an object of at most 4096 bytes. Empty if not given.
    attributes: Option<Json>,
}

/// What quoting came to.
#[derive(SimpleObject)]
struct QuoteUsagePayload {
    /// The quote; null if there is none.
    quote: Option<UsageQuote>,
    /// Why there is none; empty if there is one.
    user_errors: Vec<UserError>,
}

/// A hold to make.
#[derive(InputObject)]
struct HoldUsageInput {
    /// Id of the account that will use it. NOT_FOUND if it is out of scope.
    account_id: ID,
    /// The key under which the hold is made once, among the account's holds.
    idempotency_key: String,
    /// What will be measured: 1 to 64 of a-z, 0-9, "_" and ".".
    meter: String,
    /// How much at most, in the meter's own unit; not negative.
    quantity: Decimal,
    /// What the rules are told beside it: an object of at most 4096 bytes. Empty if not given.
    attributes: Option<Json>,
    /// For how long, in seconds. By default 15 minutes, and at most 7 days, as the server is configured.
    expires_in: Option<i32>,
    /// The token of a quote of the same usage: CONFLICT if the price, or the rule version that makes it, is another by now.
    quote: Option<String>,
}

/// What holding came to.
#[derive(SimpleObject)]
struct HoldUsagePayload {
    /// The hold; null if refused.
    hold: Option<UsageHold>,
    /// True if the same input with the same key had been answered before; the hold is as it stands now.
    replayed: bool,
    /// Why it was refused; empty if it was not.
    user_errors: Vec<UserError>,
}

/// A hold to settle.
#[derive(InputObject)]
struct SettleHoldInput {
    /// Id of the hold. NOT_FOUND if the caller may not see it.
    hold_id: ID,
    /// How much was used, at most what is held. Zero is a use of nothing, at the price of nothing.
    quantity: Decimal,
}

/// What settling came to.
#[derive(SimpleObject)]
struct SettleHoldPayload {
    /// The hold, settled; null if refused.
    hold: Option<UsageHold>,
    /// What was charged; null if refused.
    event: Option<UsageEvent>,
    /// True if it had been settled with this quantity before; nothing was charged again.
    replayed: bool,
    /// Why it was refused; empty if it was not.
    user_errors: Vec<UserError>,
}

/// A hold to void.
#[derive(InputObject)]
struct VoidHoldInput {
    /// Id of the hold. NOT_FOUND if the caller may not see it.
    hold_id: ID,
}

/// What voiding came to.
#[derive(SimpleObject)]
struct VoidHoldPayload {
    /// The hold, of which nothing is held any more; null if refused.
    hold: Option<UsageHold>,
    /// True if it had ended before.
    replayed: bool,
    /// Why it was refused; empty if it was not.
    user_errors: Vec<UserError>,
}
