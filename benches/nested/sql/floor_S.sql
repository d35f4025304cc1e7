-- The small query in one statement.
SELECT '{"data":{"account":' || (
  SELECT row_to_json(answer) FROM (
    SELECT a.id, a.name,
      (SELECT row_to_json(x) FROM (SELECT p.name) x) AS plan,
      (SELECT json_build_object('edges', coalesce(json_agg(edge), '[]'::json)) FROM (
        SELECT row_to_json(node) AS node FROM (
          SELECT m.id, m.role, (SELECT row_to_json(x) FROM (SELECT u.email) x) AS "user"
          FROM members m JOIN users u ON u.id = m.user_id
          WHERE m.account_id = a.id ORDER BY m.id LIMIT 10) node) edge) AS members
  ) answer)::text || '}}'
FROM accounts a LEFT JOIN plans p ON p.id = a.plan_id
WHERE a.id = $1
