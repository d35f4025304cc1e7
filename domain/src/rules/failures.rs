//! What rules fail on: kept for their owners, the last hundred of each version, and counted towards a quarantine.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use canopy_entity::rule_version;
use canopy_entity::time::{self, Timestamp};
use canopy_entity::{AccountId, RuleFailureId, RuleVersionId, rule_failure};
use canopy_rules_host::RuleError;
use sea_orm::{ConnectionTrait, EntityTrait, IntoActiveModel, TryInsertResult};

use crate::statement::{statement, storable};
use crate::{Domain, Result, transaction};

/// How many failures of a version are kept.
const KEPT: i32 = 100;
/// How many failures of a version are written at once.
const AT_ONCE: usize = 25;
/// The largest input that is kept, in bytes of its JSON.
const MAX_INPUT: usize = 64 << 10;
/// How often a version's refusals are written down: they are no failures, and may be as many as its calls.
const REFUSALS_EVERY: Duration = Duration::from_secs(10);
/// How many versions' refusals are remembered.
const REMEMBERED: usize = 10_000;

const PRUNE: &str = "
DELETE FROM rule_failures WHERE rule_version_id = $1 AND id < (
  SELECT id FROM rule_failures WHERE rule_version_id = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)
";

/// Whose fault it is that a rule has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Ours: the rule was not to blame.
    Ours,
    /// Nobody's: the rule says that it has no answer.
    Refusal,
    /// Nobody's: the rule was not asked, as its owner has used up its fuel for now.
    Throttled,
    /// The rule broke its bounds or the contract.
    Rules,
}

/// Why a rule has no answer.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// Stable name, such as `trap`.
    pub(crate) kind: &'static str,
    /// A sentence for the rule's owner.
    pub(crate) message: String,
    /// What the rule had logged.
    pub(crate) logs: Vec<String>,
    pub(crate) fault: Fault,
}

impl Failure {
    /// A call of `rule` that failed. Counts it and writes it to the log.
    pub(crate) fn noticed(rule: &rule_version::Model, error: &RuleError) -> Self {
        metrics::counter!("canopy_rule_live_failures_total", "kind" => error.kind()).increment(1);
        tracing::warn!(rule = %rule.id, kind = error.kind(), %error, "a rule has no answer");
        Self {
            kind: error.kind(),
            message: error.to_string(),
            logs: Vec::new(),
            fault: match error {
                RuleError::Refused(_) => Fault::Refusal,
                RuleError::Throttled { .. } => Fault::Throttled,
                error if error.is_rules_fault() => Fault::Rules,
                _ => Fault::Ours,
            },
        }
    }

    /// The same, with what the rule had logged until then.
    pub(crate) fn with_logs(self, logs: Vec<String>) -> Self {
        Self { logs, ..self }
    }

    /// A price that may not be charged.
    pub(crate) fn of_price(kind: &'static str, message: String) -> Self {
        Self {
            kind,
            message,
            logs: Vec::new(),
            fault: Fault::Rules,
        }
    }

    /// The same for what the rule was not asked about: it is told, and not counted.
    pub(crate) fn assumed(&self) -> Self {
        Self {
            fault: match self.fault {
                Fault::Rules => Fault::Refusal,
                other => other,
            },
            ..self.clone()
        }
    }
}

/// Something that a rule failed on.
#[derive(Debug, Clone)]
pub(crate) struct Failed {
    pub(crate) version_id: RuleVersionId,
    /// The version's owner; none for a built-in one, of which nothing is kept.
    pub(crate) owner: Option<AccountId>,
    /// At whose edge it was called.
    pub(crate) account_id: AccountId,
    /// What tells one thing that it failed on from another: the same thing fails once.
    pub(crate) subject: String,
    pub(crate) input: Option<serde_json::Value>,
    /// Whether it may lead to a quarantine.
    pub(crate) counted: bool,
    pub(crate) failure: Failure,
}

