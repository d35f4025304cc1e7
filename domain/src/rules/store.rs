//! Writing wasm and versions.

use canopy_entity::rule_version;
use canopy_entity::{AccountId, AccountPath, rule_artifact, time};
use sea_orm::{ConnectionTrait, EntityTrait, IntoActiveModel};

use crate::pricing::lock_terms;
use crate::statement::{list, statement};
use crate::transaction::{LostRace, breaks_uniqueness};
use crate::{Error, Result};

const LOCK_OWNER: &str = "SELECT id, path FROM accounts WHERE id = $1 [FOR NO KEY UPDATE]";

const NEXT_VERSION: &str = "
SELECT CAST(COALESCE(MAX(version), 0) + 1 AS integer) AS next FROM rule_versions
WHERE name = $1 AND owner_account_id IN [$2]
";

const NEXT_BUILTIN_VERSION: &str = "
SELECT CAST(COALESCE(MAX(version), 0) + 1 AS integer) AS next FROM rule_versions
WHERE name = $1 AND owner_account_id IS NULL
";

/// The owner of rules, whose row is locked.
pub(super) struct Owner {
    pub(super) id: AccountId,
    pub(super) path: AccountPath,
}

/// Keeps wasm under its digest; does nothing if it is already there.
pub(super) async fn artifact(
    txn: &impl ConnectionTrait,
    digest: &str,
    wasm: &[u8],
    configuration_schema: Option<serde_json::Value>,
) -> Result<()> {
    let row = rule_artifact::Model {
        digest: digest.to_owned(),
        wasm: wasm.to_vec(),
        configuration_schema,
        created_at: time::now(),
    };
    rule_artifact::Entity::insert(row.into_active_model())
        .on_conflict_do_nothing()
        .exec_without_returning(txn)
        .await?;
    Ok(())
}

/// Inserts a version. If another transaction took the same number first, this one is run again.
pub(super) async fn version(txn: &impl ConnectionTrait, row: rule_version::Model) -> Result<()> {
    let inserted = rule_version::Entity::insert(row.into_active_model())
        .exec_without_returning(txn)
        .await;
    match inserted {
        Ok(_) => Ok(()),
        Err(error) if breaks_uniqueness(&error) => Err(Error::internal(LostRace)),
        Err(error) => Err(error.into()),
    }
}

/// The number of the next version of the rule `name` of `owner`, or of the built-in rule.
pub(super) async fn next_number(
    txn: &impl ConnectionTrait,
    owner: Option<&AccountId>,
    name: &str,
) -> Result<i32> {
    let backend = txn.get_database_backend();
    let statement = match owner {
        Some(owner) => statement(backend, NEXT_VERSION, [name.into(), list([owner])]),
        None => statement(backend, NEXT_BUILTIN_VERSION, [name.into()]),
    };
    let row = txn.query_one_raw(statement).await?;
    let row = row.ok_or_else(|| Error::internal("an aggregate without a row"))?;
    Ok(row.try_get("", "next")?)
}

/// Makes those who upload, activate or use the rules of `owner` wait for each other until the transaction ends. Whoever
/// records usage in its tree is before or after this, and so is the time that is asked for from here on.
pub(super) async fn lock_owner(txn: &impl ConnectionTrait, owner: &AccountId) -> Result<Owner> {
    let backend = txn.get_database_backend();
    let found = statement(backend, LOCK_OWNER, [owner.as_str().into()]);
    let found = txn.query_one_raw(found).await?;
    let found = found.ok_or(Error::NotFound("account"))?;
    let path: AccountPath = found.try_get("", "path")?;
    lock_terms(txn, &path.root_id()).await?;
    Ok(Owner {
        id: found.try_get("", "id")?,
        path,
    })
}
