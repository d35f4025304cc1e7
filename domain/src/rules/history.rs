//! What happened to versions: the steps of their lives, and what they failed on. Many versions at once.

use std::collections::{BTreeSet, HashMap, HashSet};

use canopy_entity::rule_version::RuleStatus;
use canopy_entity::time::Timestamp;
use canopy_entity::{AccountPath, RuleVersionId, rule_artifact, rule_change, rule_failure};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QuerySelect};

use super::RuleVersionView;
use crate::statement::{list, statement};
use crate::{Actor, Domain, Error, Result};

/// The most steps or failures that are read of one version at once.
pub const MAX_RECORDS: i32 = 100;

/// Each version's newest rows of `{table}`, newest first.
const NEWEST: &str = "
SELECT * FROM (
  SELECT r.*, row_number() OVER (PARTITION BY r.rule_version_id ORDER BY r.id DESC) AS place
  FROM {table} r WHERE r.rule_version_id IN [$1]
) AS ranked WHERE place <= $2 ORDER BY id DESC
";

const QUARANTINES: &str = "
SELECT * FROM (
  SELECT r.*, row_number() OVER (PARTITION BY r.rule_version_id ORDER BY r.id DESC) AS place
  FROM rule_changes r WHERE r.rule_version_id IN [$1] AND r.to_status = 'QUARANTINED'
) AS ranked WHERE place = 1
";

/// Where each user and API key of a list has access.
const GRANTS_OF: &str = "
SELECT m.user_id AS id, a.path FROM members m JOIN accounts a ON a.id = m.account_id WHERE m.user_id IN [$1]
UNION
SELECT k.id, a.path FROM api_keys k JOIN accounts a ON a.id = k.account_id WHERE k.id IN [$1]
";

/// A step in the life of a version, as somebody may see it.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleChange {
    /// The row.
    pub row: rule_change::Model,
    /// Who took the step; none if that is somebody out of the asker's scope.
    pub changed_by: Option<String>,
}

/// Why a version is not called although it is live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantine {
    /// Since when.
    pub at: Timestamp,
    /// What went wrong, in words.
    pub reason: String,
    /// How many failures led to it.
    pub failures: i32,
}

impl Domain {
    /// The last steps in the life of each version, newest first: `first` of them, 0 to 100. Holding a version's view
    /// proves that the actor may see it; a built-in one has no history.
    pub async fn rule_history(
        &self,
        actor: &Actor,
        versions: &[RuleVersionView],
        first: i32,
    ) -> Result<HashMap<RuleVersionId, Vec<RuleChange>>> {
        let rows: Vec<rule_change::Model> = self.newest("rule_changes", versions, first).await?;
        let rows = self.with_movers(actor, rows).await?;
        Ok(by_version(versions, rows, |change| &change.row.rule_version_id))
    }

    /// A step as the actor may see it.
    pub(crate) async fn rule_change_for(&self, actor: &Actor, row: rule_change::Model) -> Result<RuleChange> {
        let mut changes = self.with_movers(actor, vec![row]).await?;
        changes
            .pop()
            .ok_or_else(|| Error::internal("each step that is given comes back"))
    }

    /// Who of those that took the steps may be told to the actor: itself, and members and keys of the accounts in its
    /// scope. Somebody above is not.
    async fn with_movers(&self, actor: &Actor, rows: Vec<rule_change::Model>) -> Result<Vec<RuleChange>> {
        let movers: BTreeSet<&str> = rows.iter().map(|row| row.changed_by.as_str()).collect();
        let mut known: HashSet<String> = HashSet::from(["system".to_owned(), actor.label()]);
        if movers.iter().any(|mover| !known.contains(*mover)) {
            let db = &self.0.db;
            let statement = statement(db.get_database_backend(), GRANTS_OF, [list(movers)]);
            for row in db.query_all_raw(statement).await? {
                let path: AccountPath = row.try_get("", "path")?;
                if actor.scope().covers(&path) {
                    known.insert(row.try_get("", "id")?);
                }
            }
        }
        let change = |row: rule_change::Model| RuleChange {
            changed_by: Some(row.changed_by.clone()).filter(|mover| known.contains(mover)),
            row,
        };
        Ok(rows.into_iter().map(change).collect())
    }

