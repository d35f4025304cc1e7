//! The terms of trees: how often anything changed that prices depend on, and which months are closed.
//!
//! Who records usage holds them to the end of its transaction, beside others who do, and so does who makes an account; who
//! changes them, or moves accounts, waits for those and keeps out who comes later.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use canopy_entity::AccountId;
use canopy_entity::time::Timestamp;
use sea_orm::{ConnectionTrait, DbBackend};

use crate::statement::{list, statement};
use crate::store::{Given, Query};
use crate::{Domain, Error, Result};

const TERMS: &str =
    "SELECT root_id, version, closed_until FROM tree_terms WHERE root_id IN [$1] ORDER BY root_id";

static READ_TERMS: LazyLock<Query> = LazyLock::new(|| Query::new(TERMS));

/// First the lock that is given in turn, and then that of the row, which shows it as it is by then.
const HELD: &str = "
SELECT t.root_id, t.version, t.closed_until
FROM tree_terms t CROSS JOIN LATERAL (SELECT tree_terms_shared(t.root_id) OFFSET 0) AS held
WHERE t.root_id IN [$1] ORDER BY t.root_id FOR SHARE OF t
";

const ALONE: &str = "SELECT tree_terms_alone($1)";

const LOCK: &str = "SELECT closed_until FROM tree_terms WHERE root_id = $1 [FOR NO KEY UPDATE]";

/// What holds for whole trees, by their roots.
pub(super) type Terms = BTreeMap<AccountId, Term>;

/// What holds for a whole tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Term {
    /// How often anything changed.
    pub(super) version: i64,
    /// The end of the last month that is closed; none if none is.
    pub(super) closed_until: Option<Timestamp>,
}

impl Domain {
    /// The terms of trees, outside a transaction: each request with usage asks for them, and is answered together with others.
    pub(super) async fn tree_terms(&self, roots: &BTreeSet<AccountId>) -> Result<Terms> {
        let ids: Vec<&str> = roots.iter().map(AccountId::as_str).collect();
        let rows = self.rows(&READ_TERMS, &[Given::Texts(&ids)]).await?;
        let terms = rows.iter().map(|row| {
            let term = Term {
                version: row.number(1)?,
                closed_until: row.value(2)?,
            };
            Ok((row.parsed(0)?, term))
        });
        counted(terms.collect::<Result<Terms>>()?, roots)
    }
}

/// The terms of trees.
pub(super) async fn read(db: &impl ConnectionTrait, roots: &BTreeSet<AccountId>) -> Result<Terms> {
    answered(db, TERMS, roots).await
}

/// The terms of trees, which stay so until the transaction ends. Only in one: a lock is written, and outside it would be a
/// transaction of its own that waits for the disk.
pub(super) async fn hold(txn: &impl ConnectionTrait, roots: &BTreeSet<AccountId>) -> Result<Terms> {
    let sql = match txn.get_database_backend() {
        DbBackend::Sqlite => TERMS,
        _ => HELD,
    };
    answered(txn, sql, roots).await
}

/// Keeps the tree's terms as they are until the transaction ends, for whom it does not matter what they are.
pub(crate) async fn hold_terms(txn: &impl ConnectionTrait, root: &AccountId) -> Result<()> {
    hold(txn, &BTreeSet::from([root.clone()])).await.map(drop)
}

/// Keeps the terms of a tree from being held or changed by others until the transaction ends. Answers the end of the last month
/// that is closed; none if none is.
pub(crate) async fn lock_terms(txn: &impl ConnectionTrait, root: &AccountId) -> Result<Option<Timestamp>> {
    let backend = txn.get_database_backend();
    if backend != DbBackend::Sqlite {
        let alone = statement(backend, ALONE, [root.as_str().into()]);
        txn.query_one_raw(alone).await?;
    }
    let row = txn.query_one_raw(statement(backend, LOCK, [root.as_str().into()]));
    let row = row.await?.ok_or_else(not_counted)?;
    Ok(row.try_get("", "closed_until")?)
}

async fn answered(db: &impl ConnectionTrait, sql: &str, roots: &BTreeSet<AccountId>) -> Result<Terms> {
    let rows = db
        .query_all_raw(statement(db.get_database_backend(), sql, [list(roots)]))
        .await?;
    let terms = rows.iter().map(|row| {
        let term = Term {
            version: row.try_get("", "version")?,
            closed_until: row.try_get("", "closed_until")?,
        };
        Ok((row.try_get("", "root_id")?, term))
    });
    counted(terms.collect::<Result<Terms>>()?, roots)
}

/// The terms, if they are those of all `roots`.
fn counted(terms: Terms, roots: &BTreeSet<AccountId>) -> Result<Terms> {
    match terms.len() == roots.len() {
        true => Ok(terms),
        false => Err(not_counted()),
    }
}

fn not_counted() -> Error {
    Error::internal("a tree whose terms are not counted")
}
