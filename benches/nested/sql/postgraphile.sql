-- What PostGraphile needs beside the tables: computed columns for what is worked out, each written as floor_L.sql has
-- it for one account.
CREATE TYPE account_permission AS (key text, level text);
CREATE TYPE account_resource AS (resource text, max integer, used integer);
CREATE TYPE account_usage AS (meter text, quantity text, amount text);

CREATE FUNCTION accounts_permissions(account accounts) RETURNS SETOF account_permission LANGUAGE sql STABLE AS $$
  WITH taken AS (
    SELECT l.key, min(CASE l.level WHEN 'NONE' THEN 0 WHEN 'FULL' THEN 2 ELSE 1 END) AS rank
    FROM permission_levels l WHERE l.account_id = ANY (string_to_array(rtrim(account.path, '/'), '/')) GROUP BY l.key
  )
  SELECT k.key, CASE least(own.rank, umbrella.rank) WHEN 0 THEN 'NONE' WHEN 1 THEN k.middle ELSE k.highest END
  FROM (VALUES
    (0,'CONVERSATIONS',NULL,'READ','READ'), (1,'TASKS',NULL,'FULL','READ'), (2,'AGENTS',NULL,'FULL','READ'),
    (3,'AGENT_GENERAL','AGENTS','FULL','READ'), (4,'AGENT_PROMPT','AGENTS','FULL','READ'),
    (5,'AGENT_KNOWLEDGE','AGENTS','FULL','READ'), (6,'AGENT_TOOLS','AGENTS','FULL','READ'),
    (7,'AGENT_CALL_FLOW','AGENTS','FULL','READ'), (8,'AGENT_ANALYTICS','AGENTS','FULL','READ'),
    (9,'AGENT_NOTIFICATIONS','AGENTS','FULL','READ'), (10,'KNOWLEDGE_BASES',NULL,'FULL','READ'),
    (11,'TELEPHONY',NULL,'FULL','READ'), (12,'PHONE_NUMBERS','TELEPHONY','FULL','READ'),
    (13,'SIP_TRUNKS','TELEPHONY','FULL','READ'), (14,'COMPLIANCE_PROFILES','TELEPHONY','FULL','READ'),
    (15,'CAMPAIGNS_AND_CONTACTS',NULL,'FULL','READ'), (16,'ACCOUNT',NULL,'FULL','LIMITED'),
    (17,'SETTINGS','ACCOUNT','FULL','READ'), (18,'MEMBERS','ACCOUNT','FULL','READ'),
    (19,'SUBACCOUNTS','ACCOUNT','FULL','READ'), (20,'TRUST_CENTER','ACCOUNT','FULL','READ'),
    (21,'SCHEDULES','ACCOUNT','FULL','READ'), (22,'DEVELOPERS',NULL,'FULL','READ'),
    (23,'INTEGRATIONS','DEVELOPERS','FULL','READ'), (24,'API_KEYS','DEVELOPERS','FULL','READ'),
    (25,'WEBHOOKS','DEVELOPERS','FULL','READ'), (26,'BILLING',NULL,'FULL','NONE'),
    (27,'USAGE','BILLING','FULL','NONE')
  ) k (place, key, umbrella, highest, middle)
  LEFT JOIN taken own ON own.key = k.key LEFT JOIN taken umbrella ON umbrella.key = k.umbrella
  ORDER BY k.place
$$;

CREATE FUNCTION accounts_resources(account accounts) RETURNS SETOF account_resource LANGUAGE sql STABLE AS $$
  WITH above AS (
    SELECT b.id, b.kind, b.plan_id FROM accounts b WHERE b.id = ANY (string_to_array(rtrim(account.path, '/'), '/'))
  )
  SELECT y.resource, min(y.max)::integer, (CASE y.resource
    WHEN 'api_keys' THEN (SELECT count(*) FROM api_keys k WHERE k.account_id = account.id
      AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now()))
    WHEN 'depth' THEN (SELECT count(*) FROM above WHERE kind = 'SUBACCOUNT')
    WHEN 'members' THEN account.member_count
    WHEN 'subaccounts' THEN account.subaccount_count
    ELSE 0 END)::integer
  FROM (
    SELECT c.key AS resource, c.value::bigint AS max
    FROM (SELECT DISTINCT plan_id FROM above) b JOIN plans p ON p.id = b.plan_id, jsonb_each_text(
      jsonb_set(p.limits_configuration -> 'caps', '{depth}', p.limits_configuration -> 'max_depth')) c
    UNION ALL SELECT l.resource, l.maximum FROM above b JOIN account_limits l ON l.account_id = b.id
    UNION ALL SELECT unnest(ARRAY['api_keys', 'depth', 'members', 'subaccounts']), NULL
  ) y GROUP BY y.resource ORDER BY y.resource
$$;

CREATE FUNCTION accounts_totals(account accounts, since timestamptz, until timestamptz)
RETURNS SETOF account_usage LANGUAGE sql STABLE AS $$
  SELECT g.meter, trim_scale(sum(g.quantity) * 0.000001)::text, trim_scale(sum(g.amount) * 0.000001)::text
  FROM usage_aggregates g WHERE g.account_id = account.id AND g.granularity = 'DAY'
    AND g.bucket_start >= since AND g.bucket_start < until
  GROUP BY g.meter ORDER BY g.meter
$$;

CREATE FUNCTION accounts_billing(account accounts) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN account.billing_mode = 'OWN' THEN 'INDEPENDENT'
    WHEN (SELECT b.status FROM billing_transfers b WHERE b.account_id = account.id ORDER BY b.id DESC LIMIT 1)
      = 'IN_PROGRESS' THEN 'IN_PROGRESS'
    ELSE 'PARENT_BILLED' END
$$;

COMMENT ON FUNCTION accounts_permissions(accounts) IS E'@simpleCollections only';
COMMENT ON FUNCTION accounts_resources(accounts) IS E'@simpleCollections only';
COMMENT ON FUNCTION accounts_totals(accounts, timestamptz, timestamptz) IS E'@simpleCollections only';
COMMENT ON COLUMN accounts.status IS E'@behavior +filterBy';
-- By its own name its type would be that of the edges of a connection to usage_holds.
COMMENT ON TABLE usage_hold_edges IS E'@name part_of_usage_hold';
