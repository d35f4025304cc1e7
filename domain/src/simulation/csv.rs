//! The results of a simulation as CSV (RFC 4180): a row of names, then a row for each account, read by the page.

use canopy_entity::simulation::{self, SimulationStatus};
use canopy_entity::{SimulationId, simulation_account};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::variance;
use crate::statement::statement;
use crate::{Actor, Domain, Error, Micros, Result};

/// Accounts that are read at once.
const PAGE: i64 = 1_000;

const ACCOUNTS: &str = "
SELECT * FROM simulation_accounts WHERE simulation_id = $1 AND id > $2 ORDER BY id LIMIT $3
";

impl Domain {
    /// The accounts of a simulation that is done, as parts of one CSV file. Needs `BILLING` FULL.
    pub async fn simulation_csv(
        &self,
        actor: &Actor,
        id: &SimulationId,
    ) -> Result<BoxStream<'static, Result<String>>> {
        let view = self.simulation(actor, id).await?;
        if view.row.status != SimulationStatus::Done {
            return Err(Error::conflict(
                &[],
                "The simulation is not done, so that there are no results.",
            ));
        }
        let names = names(&view.row.currency);
        let state = (self.clone(), view.row, String::new());
        let pages = stream::try_unfold(state, |(domain, simulation, after)| async move {
            if !after.is_empty() {
                domain.0.faults.check("simulation.csv.next")?;
            }
            let rows = page(&domain.0.db, &simulation, &after).await?;
            let Some(last) = rows.last() else {
                return Ok(None);
            };
            let after = last.id.to_string();
            let text: String = rows.iter().map(line).collect();
            Ok(Some((text, (domain, simulation, after))))
        });
        Ok(stream::once(std::future::ready(Ok(names))).chain(pages).boxed())
    }
}

async fn page(
    db: &impl ConnectionTrait,
    simulation: &simulation::Model,
    after: &str,
) -> Result<Vec<simulation_account::Model>> {
    let values = [simulation.id.as_str().into(), after.into(), PAGE.into()];
    let statement = statement(db.get_database_backend(), ACCOUNTS, values);
    Ok(simulation_account::Model::find_by_statement(statement)
        .all(db)
        .await?)
}

/// The names of the columns, each with its unit.
fn names(currency: &str) -> String {
    let money = |name: &str| format!("{name} ({currency})");
    let columns = [
        "account".to_owned(),
        "events (count)".to_owned(),
        "failures (count)".to_owned(),
        "pending (count)".to_owned(),
        money("before"),
        money("after"),
        money("difference"),
        "variance (percent)".to_owned(),
        money("p50 change per event"),
        money("p95 change per event"),
    ];
    columns.join(",") + "\r\n"
}

/// The row of an account. All values are ids and numbers, none of which needs quotes.
fn line(row: &simulation_account::Model) -> String {
    let number = |micros: i64| {
        Micros::new(micros)
            .map(|number| number.to_string())
            .unwrap_or_default()
    };
    let known = |micros: Option<i64>| micros.map(number).unwrap_or_default();
    let columns = [
        row.account_id.to_string(),
        row.events.to_string(),
        row.failures.to_string(),
        row.pending.to_string(),
        number(row.before_amount),
        number(row.after_amount),
        number(row.after_amount - row.before_amount),
        known(variance(row.before_amount, row.after_amount)),
        known(row.p50_change),
        known(row.p95_change),
    ];
    columns.join(",") + "\r\n"
}
