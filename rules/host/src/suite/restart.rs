//! A rule as it is after a restart: its artifact, loaded anew by an engine of its
//! own. Knows nothing of what it is asked.

use crate::call::{Question, Ran};
use crate::error::RuleError;
use crate::pool::Pool;
use crate::rule::LoadedRule;

pub(crate) struct Restarted {
    pool: Pool,
    rule: LoadedRule,
}

impl Restarted {
    /// Loads the rule again, in a pool like this one. Blocks.
    pub(crate) fn new(rule: &LoadedRule, pool: &Pool) -> Result<Self, RuleError> {
        let pool = pool.another().map_err(RuleError::unavailable)?;
        Ok(Self {
            rule: rule.reloaded(&pool)?,
            pool,
        })
    }

    pub(super) async fn ask<Q: Question>(&self, question: Q) -> Ran<Q::Answer> {
        self.pool.lanes.ask(&self.rule, question).await
    }
}
