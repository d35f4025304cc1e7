// Named prepared statements, one for each batch, behind DataLoaders that live as long as a request.

import DataLoader from 'dataloader';
import pg from 'pg';

// Counts and sums are numbers: they are far below 2^53.
pg.types.setTypeParser(20, Number);

const pool = new pg.Pool({
  connectionString: process.env.DATABASE_URL,
  max: Number(process.env.POOL),
  idleTimeoutMillis: 0,
});

const ACCOUNT = 'id, parent_id, path, kind, name, plan_id, billing_mode';
const STATEMENTS = {
  accounts: `SELECT ${ACCOUNT} FROM accounts WHERE id = ANY ($1)`,
  children: `SELECT a.* FROM unnest($1::text[]) parent CROSS JOIN LATERAL (
      SELECT ${ACCOUNT} FROM accounts WHERE parent_id = parent AND status <> 'CLOSED' ORDER BY id LIMIT $2) a`,
  plans: 'SELECT id, name, limits_configuration FROM plans WHERE id = ANY ($1)',
  members: `SELECT m.* FROM unnest($1::text[]) account CROSS JOIN LATERAL (
      SELECT m.id, m.account_id, m.role, u.email FROM members m JOIN users u ON u.id = m.user_id
      WHERE m.account_id = account ORDER BY m.id LIMIT $2) m`,
  memberCounts: 'SELECT id AS account_id, member_count AS count FROM accounts WHERE id = ANY ($1)',
  childCounts: 'SELECT id AS parent_id, subaccount_count AS count FROM accounts WHERE id = ANY ($1)',
  keyCounts: `SELECT account_id, count(*) FROM api_keys WHERE account_id = ANY ($1) AND revoked_at IS NULL
      AND (expires_at IS NULL OR expires_at > now()) GROUP BY account_id`,
  levels: 'SELECT account_id, key, level FROM permission_levels WHERE account_id = ANY ($1)',
  limits: 'SELECT account_id, resource, maximum FROM account_limits WHERE account_id = ANY ($1)',
  usage: `SELECT account_id, meter, sum(quantity)::bigint AS quantity, sum(amount)::bigint AS amount
      FROM usage_aggregates
      WHERE account_id = ANY ($1) AND granularity = 'DAY' AND bucket_start >= $2 AND bucket_start < $3
      GROUP BY account_id, meter ORDER BY account_id, meter`,
  transfers: `SELECT DISTINCT ON (account_id) account_id, status FROM billing_transfers
      WHERE account_id = ANY ($1) ORDER BY account_id, id DESC`,
};

async function read(name, ...values) {
  const { rows } = await pool.query({ name, text: STATEMENTS[name], values });
  return rows;
}

/** The rows of each key, in the order of the keys. */
function grouped(keys, rows, column) {
  const groups = new Map(keys.map((key) => [key, []]));
  for (const row of rows) groups.get(row[column])?.push(row);
  return keys.map((key) => groups.get(key));
}

function single(keys, rows, column) {
  const found = new Map(rows.map((row) => [row[column], row]));
  return keys.map((key) => found.get(key) ?? null);
}

/** A loader for each different set of arguments. */
function by(load) {
  const loaders = new Map();
  return (...values) => {
    const known = JSON.stringify(values);
    let loader = loaders.get(known);
    if (!loader) loaders.set(known, (loader = new DataLoader((keys) => load(keys, ...values))));
    return loader;
  };
}

export function makeLoaders() {
  const one = (name, column) => new DataLoader(async (keys) => single(keys, await read(name, keys), column));
  const many = (name) => new DataLoader(async (keys) => grouped(keys, await read(name, keys), 'account_id'));
  return {
    account: one('accounts', 'id'),
    plan: one('plans', 'id'),
    memberCount: one('memberCounts', 'account_id'),
    childCount: one('childCounts', 'parent_id'),
    keyCount: one('keyCounts', 'account_id'),
    transfer: one('transfers', 'account_id'),
    levels: many('levels'),
    limits: many('limits'),
    members: by(async (keys, first) => grouped(keys, await read('members', keys, first), 'account_id')),
    children: by(async (keys, first) => grouped(keys, await read('children', keys, first), 'parent_id')),
    usage: by(async (keys, start, end) => grouped(keys, await read('usage', keys, start, end), 'account_id')),
  };
}
