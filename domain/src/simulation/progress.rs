//! Following a simulation: told when it moves, by this process or by another.

use std::time::Duration;

use canopy_entity::SimulationId;
use canopy_entity::simulation::SimulationStatus;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tokio::sync::watch;

use super::SimulationView;
use crate::{Actor, Domain, Result};

/// How often a simulation that another process runs is looked at, and the right to follow it.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl Domain {
    /// A simulation as it is now, and again each time that it has moved, up to its end. Needs `BILLING` FULL; ends with
    /// an error when that right is gone.
    pub async fn simulation_progress(
        &self,
        actor: &Actor,
        id: &SimulationId,
    ) -> Result<BoxStream<'static, Result<SimulationView>>> {
        // Listening begins before the first look, so that nothing falls between the two.
        let moved = self.0.simulations.moved.subscribe();
        let now = self.simulation(actor, id).await?;
        let follower = Follower {
            domain: self.clone(),
            actor: actor.clone(),
            moved,
            told: None,
        };
        let first = stream::once(std::future::ready(Ok(now.clone())));
        let rest = stream::try_unfold(
            Follower {
                told: Some(now),
                ..follower
            },
            |mut follower| async move {
                let next = follower.next().await?;
                Ok(next.map(|view| (view, follower)))
            },
        );
        Ok(first.chain(rest).boxed())
    }
}

struct Follower {
    domain: Domain,
    actor: Actor,
    moved: watch::Receiver<()>,
    told: Option<SimulationView>,
}

impl Follower {
    /// The next state that was not told; none after the end was.
    async fn next(&mut self) -> Result<Option<SimulationView>> {
        let Some(told) = &self.told else {
            return Ok(None);
        };
        loop {
            if told.row.status != SimulationStatus::Running {
                return Ok(None);
            }
            // Another process may run it, so time tells as well; a late look is as good as none.
            let _ = tokio::time::timeout(LOOK_EVERY, self.moved.changed()).await;
            let actor = self.domain.renewed(&self.actor).await?;
            let now = self.domain.simulation(&actor, &told.row.id).await?;
            if now != *told {
                self.told = Some(now.clone());
                return Ok(Some(now));
            }
        }
    }
}
