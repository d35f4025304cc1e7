-- What is long and what is deep, below the first main account: an account with 10,000 subaccounts, and five levels of 25
-- accounts, the first of which has those of the next level below it. Each has ten members.
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
