//! When a live version has failed too often: it is not called any more, its failure policy decides in its place, and
//! its owner is told. Activating it again lifts this.

use std::time::Duration;

use canopy_entity::rule_version::RuleStatus;
use canopy_entity::time::{self, Timestamp};
use canopy_entity::{AccountId, RuleVersionId};
use sea_orm::ConnectionTrait;

use super::active::live_activation;
use super::change::{self, MAX_REASON, Mover};
use super::{read, store};
use crate::statement::statement;
use crate::{Error, Result, audit};

/// How many failures within what time put a version in quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuarantineSettings {
    /// The failures: 1 to 100, as many as are kept.
    pub failures: u32,
    /// The time.
    pub window: Duration,
}

impl Default for QuarantineSettings {
    fn default() -> Self {
        Self {
            failures: 10,
            window: Duration::from_secs(600),
        }
    }
}

/// Who acts when nobody asked for it.
const SYSTEM: &str = "system";

const FAILURES: &str = "
SELECT count(*) AS failures FROM rule_failures WHERE rule_version_id = $1 AND counted AND failed_at >= $2
";

/// Puts a version in quarantine if it is live and has failed too often since it was activated; answers whether it did.
pub(super) async fn consider(
    txn: &impl ConnectionTrait,
    settings: QuarantineSettings,
    owner: &AccountId,
    version: &RuleVersionId,
    last: &str,
) -> Result<bool> {
    if failures(txn, settings, owner, version).await?.is_none() {
        return Ok(false);
    }
    // Whoever uses or changes the owner's rules is before or after this, so all of it is read again.
    let owner = store::lock_owner(txn, owner).await?;
    let Some(failures) = failures(txn, settings, &owner.id, version).await? else {
        return Ok(false);
    };
    let row = read::row(txn, version).await?;
    let minutes = settings.window.as_secs_f64() / 60.0;
    let reason = format!("{failures} failures within {minutes} minutes. The last: {last}");
    let reason: String = reason.chars().take(MAX_REASON).collect();
    let mover = Mover {
        by: SYSTEM,
        reason: Some(&reason),
        failures: Some(failures),
        at: time::now(),
    };
    change::take(txn, &owner, &row, RuleStatus::Quarantined, mover).await?;
    let entry = audit::Entry {
        account_id: &owner.id,
        path: &owner.path,
        action: "rule.quarantine",
        target: version.as_str(),
        detail: serde_json::json!({ "kind": row.kind, "reason": reason, "failures": failures }),
    };
    audit::write_as(txn, SYSTEM, entry).await?;
    Ok(true)
}

/// How many failures count against a version; none if they are too few, or if it is not live.
async fn failures(
    txn: &impl ConnectionTrait,
    settings: QuarantineSettings,
    owner: &AccountId,
    version: &RuleVersionId,
) -> Result<Option<i32>> {
    let row = read::row(txn, version).await?;
    let live = live_activation(txn, owner, row.kind).await?;
    let Some(live) = live.filter(|live| live.rule_version_id == row.id && row.status == RuleStatus::Active)
    else {
        return Ok(None);
    };
    let window = chrono::Duration::from_std(settings.window).map_err(Error::internal)?;
    let since: Timestamp = live.activated_at.max(time::now() - window);
    let values = [version.as_str().into(), since.into()];
    let counted = statement(txn.get_database_backend(), FAILURES, values);
    let counted = txn.query_one_raw(counted).await?;
    let counted: i64 = match counted {
        Some(row) => row.try_get("", "failures")?,
        None => 0,
    };
    let enough = counted >= i64::from(settings.failures.max(1));
    Ok(i32::try_from(counted).ok().filter(|_| enough))
}
