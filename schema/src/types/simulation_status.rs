//! `SimulationStatus` and `SimulationKind`.

use async_graphql::Enum;
use canopy_domain::entity::simulation;

/// How far a simulation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "simulation::SimulationStatus")]
pub(crate) enum SimulationStatus {
    /// It runs, or waits for a worker.
    Running,
    /// It is complete.
    Done,
    /// It broke off; `error` says why.
    Failed,
    /// Somebody ended it.
    Cancelled,
}

/// What a simulation goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "simulation::SimulationKind")]
pub(crate) enum SimulationKind {
    /// Stored usage of a period.
    DryRun,
    /// New usage, as long as the rule version is in status SHADOW.
    Shadow,
}
