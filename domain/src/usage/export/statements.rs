//! What an export reads, in both dialects. Where the accounts are a list, each is looked up by its index: no planner knows
//! how many a list has, and one that expects many reads the rows of all tenants. An event is of the period in which it
//! counts, as it is in the sums.

use sea_orm::DbBackend;

use crate::usage::totals::Joined;

/// A statement in both dialects.
pub(super) struct Spelled {
    postgres: &'static str,
    sqlite: &'static str,
}

impl Spelled {
    const fn alike(sql: &'static str) -> Self {
        Self {
            postgres: sql,
            sqlite: sql,
        }
    }

    pub(super) fn of(&self, backend: DbBackend) -> &'static str {
        match backend {
            DbBackend::Sqlite => self.sqlite,
            _ => self.postgres,
        }
    }
}

/// The accounts below a path.
pub(super) const BELOW: &str =
    "SELECT id, path FROM accounts WHERE path > $1 AND path < $2 ORDER BY path LIMIT $3";

/// The events of accounts, in any order.
pub(super) const EVENTS_OF: Spelled = Spelled {
    postgres: "
SELECT e.*, {amount} AS amount, {currency} AS currency
FROM jsonb_array_elements_text($1) AS asked
CROSS JOIN LATERAL (
  SELECT * FROM usage_events e
  WHERE e.account_id = asked.value AND coalesce(e.counted_at, e.occurred_at) >= $2
    AND coalesce(e.counted_at, e.occurred_at) < $3 {meters}
  ORDER BY e.id LIMIT $4) e
LIMIT $4",
    sqlite: "
SELECT e.*, {amount} AS amount, {currency} AS currency
FROM json_each($1) AS asked
CROSS JOIN usage_events e
WHERE e.account_id = asked.value AND coalesce(e.counted_at, e.occurred_at) >= $2
    AND coalesce(e.counted_at, e.occurred_at) < $3 {meters}
LIMIT $4",
};
/// The next events of one account.
pub(super) const EVENTS: Spelled = Spelled::alike(
    "
SELECT e.*, {amount} AS amount, {currency} AS currency
FROM usage_events e
WHERE e.account_id = $1 AND coalesce(e.counted_at, e.occurred_at) >= $2
    AND coalesce(e.counted_at, e.occurred_at) < $3 AND e.id > $5 {meters}
ORDER BY e.id LIMIT $4",
);
/// The sums of accounts, in any order. `{start}` is where the bucket of a sum begins that is kept.
pub(super) const SUMS_OF: Spelled = Spelled {
    postgres: "
SELECT asked.value AS account_id, g.* FROM jsonb_array_elements_text($1) AS asked
CROSS JOIN LATERAL (
  SELECT {start} AS bucket_start, e.meter, {sums} FROM usage_sums e
  WHERE e.account_id = asked.value AND e.granularity = $5 AND e.bucket_start >= $2 AND e.bucket_start < $3 {meters}
  GROUP BY 1, 2 {any}
  LIMIT $4) g
LIMIT $4",
    sqlite: "
SELECT e.account_id, {start} AS bucket_start, e.meter, {sums} FROM ({joined}) e
WHERE true {meters}
GROUP BY 1, 2, 3 {any}
LIMIT $4",
};
/// The next sums of one account.
pub(super) const SUMS: Spelled = Spelled::alike(
    "
SELECT e.account_id, {start} AS bucket_start, e.meter, {sums} FROM usage_sums e
WHERE e.account_id = $1 AND e.granularity = $5 AND e.bucket_start >= $2 AND e.bucket_start < $3
  AND ({start}, e.meter) > ($6, $7) {meters}
GROUP BY 1, 2, 3 {any}
ORDER BY 2, 3 LIMIT $4",
);
/// The statement for events, with what the last seller of each charged.
pub(super) fn of_events(sql: &str, backend: DbBackend) -> String {
    let (amount, currency) = match backend {
        DbBackend::Sqlite => (
            "json_extract(e.ratings, '$.edges[#-1][1]')",
            "nullif(json_extract(e.ratings, '$.currency'), '')",
        ),
        _ => (
            "CAST(CAST(e.ratings AS jsonb) -> 'edges' -> -1 ->> 1 AS bigint)",
            "nullif(CAST(e.ratings AS jsonb) ->> 'currency', '')",
        ),
    };
    sql.replace("{amount}", amount).replace("{currency}", currency)
}

/// What a bucket holds, and that it holds anything.
const SUMS_ARE: &str = "CAST(SUM(e.quantity) AS bigint) AS quantity, CAST(SUM(e.events) AS bigint) AS events,
  CAST(SUM(e.amount) AS bigint) AS amount";
const ANY: &str = "HAVING SUM(e.quantity) <> 0 OR SUM(e.events) <> 0 OR SUM(e.amount) <> 0";

/// The statement for buckets that are kept, or for hours, which are made of quarters.
pub(super) fn of_buckets(sql: &str, backend: DbBackend, are_kept: bool) -> String {
    let start = match (are_kept, backend) {
        (true, _) => "e.bucket_start",
        (false, DbBackend::Sqlite) => "substr(e.bucket_start, 1, 13) || ':00:00+00:00'",
        (false, _) => "date_trunc('hour', e.bucket_start, 'UTC')",
    };
    let joined = Joined {
        columns: "g.account_id",
        asked: "json_each($1) AS asked",
        account: "asked.value",
        length: "$5",
        from: "$2",
        until: "$3",
        wanted: "",
    };
    let sql = sql.replace("{joined}", &joined.sql()).replace("{start}", start);
    sql.replace("{sums}", SUMS_ARE).replace("{any}", ANY)
}