    /// What each version failed on last, newest first: `first` of them, 0 to 100. A built-in rule's failures are told
    /// to nobody: they hold what belongs to others.
    pub async fn rule_failures(
        &self,
        _actor: &Actor,
        versions: &[RuleVersionView],
        first: i32,
    ) -> Result<HashMap<RuleVersionId, Vec<rule_failure::Model>>> {
        let rows: Vec<rule_failure::Model> = self.newest("rule_failures", versions, first).await?;
        Ok(by_version(versions, rows, |row| &row.rule_version_id))
    }

    /// Since when and why each version is in quarantine; those that are not are missing from the answer.
    pub async fn rule_quarantines(
        &self,
        _actor: &Actor,
        versions: &[RuleVersionView],
    ) -> Result<HashMap<RuleVersionId, Quarantine>> {
        let ids: Vec<&RuleVersionId> = versions
            .iter()
            .filter(|version| version.row.status == RuleStatus::Quarantined)
            .map(|version| &version.row.id)
            .collect();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let db = &self.0.db;
        let statement = statement(db.get_database_backend(), QUARANTINES, [list(ids)]);
        let rows = rule_change::Model::find_by_statement(statement).all(db).await?;
        let quarantine = |row: rule_change::Model| {
            let quarantine = Quarantine {
                at: row.changed_at,
                reason: row.reason.unwrap_or_default(),
                failures: row.failures.unwrap_or_default(),
            };
            (row.rule_version_id, quarantine)
        };
        Ok(rows.into_iter().map(quarantine).collect())
    }

    /// The JSON Schema of each version's configuration; those without one are missing from the answer.
    pub async fn configuration_schemas(
        &self,
        _actor: &Actor,
        versions: &[RuleVersionView],
    ) -> Result<HashMap<RuleVersionId, serde_json::Value>> {
        let digests = versions.iter().map(|version| version.row.digest.as_str());
        let rows: Vec<(String, Option<serde_json::Value>)> = rule_artifact::Entity::find()
            .select_only()
            .columns([
                rule_artifact::Column::Digest,
                rule_artifact::Column::ConfigurationSchema,
            ])
            .filter(rule_artifact::Column::Digest.is_in(digests))
            .filter(rule_artifact::Column::ConfigurationSchema.is_not_null())
            .into_tuple()
            .all(&self.0.db)
            .await?;
        let schemas: HashMap<String, Option<serde_json::Value>> = rows.into_iter().collect();
        Ok(versions
            .iter()
            .filter_map(|version| {
                let schema = schemas.get(&version.row.digest)?.clone()?;
                Some((version.row.id.clone(), schema))
            })
            .collect())
    }

    async fn newest<M: FromQueryResult>(
        &self,
        table: &str,
        versions: &[RuleVersionView],
        first: i32,
    ) -> Result<Vec<M>> {
        if !(0..=MAX_RECORDS).contains(&first) {
            return Err(Error::bad_input(
                &["first"],
                format!("`first` is 0 to {MAX_RECORDS}."),
            ));
        }
        let ids: Vec<&RuleVersionId> = versions
            .iter()
            .filter(|version| version.row.owner_account_id.is_some())
            .map(|version| &version.row.id)
            .collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let db = &self.0.db;
        let sql = NEWEST.replace("{table}", table);
        let statement = statement(db.get_database_backend(), &sql, [list(ids), first.into()]);
        Ok(M::find_by_statement(statement).all(db).await?)
    }
}

fn by_version<M>(
    versions: &[RuleVersionView],
    rows: Vec<M>,
    id: impl Fn(&M) -> &RuleVersionId,
) -> HashMap<RuleVersionId, Vec<M>> {
    let mut found: HashMap<RuleVersionId, Vec<M>> = versions
        .iter()
        .map(|version| (version.row.id.clone(), Vec::new()))
        .collect();
    for row in rows {
        if let Some(rows) = found.get_mut(id(&row)) {
            rows.push(row);
        }
    }
    found
}
