//! Reads that are planned: a query that was valid before is answered without async-graphql.
//!
//! A document is compiled once to a query plan (not to be mistaken for a [plan](crate::types::plan), which an account
//! has): a tree of what is selected, with fragments, aliases and directives seen through. A request binds its variables
//! to the plan, gathers level by level what it needs, and writes the answer straight to JSON. What a plan cannot serve,
//! and whatever is odd about a request, goes through async-graphql with the same answer: a test runs both beside each
//! other. Gates, arguments and texts are decided by the functions that resolvers call.

mod bind;
mod cache;
mod compile;
mod describe;
mod gather;
mod plan;
mod switches;
mod write;

use async_graphql::Variables;
use canopy_domain::entity::time;
use canopy_domain::{Actor, Domain};

use crate::Document;
use crate::shape::Shape;
use cache::{PlanKey, Plans};
use compile::{Source, compile};
use gather::Gatherer;
pub(crate) use switches::switches;
pub(crate) use write::Written;

/// Answers queries by plans, and keeps these.
pub(crate) struct PlannedReads(Plans);

impl PlannedReads {
    /// Keeps at most so many bytes of plans.
    pub(crate) fn new(kept_bytes: usize) -> Self {
        Self(Plans::new(kept_bytes))
    }

    /// The answer to `actor`; none if the request is one for async-graphql.
    pub(crate) async fn answer(
        &self,
        shape: &Shape,
        domain: &Domain,
        actor: &Actor,
        ask: &PlannedAsk<'_>,
    ) -> Option<Written> {
        let outcome = self.outcome(shape, ask)?;
        let plan = outcome.as_ref().as_ref().ok()?;
        let now = time::now();
        let bound = &plan.arguments.bind(ask.variables, || now)?;
        let gatherer = Gatherer { domain, actor, bound };
        let gathered = gatherer.gather(plan).await;
        Some(write::write(plan, bound, actor, &gathered))
    }

    /// The plan of what is asked, or why there is none. Nothing is known of a document that was not valid yet.
    fn outcome(&self, shape: &Shape, ask: &PlannedAsk<'_>) -> Option<cache::Outcome> {
        let document = ask.document;
        if !document.is_valid() {
            return None;
        }
        let operation = document.definition(ask.operation_name)?;
        let key = PlanKey::new(
            document.hash(),
            ask.operation_name,
            document.switches(),
            ask.variables,
        );
        Some(self.0.get_or_make(key, || {
            compile(Source {
                shape,
                document: document.parsed(),
                operation,
                variables: ask.variables,
            })
        }))
    }
}

/// What a request asks of a document.
pub(crate) struct PlannedAsk<'a> {
    pub(crate) document: &'a Document,
    pub(crate) operation_name: Option<&'a str>,
    pub(crate) variables: &'a Variables,
}
