//! `LimitExplanation`.

use async_graphql::Object;
use canopy_domain::limits;

use super::limit_step::LimitStep;

/// How a limit came about.
pub(crate) struct LimitExplanation(Vec<limits::LimitStep>);

impl From<Vec<limits::LimitStep>> for LimitExplanation {
    fn from(steps: Vec<limits::LimitStep>) -> Self {
        Self(steps)
    }
}

/// How the limit of one resource came about: all bounds on the path narrow each other.
#[Object]
impl LimitExplanation {
    /// The bounds on the path, from the top of the tree down: those of accounts in the caller's scope, and the one
    /// that decides.
    async fn steps(&self) -> Vec<LimitStep> {
        self.0.iter().cloned().map(LimitStep::from).collect()
    }
}
