//! What a rule version did last: the newest ratings that it priced, run again for their logs, and its newest failures.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use canopy_entity::time::Timestamp;
use canopy_entity::{RatingId, RuleVersionId, rating, rule_failure, usage_event};
use sea_orm::{DbBackend, FromQueryResult};

use super::{PriceStep, Reruns};
use crate::rules::RuleVersionView;
use crate::statement::{list, statement};
use crate::usage::ratings;
use crate::{Actor, Domain, Error, Result};

/// The most runs of a version that are read at once.
pub const MAX_RUNS: i32 = 100;

/// The most runs of all versions of one read.
const MAX_RUNS_AT_ONCE: usize = 1_000;

/// The newest events that each version priced: its newest batches, until there are enough. PostgreSQL would look for them
/// again for each event there is, if their ids were a list.
const NEWEST_SQLITE: &str = "
SELECT n.* FROM rule_versions v JOIN usage_events n ON n.id IN (SELECT e.id {of version})
WHERE v.id IN [$1] ORDER BY n.id
";
const NEWEST_POSTGRES: &str = "
SELECT n.* FROM rule_versions v CROSS JOIN LATERAL (SELECT e.* {of version}) n
WHERE v.id IN [$1] ORDER BY n.id
";
const OF_VERSION: &str = "
FROM {events} WHERE b.rated_by = v.id AND {in batch} AND e.ratings LIKE '%\"' || v.id || '\"%'
ORDER BY b.batch_id DESC, e.id DESC LIMIT $2
";

/// A call of a rule: one that priced something, or one that failed.
#[derive(Debug, Clone)]
pub enum RuleRun {
    /// It priced an edge.
    Priced(Box<PriceStep>),
    /// It failed.
    Failed(Box<rule_failure::Model>),
}

impl RuleRun {
    /// Tells runs of one instant apart; ids grow with time.
    fn id(&self) -> String {
        match self {
            RuleRun::Priced(step) => step.rating.id.to_string(),
            RuleRun::Failed(failure) => failure.id.to_string(),
        }
    }

    /// When.
    pub fn at(&self) -> Timestamp {
        match self {
            RuleRun::Priced(step) => step.rating.created_at,
            RuleRun::Failed(failure) => failure.failed_at,
        }
    }
}

impl Domain {
    /// The last runs of each version, newest first: `first` of them, 0 to 100. Holding a version's view proves that
    /// the actor may see it; the runs of a built-in one are told to nobody, since they are others' business.
    pub async fn rule_runs(
        &self,
        actor: &Actor,
        versions: &[RuleVersionView],
        first: i32,
        reruns: &Reruns,
    ) -> Result<HashMap<RuleVersionId, Vec<RuleRun>>> {
        let first = usize::try_from(first)
            .ok()
            .filter(|first| *first <= MAX_RUNS as usize);
        let first =
            first.ok_or_else(|| Error::bad_input(&["first"], format!("`first` is 0 to {MAX_RUNS}.")))?;
        let owned: Vec<&RuleVersionId> = versions
            .iter()
            .filter(|version| version.row.owner_account_id.is_some())
            .map(|version| &version.row.id)
            .collect();
        if first * owned.len() > MAX_RUNS_AT_ONCE {
            let message = format!("At most {MAX_RUNS_AT_ONCE} runs are told at once: ask for fewer.");
            return Err(Error::bad_input(&["first"], message));
        }
        let ratings = self.newest_ratings(&owned, first).await?;
        let wanted: HashSet<RatingId> = ratings.iter().map(|rating| rating.id.clone()).collect();
        let steps = self.steps(actor, &ratings, Some(&wanted), reruns).await?;

        let limit = i32::try_from(first).unwrap_or(MAX_RUNS);
        let mut runs: HashMap<RuleVersionId, Vec<RuleRun>> = HashMap::new();
        for (version, failures) in self.rule_failures(actor, versions, limit).await? {
            runs.insert(
                version,
                failures
                    .into_iter()
                    .map(|failure| RuleRun::Failed(Box::new(failure)))
                    .collect(),
            );
        }
        for step in steps {
            // Who sees a rule sees its owner's tree; a rating that is nevertheless hidden from the actor stays so.
            if let (Some(version), Some(_)) = (&step.rating.rule_version_id, &step.replayed) {
                let runs = runs.entry(version.clone()).or_default();
                runs.push(RuleRun::Priced(Box::new(step)));
            }
        }
        for runs in runs.values_mut() {
            runs.sort_by_key(|run| Reverse((run.at(), run.id())));
            runs.truncate(first);
        }
        Ok(runs)
    }

    async fn newest_ratings(&self, versions: &[&RuleVersionId], first: usize) -> Result<Vec<rating::Model>> {
        if versions.is_empty() || first == 0 {
            return Ok(Vec::new());
        }
        let db = &self.0.db;
        let limit = i64::try_from(first).unwrap_or(0);
        let values = [list(versions), limit.into()];
        let backend = db.get_database_backend();
        let newest = match backend {
            DbBackend::Sqlite => NEWEST_SQLITE,
            _ => NEWEST_POSTGRES,
        };
        let newest = newest
            .replace("{of version}", OF_VERSION)
            .replace("{events}", ratings::events_of_batches(backend))
            .replace("{in batch}", ratings::IN_BATCH);
        let newest = statement(backend, &newest, values);
        let mut ratings = Vec::new();
        for event in usage_event::Model::find_by_statement(newest).all(db).await? {
            ratings.extend(ratings::of(&event)?);
        }
        let is_by = |id: &RuleVersionId| versions.contains(&id);
        ratings.retain(|rating| rating.rule_version_id.as_ref().is_some_and(is_by));
        Ok(ratings)
    }
}
