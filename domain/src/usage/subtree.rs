//! The tables of a statement that adds up sums of subtrees, joined in the one order that costs what the subtrees hold
//! and not what the table holds.
//!
//! No planner can know how many accounts a range of paths has, and one that expects many reads all sums of all
//! tenants. PostgreSQL is kept from that by LATERAL with OFFSET 0; SQLite keeps to the order of a CROSS JOIN.

use sea_orm::DbBackend;

/// The account and all below it.
pub(crate) const ITSELF_AND_BELOW: &str =
    "a.path >= r.path AND a.path < substr(r.path, 1, length(r.path) - 1) || '0'";

/// `FROM … WHERE …`: for each account `r` the accounts `a` that are `counted`, and of each its `wanted` rows `g` of
/// `usage_aggregates`. Conditions on `r` and `g` may be added by AND; one with a list belongs there, where it is read
/// once and not for each account.
pub(crate) fn sums_of(backend: DbBackend, counted: &str, wanted: &str) -> String {
    match backend {
        DbBackend::Sqlite => format!(
            "FROM accounts r CROSS JOIN accounts a CROSS JOIN usage_aggregates g
             WHERE {counted} AND g.account_id = a.id AND {wanted}"
        ),
        _ => format!(
            "FROM accounts r
             CROSS JOIN LATERAL (SELECT a.id, a.currency FROM accounts a WHERE {counted} OFFSET 0) a
             CROSS JOIN LATERAL
               (SELECT g.* FROM usage_aggregates g WHERE g.account_id = a.id AND {wanted} OFFSET 0) g
             WHERE true"
        ),
    }
}
