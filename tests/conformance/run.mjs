// Starts one demo, runs all suites against it, one after the other, and writes their score:
//
//     node run.mjs [--scoreboard <file>] [<suite> ...]
//
// A suite is a file `<suite>.test.mjs`. The database is the one of the environment, or the demo's own.

import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { startDemo } from '../clients/demo.mjs';
import { runSuites } from './scoreboard.mjs';

/** In this order: what schemathesis does to the demo's accounts is nobody's business afterwards. */
const SUITES = ['introspection', 'graphql-http', 'graphql-ws', 'graphql-sse', 'apollo', 'urql', 'schemathesis'];

/** The package that a suite stands for, where it has another name. */
const PACKAGES = { introspection: 'graphql', apollo: '@apollo/client', urql: '@urql/core' };

// With a key of our own, tests can sign a token that ends soon.
const secret = randomBytes(32).toString('hex');

const SETTINGS = {
  // Short enough to be waited for, long enough for a busy machine.
  CANOPY__SUBSCRIPTIONS__INIT_TIMEOUT: '3s',
  CANOPY__SUBSCRIPTIONS__HEARTBEAT: '2s',
  CANOPY__AUTH__SECRET: secret,
  CANOPY__RULES__CACHE_DIR: 'none',
  CANOPY__DOCUMENTS__DIRECTORY: fileURLToPath(new URL('documents', import.meta.url)),
};

/** The version that the lock file or the requirements name. */
async function versionOf(suite) {
  const text = async (path) => readFile(new URL(path, import.meta.url), 'utf8');
  if (suite === 'schemathesis') return /^schemathesis==(.*)$/m.exec(await text('schemathesis/requirements.txt'))[1];
  const { packages } = JSON.parse(await text('package-lock.json'));
  return packages[`node_modules/${PACKAGES[suite] ?? suite}`].version;
}

const { values, positionals } = parseArgs({ allowPositionals: true, options: { scoreboard: { type: 'string' } } });
const suites = positionals.length > 0 ? positionals : SUITES;
const files = suites.map((suite) => fileURLToPath(new URL(`${suite}.test.mjs`, import.meta.url)));

const { stop, log, ...line } = await startDemo(SETTINGS);
try {
  Object.assign(process.env, { CANOPY_DEMO: JSON.stringify(line), CANOPY_SECRET: secret });
  await runSuites(files, { scoreboard: values.scoreboard, versionOf });
} finally {
  const { code, signal } = await stop();
  if (code !== 0) {
    console.error(`canopy demo ended with ${signal ?? code}:\n${log()}`);
    process.exitCode = 1;
  }
}
