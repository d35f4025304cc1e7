-- The middle query in one statement. What limits a child is the least of what its plan, its parent and all above it
-- say; what holds for all children of a plan is worked out once. Lists are built by row_to_json and json_agg.
WITH root AS MATERIALIZED (
  SELECT a.id, a.name, string_to_array(rtrim(a.path, '/'), '/') AS path
  FROM accounts a WHERE a.id = $1
), above AS MATERIALIZED (
  SELECT b.plan_id, b.kind FROM root, accounts b WHERE b.id = ANY (root.path)
), child AS MATERIALIZED (
  SELECT s.id, s.name, s.kind, s.plan_id, s.member_count, s.subaccount_count FROM accounts s
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
)
SELECT '{"data":{"account":' || (
  SELECT row_to_json(answer) FROM (
    SELECT root.id, root.name,
      (SELECT json_build_object('edges', coalesce(json_agg(edge), '[]'::json)) FROM (
        SELECT row_to_json(node) AS node FROM (
          SELECT s.id, s.name,
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
            (SELECT row_to_json(x) FROM (SELECT s.member_count AS "totalCount") x) AS members
          FROM child s
          ORDER BY s.id) node) edge) AS subaccounts
  ) answer)::text || '}}'
FROM root
