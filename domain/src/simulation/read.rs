//! Reading simulations: who may read the prices of an edge may read what they would have been.

use std::collections::HashMap;

use canopy_entity::{AccountId, Level, PermissionKey, SimulationId, simulation, simulation_account};
use sea_orm::sea_query::Condition;

use super::{SimulationAccount, SimulationView, store};
use crate::page::{List, Pages};
use crate::{AccountView, Actor, Domain, Error, PageArgs, Result};

impl Domain {
    /// A simulation; `Error::NotFound` unless the actor has `BILLING` FULL at its account.
    pub async fn simulation(&self, actor: &Actor, id: &SimulationId) -> Result<SimulationView> {
        let mut found = self.simulations_by_id(actor, std::slice::from_ref(id)).await?;
        found.remove(id).ok_or(Error::NotFound("simulation"))
    }

    /// The simulations with these ids that the actor may see.
    pub async fn simulations_by_id(
        &self,
        actor: &Actor,
        ids: &[SimulationId],
    ) -> Result<HashMap<SimulationId, SimulationView>> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let rows = store::by_id(&self.0.db, ids).await?;
        let owners: Vec<AccountId> = rows.iter().map(|row| row.account_id.clone()).collect();
        let owners = self.accounts(actor, &owners).await?;
        let visible = rows.into_iter().filter(|row| {
            owners
                .get(&row.account_id)
                .is_some_and(|owner| owner.access().allows(PermissionKey::Billing, Level::Full))
        });
        Ok(visible
            .map(|row| (row.id.clone(), SimulationView { row }))
            .collect())
    }

    /// A page of the simulations of each account, in the order in which they were begun. An account without `BILLING`
    /// FULL is missing from the answer.
    pub async fn simulations(
        &self,
        _actor: &Actor,
        accounts: &[AccountView],
        page: &PageArgs,
    ) -> Result<Pages<AccountId, SimulationView>> {
        let owners: Vec<AccountId> = accounts
            .iter()
            .filter(|account| account.access().allows(PermissionKey::Billing, Level::Full))
            .map(|account| account.id().clone())
            .collect();
        let simulations = List::<simulation::Entity> {
            parent: simulation::Column::AccountId,
            id: simulation::Column::Id,
            condition: Condition::all(),
        };
        let pages = simulations.pages(&self.0.db, &owners, page).await?;
        let view = |row| SimulationView { row };
        Ok(pages
            .into_iter()
            .map(|(owner, page)| (owner, page.map(view)))
            .collect())
    }

    /// A page of the accounts of each simulation, in the order of their paths. There are none before it is done.
    pub async fn simulation_accounts(
        &self,
        _actor: &Actor,
        simulations: &[SimulationView],
        page: &PageArgs,
    ) -> Result<Pages<SimulationId, SimulationAccount>> {
        let ids: Vec<SimulationId> = simulations.iter().map(|view| view.row.id.clone()).collect();
        let accounts = List::<simulation_account::Entity> {
            parent: simulation_account::Column::SimulationId,
            id: simulation_account::Column::Id,
            condition: Condition::all(),
        };
        accounts.pages(&self.0.db, &ids, page).await
    }
}
