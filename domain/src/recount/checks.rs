//! What is compared, as statements that answer with no row where all is well. They add up what is counted, take off what is
//! kept, and show what is left; none of them uses the code that keeps the sums.

use sea_orm::DbBackend;

pub(super) struct Check {
    pub(super) what: &'static str,
    sql: &'static str,
}

impl Check {
    /// The statement, with times and paths as the database has them.
    pub(super) fn sql(&self, backend: DbBackend) -> String {
        let spellings = match backend {
            DbBackend::Sqlite => SQLITE,
            _ => POSTGRES,
        };
        let spelled = spellings
            .iter()
            .fold(self.sql.to_owned(), |sql, (word, meaning)| {
                sql.replace(word, meaning)
            });
        spelled.trim().to_owned()
    }
}

/// Where buckets begin, and the accounts of a path.
const POSTGRES: &[(&str, &str)] = &[
    (
        "{quarter}",
        "date_bin('15 minutes', counted_at, '2000-01-01T00:00:00Z')",
    ),
    ("{day}", "date_trunc('day', bucket_start, 'UTC')"),
    ("{month}", "date_trunc('month', bucket_start, 'UTC')"),
    (
        "{each above}",
        "LATERAL unnest(string_to_array(rtrim(a.path, '/'), '/')) AS above (value)",
    ),
];
const SQLITE: &[(&str, &str)] = &[
    (
        "{quarter}",
        "substr(counted_at, 1, 14) || printf('%02d', substr(counted_at, 15, 2) / 15 * 15) || ':00+00:00'",
    ),
    ("{day}", "substr(bucket_start, 1, 10) || 'T00:00:00+00:00'"),
    ("{month}", "substr(bucket_start, 1, 7) || '-01T00:00:00+00:00'"),
    (
        "{each above}",
        "json_each('[\"' || replace(rtrim(a.path, '/'), '/', '\",\"') || '\"]') AS above",
    ),
];

