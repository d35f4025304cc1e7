//! Plans, and the four that Canopy ships.

mod meters;
mod presets;

use std::collections::HashMap;
use std::sync::Arc;

use canopy_entity::{AccountId, PlanId, account, plan};
use sea_orm::sea_query::{Condition, Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select};

use crate::limits::Recency;
use crate::{AccountView, Actor, Domain, Error, Result};

pub use meters::{Aggregation, Meter, Meters, Undeclared};

/// The most plans that are listed.
const MAX_PLANS: u64 = 200;

impl Domain {
    /// The plans with these ids. A plan's terms are visible to all who see an account with it.
    pub async fn plans(&self, actor: &Actor, ids: &[PlanId]) -> Result<HashMap<PlanId, plan::Model>> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let with_it = actor.scope().accounts().filter(
            account::Column::PlanId
                .into_expr()
                .eq(plan::Column::Id.into_expr()),
        );
        let visible = offered_to(actor).add(some(with_it));
        let plans = plan::Entity::find()
            .filter(plan::Column::Id.is_in(ids.iter().cloned()))
            .filter(visible)
            .all(&self.0.db)
            .await?;
        Ok(plans.into_iter().map(|plan| (plan.id.clone(), plan)).collect())
    }

    /// The plan of each account that has one. Holding the view of an account is seeing its plan.
    pub async fn plans_of(
        &self,
        _actor: &Actor,
        accounts: &[AccountView],
    ) -> Result<HashMap<AccountId, Arc<plan::Model>>> {
        let ids = accounts
            .iter()
            .filter_map(|account| account.row().plan_id.clone())
            .collect();
        let terms = self.terms(ids, Recency::Remembered).await?;
        let plans = accounts.iter().filter_map(|account| {
            let terms = terms.get(account.row().plan_id.as_ref()?)?;
            Some((account.id().clone(), Arc::clone(&terms.plan)))
        });
        Ok(plans.collect())
    }

    /// The meters of the plan of each account that has one.
    pub(crate) async fn meters_of(
        &self,
        accounts: impl Iterator<Item = &AccountView> + Clone,
    ) -> Result<HashMap<AccountId, Arc<Meters>>> {
        let ids = accounts
            .clone()
            .filter_map(|account| account.row().plan_id.clone());
        let terms = self.terms(ids.collect(), Recency::Remembered).await?;
        let meters = accounts.filter_map(|account| {
            let terms = terms.get(account.row().plan_id.as_ref()?)?;
            Some((account.id().clone(), Arc::clone(&terms.meters)))
        });
        Ok(meters.collect())
    }

    /// The plans that may be given to a new account: those that Canopy ships and those of the actor's accounts.
    pub async fn available_plans(&self, actor: &Actor) -> Result<Vec<plan::Model>> {
        Ok(plan::Entity::find()
            .filter(offered_to(actor))
            .order_by_asc(plan::Column::Id)
            .limit(MAX_PLANS)
            .all(&self.0.db)
            .await?)
    }

    /// `Error::NotFound("plan")` unless the plan may be given to an account.
    pub(crate) async fn require_available_plan(&self, actor: &Actor, id: &PlanId) -> Result<()> {
        let plan = plan::Entity::find_by_id(id.clone())
            .filter(offered_to(actor))
            .one(&self.0.db)
            .await?;
        plan.map(|_| ()).ok_or(Error::NotFound("plan"))
    }
}

/// Plans that Canopy ships, and those of accounts in the actor's scope.
fn offered_to(actor: &Actor) -> Condition {
    let owner = actor.scope().accounts().filter(
        account::Column::Id
            .into_expr()
            .eq(plan::Column::OwnerAccountId.into_expr()),
    );
    Condition::any()
        .add(plan::Column::OwnerAccountId.is_null())
        .add(some(owner))
}

/// True if there is such an account. The first one answers, however many there are.
fn some(accounts: Select<account::Entity>) -> Expr {
    Expr::exists(accounts.select_only().expr(Expr::val(1)).into_query())
}
