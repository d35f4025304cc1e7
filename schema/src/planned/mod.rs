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
mod gathered;
mod plan;
mod switches;
mod write;

use std::sync::Arc;

use async_graphql::Variables;
use async_graphql::parser::types::OperationDefinition;
use canopy_domain::entity::time;
use canopy_domain::{Actor, Domain};

use crate::Document;
use crate::documents::Documents;
use crate::types::node::is_of_account;
use cache::{PlanKey, Plans};
use compile::{Source, Unplanned, compile};
pub use describe::PlanDescription;
use gather::Gatherer;
use plan::{Named, QueryPlan};
pub(crate) use switches::switches;
pub(crate) use write::Written;

/// The query plans, made when they are asked for and kept within a bound.
pub(crate) struct PlannedReads(Plans);

/// The plan of an operation, or why there is none.
pub(crate) struct KeptPlan(Arc<Result<QueryPlan, Unplanned>>);

impl PlannedReads {
    /// Keeps at most so many bytes of plans.
    pub(crate) fn new(kept_bytes: usize) -> Self {
        Self(Plans::new(kept_bytes))
    }

    /// The plan of an operation with these variables. None of a document that was not valid yet.
    pub(crate) fn plan(
        &self,
        documents: &Documents,
        document: &Document,
        operation_name: Option<&str>,
        variables: &Variables,
    ) -> Option<KeptPlan> {
        if !document.is_valid() {
            return None;
        }
        let operation = document.definition(operation_name)?;
        let key = PlanKey::new(document.hash(), operation_name, document.switches(), variables);
        let make = || make(documents, document, operation, variables);
        let kept = self.0.get_or_make(key, make);
        Some(KeptPlan(kept))
    }
}

/// The plan of an operation with these variables, or why there is none.
fn make(
    documents: &Documents,
    document: &Document,
    operation: &OperationDefinition,
    variables: &Variables,
) -> Result<QueryPlan, Unplanned> {
    let plan = compile(Source {
        shape: documents.shape(),
        document: document.parsed(),
        operation,
        variables,
    })?;
    let points = plan
        .arguments
        .are_sizes_fixed()
        .then(|| documents.most_points(document, operation, variables));
    Ok(QueryPlan { points, ..plan })
}

/// What the plan of an operation of a valid document reads, or why there is none.
pub(crate) fn describe(
    documents: &Documents,
    document: &Document,
    operation_name: Option<&str>,
    variables: &Variables,
) -> Result<PlanDescription, String> {
    let operation = document.definition(operation_name);
    let operation = operation.ok_or("there is no such operation")?;
    let made = make(documents, document, operation, variables);
    made.map(|plan| PlanDescription::of(&plan))
        .map_err(|Unplanned(why)| why)
}

impl KeptPlan {
    /// The most points that an answer may cost, if that is the same whatever the variables are.
    pub(crate) fn points(&self) -> Option<u64> {
        self.0.as_ref().as_ref().ok()?.points
    }

    /// The answer to `actor`; none if the request is one for async-graphql.
    pub(crate) async fn answer(
        &self,
        domain: &Domain,
        actor: &Actor,
        variables: &Variables,
    ) -> Option<Written> {
        let plan = self.0.as_ref().as_ref().ok()?;
        let now = time::now();
        let bound = &plan.arguments.bind(variables, now)?;
        let accounts_alone = plan.reads.accounts.iter().all(|own| match own.named {
            Named::Node(id) => bound.id(id).is_some_and(|id| is_of_account(id)),
            Named::Account(_) | Named::ActedOn => true,
        });
        if !accounts_alone {
            return None;
        }
        let domain = &domain.for_one_request();
        let gathered = Gatherer::new(domain, actor, bound).gather(plan).await?;
        Some(write::write(plan, bound, actor, &gathered))
    }
}
