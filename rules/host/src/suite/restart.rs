//! A rule as it is after a restart: its artifact, loaded anew by an engine of its
//! own. Knows nothing of what it is asked.

use std::sync::Arc;
use std::time::Duration;

use crate::call::{Question, Reply};
use crate::engine::{self, Clock};
use crate::error::RuleError;
use crate::lane::Lanes;
use crate::rule::LoadedRule;
use crate::settings::ClassSettings;

pub(crate) struct Restarted {
    lanes: Arc<Lanes>,
    rule: LoadedRule,
}

impl Restarted {
    /// Loads the rule again. Blocks.
    pub(crate) fn new(rule: &LoadedRule, class: &ClassSettings, wait: Duration) -> Result<Self, RuleError> {
        let class = ClassSettings {
            places: 1,
            ..class.clone()
        };
        let engine = engine::running(&class).map_err(|error| RuleError::unavailable(format!("{error:#}")))?;
        let clock = Clock::start(&engine).map_err(RuleError::unavailable)?;
        Ok(Self {
            rule: rule.reloaded(&engine)?,
            lanes: Arc::new(Lanes::new(class, clock, 1, wait)),
        })
    }

    pub(super) async fn ask<Q: Question>(&self, question: Q) -> Result<Reply<Q::Answer>, RuleError> {
        self.lanes.ask(&self.rule, question).await
    }
}
