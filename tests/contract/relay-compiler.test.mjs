// relay-compiler on the committed SDL: connections, a fragment that is fetched again by `node`, mutation and subscription.

import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { before, test } from 'node:test';

import { clean, folder, program } from './project.mjs';

before(() => clean('relay'));

test('relay-compiler reads the schema and the operations, each scalar with a type', async () => {
  await program('relay-compiler', 'frontends/relay.config.json');
  const artifacts = await readdir(`${folder}frontends/relay/__generated__`);
  assert.ok(artifacts.includes('AccountPageChildrenQuery.graphql.ts'), 'the query that fetches the fragment again');
  assert.equal(artifacts.length, 6);
});

test('strict TypeScript accepts the page, and refuses what is marked as wrong', async () => {
  await program('tsc', '--project', 'frontends/relay');
});
