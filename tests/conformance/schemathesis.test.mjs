// Schemathesis in GraphQL mode: documents and values at random from the schema, with ids that are really there.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { bearer, demo, post, record } from './support.mjs';

const CASES = 500;
// The same cases each time: what it finds is found by whoever runs it. Another seed finds other things.
const SEED = process.env.SCHEMATHESIS_SEED ?? '20261122';
const CASES_OF_ONE = process.env.SCHEMATHESIS_CASES ?? '25';
// Many times what it takes.
const LIMIT = Math.max(90_000, 3_600 * Number(CASES_OF_ONE));
const HOOKS = fileURLToPath(new URL('./schemathesis', import.meta.url));
const root = bearer(demo.tokens['platform.owner']);

/** Ids of everything that an operation takes the id of, by kind. */
async function ids() {
  const accounts = Object.values(demo.accounts);
  const found = { accounts, plans: ['pln_itellico', 'pln_bolna'], rules: [], events: [], ratings: [], simulations: [] };
  await record(demo.accounts['itellico.orchard']);
  const query = `query ($ids: [ID!]!) {
    nodes(ids: $ids) {
      ... on Tenant {
        ruleVersions { nodes { id kind } }
        usageEvents(last: 1) { nodes { id ratings { id } } }
      }
    }
  }`;
  const { result } = await post({ query, variables: { ids: accounts } }, { authorization: root });
  for (const { ruleVersions, usageEvents } of result.data.nodes) {
    found.rules.push(...ruleVersions.nodes.map(({ id }) => id));
    found.events.push(...usageEvents.nodes.map(({ id }) => id));
    found.ratings.push(...usageEvents.nodes.flatMap(({ ratings }) => ratings.map(({ id }) => id)));
  }
  const day = 86_400_000;
  const period = { from: new Date(Date.now() - 5 * day), to: new Date() };
  const simulated = await post(
    {
      query: 'mutation ($input: SimulateRuleInput!) { simulateRule(input: $input) { simulation { id } } }',
      variables: { input: { ruleVersionId: found.rules[0], period } },
    },
    { authorization: root },
  );
  found.simulations.push(simulated.result.data.simulateRule.simulation.id);
  return found;
}

test(`${CASES} cases find no server error`, { timeout: LIMIT + 10_000 }, async (context) => {
  const program = process.env.SCHEMATHESIS;
  assert.ok(program, 'SCHEMATHESIS must be the path of the program; `cargo xtask conformance` sets it');
  const found = await ids();
  for (const [kind, some] of Object.entries(found)) assert.ok(some.length > 0, `no ${kind} were found`);

  const directory = await mkdtemp(join(tmpdir(), 'canopy-schemathesis-'));
  context.after(() => rm(directory, { recursive: true, force: true }));
  await writeFile(join(directory, 'ids.json'), JSON.stringify(found));
  const report = join(directory, 'report.json');
  const { failed, output } = await new Promise((resolve) => {
    execFile(
      program,
      [
        ['run', demo.url],
        ['--header', `authorization: ${root}`],
        ['--phases', 'fuzzing', '--checks', 'no_server_error', '--mode', 'positive'],
        ['--max-examples', CASES_OF_ONE, '--seed', SEED, '--generation-database', 'none', '--continue-on-failure'],
        ['--warnings', 'off', '--no-color', '--report-json-path', report],
      ].flat(),
      {
        cwd: directory,
        timeout: LIMIT,
        maxBuffer: 64 * 1024 * 1024,
        env: {
          ...process.env,
          PYTHONPATH: HOOKS,
          PYTHONDONTWRITEBYTECODE: '1',
          SCHEMATHESIS_HOOKS: 'canopy_hooks',
          SCHEMATHESIS_IDS: join(directory, 'ids.json'),
          SCHEMATHESIS_TODAY: new Date().toISOString().slice(0, 19),
        },
      },
      (error, stdout, stderr) => resolve({ failed: error, output: stdout + stderr }),
    );
  });
  assert.ok(!failed?.killed, `it took longer than ${LIMIT} ms:\n${output}`);
  assert.ok(failed === null, output);
  const { test_cases: cases, operations, valid_rates: rates } = JSON.parse(await readFile(report, 'utf8'));
  // A run that was refused at the door finds nothing either.
  const reached = Object.values(rates).filter(({ fuzzing }) => fuzzing.accepted > 0).length;
  assert.ok(reached > operations.total / 2, `only ${reached} operations of ${operations.total} ever returned data`);
  assert.equal(operations.tested, operations.total);
  assert.ok(cases.generated >= CASES, `only ${cases.generated} cases`);
  context.diagnostic(`score: ${cases.generated - cases.with_failures} of ${cases.generated}`);
});