impl Failed {
    fn row(self, at: Timestamp) -> rule_failure::Model {
        let small = |input: &serde_json::Value| storable(input) && input.to_string().len() <= MAX_INPUT;
        let text = |text: String| text.replace('\0', " ");
        let logs: Vec<String> = self.failure.logs.into_iter().map(text).collect();
        rule_failure::Model {
            id: RuleFailureId::new(),
            rule_version_id: self.version_id,
            account_id: self.account_id,
            subject: self.subject,
            kind: self.failure.kind.to_owned(),
            message: text(self.failure.message),
            logs: serde_json::json!(logs),
            input: self.input.filter(small),
            counted: self.counted,
            failed_at: at,
        }
    }
}

/// When refusals of which version were written down last, by this process.
#[derive(Default)]
pub(crate) struct Refusals(Mutex<HashMap<RuleVersionId, Instant>>);

impl Refusals {
    /// Whether those of `version` are to be written down now.
    fn due(&self, version: &RuleVersionId) -> bool {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = written
            .get(version)
            .is_some_and(|at| at.elapsed() < REFUSALS_EVERY);
        if !recent {
            if written.len() >= REMEMBERED {
                written.clear();
            }
            written.insert(version.clone(), Instant::now());
        }
        !recent
    }
}

impl Domain {
    /// Keeps what rules failed on for their owners, and puts in quarantine those that fail too often. Whoever asked
    /// the rules is not bothered with an error of this.
    pub(crate) async fn note_failures(&self, failed: Vec<Failed>) {
        let mut by_version: BTreeMap<RuleVersionId, (AccountId, Vec<Failed>)> = BTreeMap::new();
        for failed in failed {
            let Some(owner) = failed.owner.clone() else {
                continue;
            };
            if !matches!(failed.failure.fault, Fault::Ours | Fault::Throttled) {
                let entry = by_version.entry(failed.version_id.clone());
                entry.or_insert((owner, Vec::new())).1.push(failed);
            }
        }
        for (version, (owner, mut failed)) in by_version {
            if !failed.iter().any(|failed| failed.counted) && !self.0.refusals.due(&version) {
                continue;
            }
            failed.sort_by_key(|failed| !failed.counted);
            failed.truncate(AT_ONCE);
            if let Err(error) = self.keep_failures(&owner, &version, failed).await {
                let cause: &dyn std::fmt::Debug = &error;
                tracing::error!(rule = %version, ?cause, "the failures of a rule could not be kept");
            }
        }
    }

    async fn keep_failures(
        &self,
        owner: &AccountId,
        version: &RuleVersionId,
        failed: Vec<Failed>,
    ) -> Result<()> {
        let now = time::now();
        let mut rows: Vec<rule_failure::Model> = failed.into_iter().map(|failed| failed.row(now)).collect();
        // Transactions that keep the same failures wait for each other, and never in a circle.
        rows.sort_by(|one, other| one.subject.cmp(&other.subject));
        let last = rows.last().map(|row| row.message.clone()).unwrap_or_default();
        let (rows, last, settings) = (&rows, &last, self.0.quarantine);
        let quarantined = transaction::run(&self.0.writer, "keep-rule-failures", |txn| {
            transaction::work(async move {
                if !insert(txn, rows).await? {
                    return Ok(false);
                }
                let values = [version.as_str().into(), (KEPT - 1).into()];
                txn.execute_raw(statement(txn.get_database_backend(), PRUNE, values))
                    .await?;
                super::quarantine::consider(txn, settings, owner, version, last).await
            })
        })
        .await?;
        if quarantined {
            metrics::counter!("canopy_rule_quarantines_total").increment(1);
            tracing::warn!(rule = %version, account = %owner, "a rule failed too often and is in quarantine");
            self.0.hub.terms_changed();
        }
        Ok(())
    }
}

/// Inserts what is new among `rows`; answers whether anything was.
async fn insert(txn: &impl ConnectionTrait, rows: &[rule_failure::Model]) -> Result<bool> {
    let inserted =
        rule_failure::Entity::insert_many(rows.iter().cloned().map(IntoActiveModel::into_active_model))
            .on_conflict_do_nothing_on([rule_failure::Column::RuleVersionId, rule_failure::Column::Subject])
            .exec_without_returning(txn)
            .await?;
    Ok(matches!(inserted, TryInsertResult::Inserted(1..)))
}
