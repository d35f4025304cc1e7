//! Which rule versions are live at which accounts, and what takes their place when they fail.

use std::collections::HashMap;

use canopy_entity::rule_version::{self, FailurePolicy, RuleKind, RuleStatus};
use canopy_entity::time::Timestamp;
use canopy_entity::{AccountId, RuleActivationId, rule_activation};
use sea_orm::{ActiveEnum, ConnectionTrait, FromQueryResult};

use crate::Result;
use crate::statement::{list, statement};

const LIVE: &str = "
SELECT a.account_id AS active_at, 0 AS stands_by, v.*
FROM rule_activations a JOIN rule_versions v ON v.id = a.rule_version_id
WHERE a.kind = $1 AND a.retired_at IS NULL AND a.account_id IN [$2]
UNION ALL
SELECT a.account_id AS active_at, 1 AS stands_by, g.*
FROM rule_activations a JOIN rule_versions v ON v.id = a.rule_version_id
JOIN rule_versions g ON g.id = a.last_good_version_id
WHERE a.kind = $1 AND a.retired_at IS NULL AND v.failure_policy = 'LAST_GOOD' AND a.account_id IN [$2]
";

const LIVE_AT: &str = "
SELECT * FROM rule_activations WHERE account_id = $1 AND kind = $2 AND retired_at IS NULL
";

const RETIRE: &str = "UPDATE rule_activations SET retired_at = $1 WHERE id = $2";

/// The rule that is live at an account, and what may stand in for it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LiveRule {
    /// The live version.
    pub(crate) version: rule_version::Model,
    /// The version that was live before, where the policy is `LastGood` and there is one.
    pub(crate) last_good: Option<rule_version::Model>,
}

impl LiveRule {
    /// A rule with nothing to stand in for it.
    pub(crate) fn alone(version: rule_version::Model) -> Self {
        Self {
            version,
            last_good: None,
        }
    }

    /// What happens when it fails.
    pub(crate) fn policy(&self) -> FailurePolicy {
        self.version.failure_policy
    }

    /// The version, unless it is in quarantine.
    pub(crate) fn called(&self) -> Option<&rule_version::Model> {
        (self.version.status != RuleStatus::Quarantined).then_some(&self.version)
    }

    /// The version that decides for now: the live one, or the last good one in its place during a quarantine.
    pub(crate) fn standing(&self) -> Option<&rule_version::Model> {
        self.called().or(self.last_good.as_ref())
    }
}

/// The rule of `kind` that is live at each account; accounts without one are missing from the answer.
///
/// A pricing rule sets what the account charges its direct customers. A limits rule narrows what everything at and
/// below the account may have, in addition to the rules of the plans there.
pub(crate) async fn active_rules(
    db: &impl ConnectionTrait,
    kind: RuleKind,
    accounts: impl IntoIterator<Item = &AccountId>,
) -> Result<HashMap<AccountId, LiveRule>> {
    let ids = list(accounts);
    let statement = statement(db.get_database_backend(), LIVE, [kind.to_value().into(), ids]);
    let mut rules: HashMap<AccountId, LiveRule> = HashMap::new();
    let mut last_good = Vec::new();
    for row in db.query_all_raw(statement).await? {
        let account: AccountId = row.try_get("", "active_at")?;
        let version = rule_version::Model::from_query_result(&row, "")?;
        let stands_by: i32 = row.try_get("", "stands_by")?;
        if stands_by == 0 {
            rules.insert(account, LiveRule::alone(version));
        } else {
            last_good.push((account, version));
        }
    }
    for (account, version) in last_good {
        if let Some(live) = rules.get_mut(&account) {
            live.last_good = Some(version);
        }
    }
    Ok(rules)
}

/// The activation of `kind` that is live at one account.
pub(super) async fn live_activation(
    db: &impl ConnectionTrait,
    account: &AccountId,
    kind: RuleKind,
) -> Result<Option<rule_activation::Model>> {
    let values = [account.as_str().into(), kind.to_value().into()];
    let statement = statement(db.get_database_backend(), LIVE_AT, values);
    Ok(rule_activation::Model::find_by_statement(statement)
        .one(db)
        .await?)
}

/// Ends an activation.
pub(super) async fn retire_activation(
    txn: &impl ConnectionTrait,
    id: &RuleActivationId,
    at: Timestamp,
) -> Result<()> {
    let values = [at.into(), id.as_str().into()];
    txn.execute_raw(statement(txn.get_database_backend(), RETIRE, values))
        .await?;
    Ok(())
}
