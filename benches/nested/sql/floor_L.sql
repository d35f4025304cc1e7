-- The large query in one statement: floor_M.sql and more. A level of a permission is the least that the account and
-- those above it leave to the key and to its umbrella; a benchmark's reader is granted everything.
WITH root AS MATERIALIZED (
  SELECT a.id, a.name, a.plan_id, a.kind, a.member_count, a.subaccount_count,
    string_to_array(rtrim(a.path, '/'), '/') AS path
  FROM accounts a WHERE a.id = $1
), above AS MATERIALIZED (
  SELECT b.plan_id, b.kind FROM root, accounts b WHERE b.id = ANY (root.path)
), child AS MATERIALIZED (
  SELECT s.id, s.name, s.kind, s.plan_id, s.billing_mode, s.member_count, s.subaccount_count FROM accounts s
  WHERE s.parent_id = $1 AND s.status <> 'CLOSED' ORDER BY s.id LIMIT 25
), cap AS MATERIALIZED (
  SELECT p.id AS plan_id, c.key AS resource, c.value::bigint AS max
  FROM plans p, jsonb_each_text(
    jsonb_set(p.limits_configuration -> 'caps', '{depth}', p.limits_configuration -> 'max_depth')) c
  WHERE p.id IN (SELECT plan_id FROM child UNION SELECT plan_id FROM above)
), inherited AS MATERIALIZED (
  SELECT resource, min(max) AS max FROM (
    SELECT c.resource, c.max FROM above b JOIN cap c ON c.plan_id = b.plan_id
    UNION ALL SELECT l.resource, l.maximum FROM root JOIN account_limits l ON l.account_id = ANY (root.path)
    UNION ALL SELECT unnest(ARRAY['api_keys', 'depth', 'members', 'subaccounts']), NULL
  ) x GROUP BY resource
), planned AS MATERIALIZED (
  SELECT plan_id, resource, min(max) AS max FROM (
    SELECT plan_id, resource, max FROM cap
    UNION ALL SELECT p.plan_id, i.resource, i.max FROM (SELECT DISTINCT plan_id FROM child) p, inherited i
  ) x GROUP BY plan_id, resource
), matrix (place, key, umbrella, highest, middle) AS MATERIALIZED (
  VALUES
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
), taken AS MATERIALIZED (
  SELECT l.key, min(CASE l.level WHEN 'NONE' THEN 0 WHEN 'FULL' THEN 2 ELSE 1 END) AS rank
  FROM root JOIN permission_levels l ON l.account_id = ANY (root.path) GROUP BY l.key
), bounded AS MATERIALIZED (
  SELECT k.place, k.key, k.umbrella, k.highest, k.middle, least(own.rank, umbrella.rank) AS rank
  FROM matrix k LEFT JOIN taken own ON own.key = k.key LEFT JOIN taken umbrella ON umbrella.key = k.umbrella
  ORDER BY k.place
)
SELECT '{"data":{"account":' || (
  SELECT row_to_json(answer) FROM (
    SELECT root.id, root.name,
      (SELECT row_to_json(x) FROM (SELECT p.name FROM plans p WHERE p.id = root.plan_id) x) AS plan,
      (SELECT json_build_object('edges', coalesce(json_agg(edge), '[]'::json)) FROM (
        SELECT row_to_json(node) AS node FROM (
          SELECT m.id, m.role, (SELECT row_to_json(x) FROM (SELECT u.email) x) AS "user"
          FROM members m JOIN users u ON u.id = m.user_id
          WHERE m.account_id = root.id ORDER BY m.id LIMIT 10) node) edge) AS members,
      (SELECT json_build_object('permissions', json_agg(x)) FROM (
        SELECT k.key, CASE k.rank WHEN 0 THEN 'NONE' WHEN 1 THEN k.middle ELSE k.highest END AS level
        FROM bounded k ORDER BY k.place) x) AS "permissionSet",
      (SELECT json_build_object('resources', json_agg(x)) FROM (
        SELECT y.resource, min(y.max) AS max, CASE y.resource
          WHEN 'api_keys' THEN (SELECT count(*) FROM api_keys k WHERE k.account_id = root.id
            AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now()))
          WHEN 'depth' THEN (SELECT count(*) FROM above WHERE kind = 'SUBACCOUNT')
          WHEN 'members' THEN root.member_count
          WHEN 'subaccounts' THEN root.subaccount_count
          ELSE 0 END AS used
        FROM (SELECT resource, max FROM inherited) y GROUP BY y.resource ORDER BY y.resource) x) AS limits,
      (SELECT json_build_object('totals', coalesce(json_agg(x), '[]'::json)) FROM (
        SELECT g.meter, trim_scale(sum(g.quantity) * 0.000001)::text AS quantity,
          (SELECT row_to_json(x) FROM (SELECT trim_scale(sum(g.amount) * 0.000001)::text AS amount) x) AS amount
        FROM usage_aggregates g WHERE g.account_id = root.id AND g.granularity = 'DAY'
          AND g.bucket_start >= '2025-06-01T00:00:00Z' AND g.bucket_start < '2025-07-01T00:00:00Z'
        GROUP BY g.meter ORDER BY g.meter) x) AS usage,
      (SELECT json_build_object('edges', coalesce(json_agg(edge), '[]'::json)) FROM (
        SELECT row_to_json(node) AS node FROM (
        SELECT s.id, s.name,
          (SELECT json_build_object(
            'totalCount', s.member_count,
            'edges', coalesce(json_agg(edge), '[]'::json)) FROM (
            SELECT row_to_json(node) AS node FROM (
              SELECT m.id, m.role, (SELECT row_to_json(x) FROM (SELECT u.email) x) AS "user"
              FROM members m JOIN users u ON u.id = m.user_id
              WHERE m.account_id = s.id ORDER BY m.id LIMIT 25) node) edge) AS members,
          (SELECT json_build_object('permissions', json_agg(x)) FROM (
            SELECT k.key, CASE least(k.rank,
                CASE own.level WHEN 'NONE' THEN 0 WHEN 'FULL' THEN 2 WHEN 'READ' THEN 1 WHEN 'LIMITED' THEN 1 END,
                CASE umbrella.level WHEN 'NONE' THEN 0 WHEN 'FULL' THEN 2 WHEN 'READ' THEN 1 WHEN 'LIMITED' THEN 1 END)
              WHEN 0 THEN 'NONE' WHEN 1 THEN k.middle ELSE k.highest END AS level
            FROM bounded k
            LEFT JOIN permission_levels own ON own.account_id = s.id AND own.key = k.key
            LEFT JOIN permission_levels umbrella ON umbrella.account_id = s.id AND umbrella.key = k.umbrella
            ORDER BY k.place) x) AS "permissionSet",
          (SELECT json_build_object('resources', json_agg(x)) FROM (
            SELECT coalesce(p.resource, l.resource) AS resource, least(p.max, l.maximum) AS max,
              CASE coalesce(p.resource, l.resource)
              WHEN 'api_keys' THEN (SELECT count(*) FROM api_keys k WHERE k.account_id = s.id
                AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now()))
              WHEN 'depth' THEN CASE s.kind
                WHEN 'SUBACCOUNT' THEN 1 + (SELECT count(*) FROM above WHERE kind = 'SUBACCOUNT') ELSE 0 END
              WHEN 'members' THEN s.member_count
              WHEN 'subaccounts' THEN s.subaccount_count
              ELSE 0 END AS used
            FROM (SELECT resource, max FROM planned WHERE plan_id = s.plan_id) p
            FULL JOIN (SELECT resource, maximum FROM account_limits WHERE account_id = s.id) l
              ON l.resource = p.resource
            ORDER BY 1) x) AS limits,
          (SELECT json_build_object('totals', coalesce(json_agg(x), '[]'::json)) FROM (
            SELECT g.meter, trim_scale(sum(g.quantity) * 0.000001)::text AS quantity,
              (SELECT row_to_json(x) FROM (SELECT trim_scale(sum(g.amount) * 0.000001)::text AS amount) x) AS amount
            FROM usage_aggregates g WHERE g.account_id = s.id AND g.granularity = 'DAY'
              AND g.bucket_start >= '2025-06-01T00:00:00Z' AND g.bucket_start < '2025-07-01T00:00:00Z'
            GROUP BY g.meter ORDER BY g.meter) x) AS usage,
          (SELECT row_to_json(x) FROM (SELECT
            CASE WHEN s.billing_mode = 'OWN' THEN 'INDEPENDENT'
              WHEN (SELECT b.status FROM billing_transfers b WHERE b.account_id = s.id ORDER BY b.id DESC LIMIT 1)
                = 'IN_PROGRESS' THEN 'IN_PROGRESS'
              ELSE 'PARENT_BILLED' END AS state) x) AS "billingTransfer",
          (SELECT row_to_json(x) FROM (SELECT s.subaccount_count AS "totalCount") x) AS subaccounts
        FROM child s
        ORDER BY s.id) node) edge) AS subaccounts
  ) answer)::text || '}}'
FROM root
