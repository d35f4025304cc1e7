//! A forest for benchmarks: trees of accounts with members, restrictions, limits, transfers of billing and a month of
//! usage, the same in each database.
//!
//! What there is follows from numbers alone (`tree`, `usage`); `write` puts it into an empty database past the
//! services, which would take hours. What is written is what the services could have written: the tests hold it
//! against the same checks. Nobody has a price in this forest, so its usage waits for one and no ledger is needed.

mod ids;
mod tree;
mod usage;
mod write;

use canopy_entity::{AccountId, AccountPath, PlanId, account, plan, user};
use sea_orm::{EntityTrait, PaginatorTrait};

use crate::{Domain, Error, Result};

pub use usage::DAYS;

/// How large a forest is.
#[derive(Debug, Clone, Copy)]
pub struct ForestSize {
    /// Trees below the one platform: a main account, 25 subaccounts, and four below those.
    pub trees: u32,
}

/// What was written, by table, and where the trees begin.
#[derive(Debug, Clone)]
pub struct Forest {
    /// The account above all trees.
    pub platform: (AccountId, AccountPath),
    /// The main account of each tree.
    pub roots: Vec<(AccountId, AccountPath)>,
    /// The first and the last instant of the usage, half-open.
    pub usage: crate::usage::Period,
    /// Rows of each table, in the order in which they were written.
    pub rows: Vec<(&'static str, u64)>,
}

/// The plan whose rule the forest's plans share.
const SHIPPED: &str = "pln_itellico";

impl Domain {
    /// Writes the forest of a size. For operators: not reachable through GraphQL. `Error::Conflict` unless the
    /// database is empty, as one is that was just migrated. What breaks off leaves a part, and wants a new database.
    pub async fn plant_forest(
        &self,
        size: ForestSize,
        progress: &(dyn Fn(&str) + Send + Sync),
    ) -> Result<Forest> {
        let db = &self.0.db;
        let found = account::Entity::find().count(db).await? + user::Entity::find().count(db).await?;
        if found > 0 {
            return Err(Error::conflict(
                &["database"],
                "The database is not empty: a forest is written into a new one.",
            ));
        }
        let shipped = PlanId::parse(SHIPPED).map_err(Error::internal)?;
        let shipped = plan::Entity::find_by_id(shipped).one(db).await?;
        let shipped = shipped.ok_or_else(|| Error::internal("the plans that Canopy ships are missing"))?;
        let trees = tree::Trees::new(size, shipped.limits_rule_version_id);
        write::forest(db, &trees, progress).await
    }
}
