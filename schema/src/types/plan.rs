//! `Plan`.

use std::sync::Arc;

use async_graphql::{ID, Object};
use canopy_domain::Result;
use canopy_domain::entity::plan;
use canopy_domain::plans::Meters;

use super::meter::{Meter, UndeclaredMeters};
use crate::scalars::Json;

/// A plan.
#[derive(Clone)]
pub(crate) struct Plan(Arc<plan::Model>);

impl From<plan::Model> for Plan {
    fn from(row: plan::Model) -> Self {
        Self(Arc::new(row))
    }
}

impl From<Arc<plan::Model>> for Plan {
    fn from(row: Arc<plan::Model>) -> Self {
        Self(row)
    }
}

/// A plan: the policy that the limits rule reads. All who see an account with it see its terms.
#[Object]
impl Plan {
    /// The id, with the prefix `pln_`.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// What people call it.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// What it is for.
    async fn description(&self) -> &str {
        &self.0.description
    }

    /// What its limits rule is configured with: an object, such as the caps, the depth and the starter
    /// credits.
    async fn configuration(&self) -> Json {
        Json(self.0.limits_configuration.clone())
    }

    /// The meters that it declares, by name.
    async fn meters(&self) -> Result<Vec<Meter>> {
        Ok(Meter::all(&Meters::of(&self.0)?))
    }

    /// What becomes of usage of other meters.
    async fn undeclared_meters(&self) -> Result<UndeclaredMeters> {
        Ok(Meters::of(&self.0)?.undeclared().into())
    }
}
