-- What is long and what is deep, below the first main account: an account with 10,000 subaccounts, and five levels of 25
-- accounts, the first of which has those of the next level below it. Each has ten members. What the 10,000 used in June, three
-- meters on each day, is added up as events would have been: of each its own, and of the one above that of its tree.
CREATE FUNCTION pg_temp.own_id(number integer) RETURNS text LANGUAGE sql AS $$
  SELECT 'acc_01jgfjk0' || lpad(number::text, 18, '0')
$$;
CREATE FUNCTION pg_temp.plant(parent text, first integer, count integer) RETURNS void LANGUAGE sql AS $$
  INSERT INTO accounts (id, parent_id, path, depth, kind, name, status, currency, plan_id, plan_inherited, billing_mode,
                        credit_mode, created_at, updated_at)
  SELECT own.id, above.id, above.path || own.id || '/', above.depth + 1, 'SUBACCOUNT', 'Account ' || own.number, 'ACTIVE',
         above.currency, above.plan_id, true, 'PARENT', 'MANUAL', above.created_at, above.created_at
  FROM accounts above, LATERAL (
    SELECT number, pg_temp.own_id(number) AS id FROM generate_series(first, first + count - 1) AS number) AS own
  WHERE above.id = parent
$$;
SELECT pg_temp.plant((SELECT id FROM accounts WHERE kind = 'MAIN' ORDER BY id LIMIT 1), 1, 2);
SELECT pg_temp.plant(pg_temp.own_id(1), 1001, 10000);
SELECT pg_temp.plant(pg_temp.own_id(2), 20001, 25);
SELECT pg_temp.plant(pg_temp.own_id(20001), 20101, 25);
SELECT pg_temp.plant(pg_temp.own_id(20101), 20201, 25);
SELECT pg_temp.plant(pg_temp.own_id(20201), 20301, 25);
SELECT pg_temp.plant(pg_temp.own_id(20301), 20401, 25);
INSERT INTO members (id, account_id, user_id, role, created_at)
SELECT 'mem_01jgfjk0' || lpad((row_number() OVER ())::text, 18, '0'), a.id, u.id, 'MEMBER', a.created_at
FROM accounts a, (SELECT id FROM users ORDER BY id LIMIT 10) u WHERE a.id >= pg_temp.own_id(0);
CREATE TEMP TABLE used AS
  SELECT a.id AS account_id, a.parent_id, granularity, bucket_start, meter,
         (1 + (a.number + day) % 7) * 1000000::bigint AS quantity, 2::bigint AS events, 50000::bigint AS amount
  FROM (SELECT id, parent_id, row_number() OVER (ORDER BY id) AS number FROM accounts WHERE parent_id = pg_temp.own_id(1)) a,
    generate_series(0, 29) AS day, unnest(ARRAY['call_minutes', 'messages', 'tokens']) AS meter,
    LATERAL (VALUES ('DAY', timestamptz '2025-06-01T00:00:00Z' + day * interval '1 day'),
                    ('MONTH', timestamptz '2025-06-01T00:00:00Z')) AS bucket (granularity, bucket_start);
INSERT INTO usage_aggregates (account_id, granularity, bucket_start, meter, quantity, events, amount,
                              tree_quantity, tree_events, tree_amount)
  SELECT account_id, granularity, bucket_start, meter, SUM(quantity), SUM(events), SUM(amount),
         SUM(quantity), SUM(events), SUM(amount)
  FROM used GROUP BY account_id, granularity, bucket_start, meter;
INSERT INTO usage_aggregates (account_id, granularity, bucket_start, meter, quantity, events, amount,
                              tree_quantity, tree_events, tree_amount)
  SELECT parent_id, granularity, bucket_start, meter, 0, 0, 0, SUM(quantity), SUM(events), SUM(amount)
  FROM used GROUP BY parent_id, granularity, bucket_start, meter;
