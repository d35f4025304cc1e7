//! What the contract suite said of a version, kept so that its author sees it later.

use std::collections::HashMap;

use canopy_entity::time::{self, Timestamp};
use canopy_entity::{RuleVersionId, rule_check};
use canopy_rules_host::CheckReport;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ConnectionTrait, EntityTrait, FromQueryResult, IntoActiveModel};

use super::RuleVersionView;
use crate::statement::{list, statement};
use crate::{Actor, Domain, Error, Result};

const REPORTS: &str = "SELECT * FROM rule_checks WHERE rule_version_id IN [$1]";

/// The last check that a version passed.
#[derive(Debug, Clone)]
pub struct RuleCheckReport {
    /// What was asked and answered.
    pub report: CheckReport,
    /// When.
    pub checked_at: Timestamp,
}

impl Domain {
    /// The last check that each version passed; versions that were never checked, and built-in ones, are missing from
    /// the answer. Holding a version's view proves that the actor may see it.
    pub async fn rule_check_reports(
        &self,
        _actor: &Actor,
        versions: &[RuleVersionView],
    ) -> Result<HashMap<RuleVersionId, RuleCheckReport>> {
        let db = &self.0.db;
        let ids = list(versions.iter().map(|version| &version.row.id));
        let statement = statement(db.get_database_backend(), REPORTS, [ids]);
        let rows = rule_check::Model::find_by_statement(statement).all(db).await?;
        let report = |row: rule_check::Model| {
            let report = RuleCheckReport {
                report: serde_json::from_value(row.report).map_err(Error::internal)?,
                checked_at: row.checked_at,
            };
            Ok((row.rule_version_id, report))
        };
        rows.into_iter().map(report).collect()
    }
}

/// Keeps the report of a check that a version passed just now, in place of an earlier one.
pub(super) async fn keep(
    txn: &impl ConnectionTrait,
    version: &RuleVersionId,
    report: &CheckReport,
) -> Result<()> {
    let row = rule_check::Model {
        rule_version_id: version.clone(),
        report: serde_json::to_value(report).map_err(Error::internal)?,
        checked_at: time::now(),
    };
    let newer = OnConflict::column(rule_check::Column::RuleVersionId)
        .update_columns([rule_check::Column::Report, rule_check::Column::CheckedAt])
        .to_owned();
    rule_check::Entity::insert(row.into_active_model())
        .on_conflict(newer)
        .exec_without_returning(txn)
        .await?;
    Ok(())
}
