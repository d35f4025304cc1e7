//! `UsageQuote`.

use async_graphql::{Context, ID, Object};
use canopy_domain::{Result, usage};

use super::money::Money;
use super::rule_version::RuleVersion;
use crate::scalars::DateTime;

/// A quote.
pub(crate) struct UsageQuote(usage::UsageQuote);

impl From<usage::UsageQuote> for UsageQuote {
    fn from(quote: usage::UsageQuote) -> Self {
        Self(quote)
    }
}

/// What usage would cost now. It reserves nothing and binds nobody: `holdUsage` does.
#[Object]
impl UsageQuote {
    /// What the account would pay for all of it.
    async fn price(&self) -> Money {
        self.0.price.clone().into()
    }

    /// Id of the rule version that priced it for the account; null if the seller passes its cost through, or if the caller
    /// may not see the rule.
    async fn rule_version(&self, ctx: &Context<'_>) -> Option<Result<ID>> {
        RuleVersion::visible_id(ctx, self.0.rule_version_id.as_ref()).await
    }

    /// SHA-256 of the rule's wasm, in hexadecimal.
    async fn rule_digest(&self) -> Option<&str> {
        self.0.rule_digest.as_deref()
    }

    /// When it was made.
    async fn quoted_at(&self) -> DateTime {
        self.0.quoted_at.into()
    }

    /// Until when a hold that is made now could last.
    async fn holdable_until(&self) -> DateTime {
        self.0.holdable_until.into()
    }

    /// Give it as `quote` to `holdUsage`, which then holds at this price by this rule version or not at all.
    async fn token(&self) -> &str {
        &self.0.token
    }
}
