//! `RatingExplanation`.

use async_graphql::Object;
use canopy_domain::receipts;

use super::price_step::PriceStep;

/// How a price came about.
pub(crate) struct RatingExplanation(Vec<receipts::PriceStep>);

impl From<Vec<receipts::PriceStep>> for RatingExplanation {
    fn from(steps: Vec<receipts::PriceStep>) -> Self {
        Self(steps)
    }
}

/// How the price of one usage event came about, seller by seller.
#[Object]
impl RatingExplanation {
    /// What each seller of the chain charged its buyer, from the top of the tree down, as far as the buyers are in
    /// the caller's scope.
    async fn steps(&self) -> Vec<PriceStep> {
        self.0.iter().cloned().map(PriceStep::from).collect()
    }
}
