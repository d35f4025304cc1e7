//! `Rating`.

use async_graphql::{Context, ID, Object};
use canopy_domain::entity::rating;
use canopy_domain::rules::RuleVersionView;
use canopy_domain::{Error, Result};

use super::line_item::LineItem;
use super::money::Money;
use super::rating_explanation::RatingExplanation;
use super::rule_version::RuleVersion;
use crate::loaders::reads;
use crate::nullable::nullable;
use crate::scalars::{DateTime, int};
use crate::session::Session;

/// What one seller charged one buyer.
pub(crate) struct Rating(rating::Model);

impl From<rating::Model> for Rating {
    fn from(row: rating::Model) -> Self {
        Self(row)
    }
}

impl Rating {
    /// The rule that priced it, if the caller may see it.
    async fn rule(&self, ctx: &Context<'_>) -> Result<Option<RuleVersionView>> {
        let Some(id) = self.0.rule_version_id.clone() else {
            return Ok(None);
        };
        let loaders = &Session::caller(ctx)?.loaders;
        loaders.load(reads::RuleVersionsById, id).await
    }

    /// What only those see who see the seller too: a seller's cost and margin are nobody's business below it.
    async fn for_seller<T>(&self, ctx: &Context<'_>, value: impl FnOnce() -> Result<T>) -> Result<Option<T>> {
        let seller = self.0.seller_account_id.clone();
        match Session::caller(ctx)?
            .loaders
            .load(reads::Accounts, seller)
            .await?
        {
            Some(_in_scope) => value().map(Some),
            None => Ok(None),
        }
    }
}

/// What one seller of the chain charged its buyer for one usage event, with its receipt. It never changes.
#[Object]
impl Rating {
    /// The id, with the prefix `rat_`.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// Id of the account that sold; null if it is out of the caller's scope.
    async fn seller(&self, ctx: &Context<'_>) -> Option<Result<ID>> {
        nullable(self.for_seller(ctx, || Ok(ID(self.0.seller_account_id.to_string())))).await
    }

    /// Id of the account that bought, a direct child of the seller.
    async fn buyer(&self) -> ID {
        ID(self.0.buyer_account_id.to_string())
    }

    /// What the buyer pays; negative if a rating is taken back.
    async fn price(&self) -> Result<Money> {
        Money::of_micros(self.0.price, &self.0.currency)
    }

    /// What the seller itself paid to its own seller; zero at the top of the tree. Null unless the seller is
    /// in the caller's scope.
    async fn cost(&self, ctx: &Context<'_>) -> Option<Result<Money>> {
        nullable(self.for_seller(ctx, || Money::of_micros(self.0.cost, &self.0.currency))).await
    }

    /// The price less the cost. Null unless the seller is in the caller's scope.
    async fn margin(&self, ctx: &Context<'_>) -> Option<Result<Money>> {
        let margin = self.0.price - self.0.cost;
        nullable(self.for_seller(ctx, || Money::of_micros(margin, &self.0.currency))).await
    }

    /// Id of the rule version that priced it; null if the seller had no rule and passed its cost through, or if
    /// the caller may not see the rule.
    async fn rule_version(&self, ctx: &Context<'_>) -> Option<Result<ID>> {
        RuleVersion::visible_id(ctx, self.0.rule_version_id.as_ref()).await
    }

    /// Name of that rule; null if the caller may not see the rule.
    async fn rule_name(&self, ctx: &Context<'_>) -> Option<Result<String>> {
        nullable(async { Ok(self.rule(ctx).await?.map(|rule| rule.row.name)) }).await
    }

    /// SHA-256 of the rule's wasm, in hexadecimal. Buyers see it too, as evidence: it stays the same as long as the
    /// seller's code does.
    async fn rule_digest(&self) -> Option<&str> {
        self.0.rule_digest.as_deref()
    }

    /// SHA-256 of what the rule was given, in hexadecimal.
    async fn input_digest(&self) -> Option<&str> {
        self.0.input_digest.as_deref()
    }

    /// SHA-256 of what the rule answered, in hexadecimal. Null unless the seller is in the caller's scope: whoever
    /// knows the price could find the line items, and so the seller's cost, by trying.
    async fn output_digest(&self, ctx: &Context<'_>) -> Option<Result<String>> {
        let digest = self.0.output_digest.clone()?;
        nullable(self.for_seller(ctx, || Ok(digest))).await
    }

    /// What ran the rule, with its version.
    async fn engine(&self) -> Option<&str> {
        self.0.engine.as_deref()
    }

    /// The work of the rule, in wasm instructions; the same input takes the same. 2147483647 stands for more,
    /// too.
    async fn fuel(&self) -> Option<i32> {
        self.0.fuel.map(|fuel| int(fuel.unsigned_abs()))
    }

    /// How the price came about, in the rule's own words. Null unless the seller is in the caller's scope,
    /// since the items may name the seller's cost.
    async fn line_items(&self, ctx: &Context<'_>) -> Option<Result<Vec<LineItem>>> {
        let items = self.for_seller(ctx, || {
            LineItem::list(&self.0.line_items, &self.0.currency).map_err(Error::internal)
        });
        nullable(items).await
    }

    /// Id of the rating that it takes back, with the opposite price and cost, since the event was corrected. Null if it
    /// charges for something.
    async fn reverses(&self) -> Option<ID> {
        self.0.reverses_id.as_ref().map(|id| ID(id.to_string()))
    }

    /// When it was rated.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// How the price came about: the chain of sellers with their receipts, each of which is run again. Of all that
    /// one request asks for, at most 300 are.
    #[graphql(complexity = "10 + child_complexity")]
    async fn explain(&self, ctx: &Context<'_>) -> Option<Result<RatingExplanation>> {
        let steps = async {
            let loaders = &Session::caller(ctx)?.loaders;
            loaders.load(reads::Explanations, self.0.clone()).await
        };
        nullable(steps).await
    }
}
