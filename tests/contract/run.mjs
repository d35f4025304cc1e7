// Runs all suites on the committed SDL and writes their score: `node run.mjs [--scoreboard <file>] [<suite> ...]`.
// A suite is a file `<suite>.test.mjs`. None needs a server.

import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';

import { runSuites } from '../conformance/scoreboard.mjs';
import { folder } from './project.mjs';

const SUITES = ['graphql-codegen', 'relay-compiler', 'graphql-eslint', 'breaking-changes'];

/** The package that a suite stands for, where it has another name. */
const PACKAGES = {
  'graphql-codegen': '@graphql-codegen/client-preset',
  'graphql-eslint': '@graphql-eslint/eslint-plugin',
  'breaking-changes': 'graphql',
};

const { values, positionals } = parseArgs({ allowPositionals: true, options: { scoreboard: { type: 'string' } } });
const suites = positionals.length > 0 ? positionals : SUITES;
const { packages } = JSON.parse(await readFile(`${folder}package-lock.json`, 'utf8'));

await runSuites(
  suites.map((suite) => `${folder}${suite}.test.mjs`),
  {
    scoreboard: values.scoreboard,
    versionOf: async (suite) => packages[`node_modules/${PACKAGES[suite] ?? suite}`].version,
  },
);