pub(super) const ALL: [Check; 20] = [
    Check {
        what: "Sums of accounts are the sums of their events",
        sql: "
WITH parts AS (
  SELECT e.account_id, coalesce(e.counted_at, e.occurred_at) AS counted_at, e.meter, e.quantity,
    CASE WHEN e.correction = 'REVERSAL' THEN -1 ELSE 1 END AS events, 0 AS amount
  FROM usage_events e
  UNION ALL
  SELECT e.account_id, coalesce(r.counted_at, e.counted_at, e.occurred_at), e.meter, 0, 0, r.price
  FROM ratings r JOIN usage_events e ON e.id = r.event_id AND e.account_id = r.buyer_account_id
), quarters AS (
  SELECT account_id, {quarter} AS bucket_start, meter, sum(quantity) AS quantity, sum(events) AS events, sum(amount) AS amount
  FROM parts GROUP BY 1, 2, 3
), both_sides AS (
  SELECT account_id, 'QUARTER' AS granularity, bucket_start, meter, -quantity AS quantity, -events AS events, -amount AS amount
  FROM quarters
  UNION ALL SELECT account_id, 'DAY', {day}, meter, -quantity, -events, -amount FROM quarters
  UNION ALL SELECT account_id, 'MONTH', {month}, meter, -quantity, -events, -amount FROM quarters
  UNION ALL SELECT account_id, granularity, bucket_start, meter, quantity, events, amount FROM usage_sums
)
SELECT account_id, granularity, bucket_start, meter, CAST(sum(quantity) AS bigint) AS quantity,
  CAST(sum(events) AS bigint) AS events, CAST(sum(amount) AS bigint) AS amount
FROM both_sides GROUP BY account_id, granularity, bucket_start, meter
HAVING sum(quantity) <> 0 OR sum(events) <> 0 OR sum(amount) <> 0",
    },
    Check {
        what: "Sums of trees are the sums of the events that were used in them",
        sql: "
WITH parts AS (
  SELECT e.account_id, e.path, coalesce(e.counted_at, e.occurred_at) AS counted_at, e.meter, e.quantity,
    CASE WHEN e.correction = 'REVERSAL' THEN -1 ELSE 1 END AS events, 0 AS amount
  FROM usage_events e
  UNION ALL
  SELECT e.account_id, e.path, coalesce(r.counted_at, e.counted_at, e.occurred_at), e.meter, 0, 0, r.price
  FROM ratings r JOIN usage_events e ON e.id = r.event_id AND e.account_id = r.buyer_account_id
), used AS (
  SELECT account_id, path, {quarter} AS bucket_start, meter, sum(quantity) AS quantity, sum(events) AS events,
    sum(amount) AS amount
  FROM parts GROUP BY 1, 2, 3, 4
), quarters AS (
  SELECT top.id AS account_id, a.bucket_start, a.meter, sum(a.quantity) AS quantity, sum(a.events) AS events,
    sum(CASE WHEN top.currency = used_by.currency THEN a.amount ELSE 0 END) AS amount
  FROM used a JOIN accounts used_by ON used_by.id = a.account_id
  CROSS JOIN {each above} JOIN accounts top ON top.id = above.value
  GROUP BY 1, 2, 3
), both_sides AS (
  SELECT account_id, 'QUARTER' AS granularity, bucket_start, meter, -quantity AS quantity, -events AS events, -amount AS amount
  FROM quarters
  UNION ALL SELECT account_id, 'DAY', {day}, meter, -quantity, -events, -amount FROM quarters
  UNION ALL SELECT account_id, 'MONTH', {month}, meter, -quantity, -events, -amount FROM quarters
  UNION ALL SELECT account_id, granularity, bucket_start, meter, tree_quantity, tree_events, tree_amount FROM usage_sums
)
SELECT account_id, granularity, bucket_start, meter, CAST(sum(quantity) AS bigint) AS quantity,
  CAST(sum(events) AS bigint) AS events, CAST(sum(amount) AS bigint) AS amount
FROM both_sides GROUP BY account_id, granularity, bucket_start, meter
HAVING sum(quantity) <> 0 OR sum(events) <> 0 OR sum(amount) <> 0",
    },
    Check {
        what: "Values of meters are those of the events that put them in",
        sql: "
WITH parts AS (
  SELECT v.account_id, coalesce(e.counted_at, e.occurred_at) AS counted_at, e.meter, v.value, v.quantity,
    CASE WHEN v.account_id = e.account_id THEN 1 ELSE 0 END AS own
  FROM valued_events v JOIN usage_events e ON e.id = v.event_id
), quarters AS (
  SELECT account_id, {quarter} AS bucket_start, meter, value, quantity, sum(own) AS own, count(*) AS tree
  FROM parts GROUP BY 1, 2, 3, 4, 5
), both_sides AS (
  SELECT account_id, 'QUARTER' AS granularity, bucket_start, meter, value, quantity, -own AS own, -tree AS tree FROM quarters
  UNION ALL SELECT account_id, 'DAY', {day}, meter, value, quantity, -own, -tree FROM quarters
  UNION ALL SELECT account_id, 'MONTH', {month}, meter, value, quantity, -own, -tree FROM quarters
  UNION ALL SELECT account_id, granularity, bucket_start, meter, value, quantity, own, tree FROM usage_values
)
SELECT account_id, granularity, bucket_start, meter, value, quantity,
  CAST(sum(own) AS bigint) AS own, CAST(sum(tree) AS bigint) AS tree
FROM both_sides GROUP BY account_id, granularity, bucket_start, meter, value, quantity
HAVING sum(own) <> 0 OR sum(tree) <> 0",
    },
    // Each is the event's quantity, or stands in its attributes; one that was taken out where it counted has none.
    Check {
        what: "An event that put a value in has it, and counts",
        sql: "
SELECT v.event_id, v.account_id, v.value FROM valued_events v WHERE NOT EXISTS (
  SELECT 1 FROM usage_events e WHERE e.id = v.event_id AND replace(e.path, v.account_id || '/', '') <> e.path
    AND (v.quantity = e.quantity AND v.value = CAST(e.quantity AS text)
      OR v.quantity = 0 AND (v.value LIKE 'sha256:%' OR replace(e.attributes, v.value, '') <> e.attributes))
    AND NOT EXISTS (SELECT 1 FROM usage_events r WHERE r.corrects_id = e.id AND r.correction = 'REVERSAL'
      AND coalesce(r.counted_at, r.occurred_at) = coalesce(e.counted_at, e.occurred_at)))",
    },
    Check {
        what: "A rated event has a rating for each seller above it, a pending one has none",
        sql: "
SELECT e.id AS event_id, e.rating_status, count(r.id) AS ratings
FROM usage_events e LEFT JOIN ratings r ON r.event_id = e.id
GROUP BY e.id, e.rating_status, e.path
HAVING count(r.id) <> CASE e.rating_status WHEN 'RATED' THEN length(e.path) - length(replace(e.path, '/', '')) - 1 ELSE 0 END",
    },
    Check {
        what: "Ratings are paid once and in full",
        sql: "
WITH both_sides AS (
  SELECT batch_id, seller_account_id AS account_id, currency, -price AS amount FROM ratings
  UNION ALL
  SELECT p.batch_id, l.account_id, p.currency, p.amount FROM postings p JOIN ledger_accounts l ON l.id = p.credit_id
  WHERE p.kind = 'USAGE' AND l.kind = 'REVENUE'
  UNION ALL
  SELECT p.batch_id, l.account_id, p.currency, -p.amount FROM postings p JOIN ledger_accounts l ON l.id = p.debit_id
  WHERE p.kind = 'REVERSAL' AND l.kind = 'REVENUE'
)
SELECT batch_id, account_id, currency, CAST(sum(amount) AS bigint) AS amount FROM both_sides
GROUP BY batch_id, account_id, currency HAVING sum(amount) <> 0",
    },
    Check {
        what: "Behind each posting of usage is a rating",
        sql: "
SELECT p.id AS posting_id, p.batch_id FROM postings p
WHERE p.kind IN ('USAGE', 'REVERSAL') AND NOT EXISTS (SELECT 1 FROM ratings r WHERE r.batch_id = p.batch_id)",
    },
    Check {
        what: "Sellers and rules find what was rated",
        sql: "
SELECT r.id AS rating_id FROM ratings r WHERE r.reverses_id IS NULL AND NOT EXISTS (
  SELECT 1 FROM rated_batches b WHERE b.rated_by = r.seller_account_id AND b.batch_id = r.batch_id
    AND r.event_id >= b.first_event_id AND r.event_id <= b.last_event_id)
UNION ALL
SELECT r.id FROM ratings r WHERE r.rule_version_id IS NOT NULL AND NOT EXISTS (
  SELECT 1 FROM rated_batches b WHERE b.rated_by = r.rule_version_id AND b.batch_id = r.batch_id
    AND r.event_id >= b.first_event_id AND r.event_id <= b.last_event_id)",
    },
    Check {
        what: "What is taken back is the opposite of what it takes back",
        sql: "
SELECT b.id AS rating_id FROM ratings b WHERE b.reverses_id IS NOT NULL AND NOT EXISTS (
  SELECT 1 FROM ratings r JOIN usage_events e ON e.id = b.event_id
  WHERE r.id = b.reverses_id AND r.event_id = e.corrects_id AND r.edge = b.edge AND r.price = -b.price AND r.cost = -b.cost
    AND r.seller_account_id = b.seller_account_id AND r.buyer_account_id = b.buyer_account_id)
UNION ALL
SELECT b.id FROM usage_events b WHERE b.correction = 'REVERSAL' AND NOT EXISTS (
  SELECT 1 FROM usage_events e WHERE e.id = b.corrects_id AND e.account_id = b.account_id AND e.meter = b.meter
    AND e.quantity = -b.quantity AND e.occurred_at = b.occurred_at)",
    },
    // There are no foreign keys on rows that are written by the thousand.
    Check {
        what: "Events and ratings name what is there",
        sql: "
SELECT e.id FROM usage_events e WHERE NOT EXISTS (SELECT 1 FROM accounts a WHERE a.id = e.account_id)
UNION ALL
SELECT r.id FROM ratings r WHERE NOT EXISTS (SELECT 1 FROM usage_events e WHERE e.id = r.event_id)
  OR NOT EXISTS (SELECT 1 FROM accounts a WHERE a.id = r.seller_account_id)
  OR NOT EXISTS (SELECT 1 FROM accounts a WHERE a.id = r.buyer_account_id)
  OR (r.rule_version_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM rule_versions v WHERE v.id = r.rule_version_id))",
    },
    Check {
        what: "Totals of the ledger are the sums of its postings",
        sql: "
WITH both_sides AS (
  SELECT debit_id AS id, -amount AS debits, 0 AS credits FROM postings
  UNION ALL SELECT credit_id, 0, -amount FROM postings
  UNION ALL SELECT id, debits, credits FROM ledger_accounts
)
SELECT id AS ledger_account_id, CAST(sum(debits) AS bigint) AS debits, CAST(sum(credits) AS bigint) AS credits FROM both_sides
GROUP BY id HAVING sum(debits) <> 0 OR sum(credits) <> 0",
    },
    Check {
        what: "Debits equal credits in each currency",
        sql: "
SELECT currency, CAST(sum(debits) - sum(credits) AS bigint) AS amount FROM ledger_accounts
GROUP BY currency HAVING sum(debits) <> sum(credits)",
    },
    Check {
        what: "No wallet is below zero",
        sql: "
SELECT id AS ledger_account_id, account_id, kind, credits - debits AS balance FROM ledger_accounts
WHERE kind IN ('PURCHASED', 'POOL', 'HELD') AND credits < debits",
    },
    Check {
        what: "Held credits are those of open holds",
        sql: "
WITH both_sides AS (
  SELECT e.buyer_account_id AS account_id, h.currency, -(e.purchased + e.pool) AS amount
  FROM usage_hold_edges e JOIN usage_holds h ON h.id = e.hold_id WHERE h.status = 'HELD'
  UNION ALL SELECT account_id, currency, credits - debits FROM ledger_accounts WHERE kind = 'HELD'
)
SELECT account_id, currency, CAST(sum(amount) AS bigint) AS amount FROM both_sides
GROUP BY account_id, currency HAVING sum(amount) <> 0",
    },
    // Wallet by wallet: what a hold took it gives back once it has ended. What it is then charged is usage like any other.
    Check {
        what: "Each hold takes what it holds, and gives it back when it ends",
        sql: "
WITH both_sides AS (
  SELECT e.hold_id, e.buyer_account_id AS account_id, 'PURCHASED' AS kind, -e.purchased AS held, 0 AS released
  FROM usage_hold_edges e
  UNION ALL SELECT e.hold_id, e.buyer_account_id, 'POOL', -e.pool, 0 FROM usage_hold_edges e
  UNION ALL SELECT e.hold_id, e.buyer_account_id, 'PURCHASED', 0, -e.purchased
  FROM usage_hold_edges e JOIN usage_holds h ON h.id = e.hold_id WHERE h.status <> 'HELD'
  UNION ALL SELECT e.hold_id, e.buyer_account_id, 'POOL', 0, -e.pool
  FROM usage_hold_edges e JOIN usage_holds h ON h.id = e.hold_id WHERE h.status <> 'HELD'
  UNION ALL SELECT p.hold_id, l.account_id, l.kind, p.amount, 0
  FROM postings p JOIN ledger_accounts l ON l.id = p.debit_id WHERE p.kind = 'HOLD'
  UNION ALL SELECT p.hold_id, l.account_id, l.kind, 0, p.amount
  FROM postings p JOIN ledger_accounts l ON l.id = p.credit_id WHERE p.kind = 'RELEASE'
)
SELECT hold_id, account_id, kind, CAST(sum(held) AS bigint) AS held, CAST(sum(released) AS bigint) AS released
FROM both_sides GROUP BY hold_id, account_id, kind HAVING sum(held) <> 0 OR sum(released) <> 0",
    },
    Check {
        what: "A settled hold has its event, and that costs no more than was held",
        sql: "
SELECT h.id AS hold_id FROM usage_holds h WHERE h.status = 'SETTLED' AND NOT EXISTS (
  SELECT 1 FROM usage_events e WHERE e.id = h.event_id AND e.account_id = h.account_id AND e.meter = h.meter
    AND e.quantity <= h.quantity)
UNION ALL
SELECT h.id FROM usage_holds h JOIN usage_hold_edges e ON e.hold_id = h.id
JOIN ratings r ON r.event_id = h.event_id AND r.edge = e.edge
WHERE r.price > e.price OR (r.rule_version_id IS NULL) <> (e.rule_version_id IS NULL) OR r.rule_version_id <> e.rule_version_id",
    },
    Check {
        what: "Accounts have as many members and subaccounts as they say",
        sql: "
SELECT a.id AS account_id, a.member_count, a.subaccount_count FROM accounts a
WHERE a.member_count <> (SELECT count(*) FROM members m WHERE m.account_id = a.id)
  OR a.subaccount_count <> (SELECT count(*) FROM accounts c WHERE c.parent_id = a.id AND c.status <> 'CLOSED')",
    },
    Check {
        what: "Accounts stand below their parents",
        sql: "
SELECT a.id AS account_id, a.path FROM accounts a LEFT JOIN accounts p ON p.id = a.parent_id
WHERE a.path <> coalesce(p.path, '') || a.id || '/' OR a.depth <> coalesce(p.depth + 1, 0)",
    },
    // Along which path each was sold is part of it; which of them held is said by the time of use, as far as it was known.
    Check {
        what: "Usage was sold along a path on which its account stood",
        sql: "
SELECT e.id AS event_id, e.path FROM usage_events e JOIN accounts a ON a.id = e.account_id
WHERE e.path <> a.path AND NOT EXISTS (
  SELECT 1 FROM account_positions s WHERE s.account_id = e.account_id AND s.path = e.path
    AND (s.until > e.occurred_at OR s.until > e.recorded_at))",
    },
    Check {
        what: "News has its places without gap",
        sql: "
SELECT max(position) AS last, CAST(sum(events) AS bigint) AS told FROM outbox WHERE position IS NOT NULL
HAVING max(position) <> sum(events)",
    },
];
