//! Which rule versions are live at which accounts.

use std::collections::HashMap;

use canopy_entity::rule_version::{self, RuleKind};
use canopy_entity::time::Timestamp;
use canopy_entity::{AccountId, RuleActivationId, rule_activation};
use sea_orm::{ActiveEnum, ConnectionTrait, FromQueryResult};

use crate::Result;
use crate::statement::{list, statement};

const LIVE: &str = "
SELECT a.account_id AS active_at, v.*
FROM rule_activations a JOIN rule_versions v ON v.id = a.rule_version_id
WHERE a.kind = $1 AND a.retired_at IS NULL AND a.account_id IN [$2]
";

const LIVE_AT: &str = "
SELECT * FROM rule_activations WHERE account_id = $1 AND kind = $2 AND retired_at IS NULL
";

const RETIRE: &str = "UPDATE rule_activations SET retired_at = $1 WHERE id = $2";

/// The rule version of `kind` that is live at each account; accounts without one are missing from the answer.
///
/// A pricing rule sets what the account charges its direct customers. A limits rule narrows what everything at and
/// below the account may have, in addition to the rules of the plans there.
pub(crate) async fn active_rules(
    db: &impl ConnectionTrait,
    kind: RuleKind,
    accounts: impl IntoIterator<Item = &AccountId>,
) -> Result<HashMap<AccountId, rule_version::Model>> {
    let ids = list(accounts);
    let statement = statement(db.get_database_backend(), LIVE, [kind.to_value().into(), ids]);
    let rows = db.query_all_raw(statement).await?;
    rows.iter()
        .map(|row| {
            Ok((
                row.try_get("", "active_at")?,
                rule_version::Model::from_query_result(row, "")?,
            ))
        })
        .collect()
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
