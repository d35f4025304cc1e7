// relay-compiler on the committed SDL: connections, a fragment that is fetched again by `node`, mutation and subscription.

import assert from 'node:assert/strict';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { before, test } from 'node:test';

import { clean, folder, manifest, program } from './project.mjs';

before(async () => {
  await clean('relay');
  // relay-compiler adds to a manifest that is there.
  await mkdir(`${folder}frontends/relay/__generated__`);
  await writeFile(`${folder}frontends/relay/__generated__/persisted.json`, '{}\n');
});

test('relay-compiler reads the schema and the operations, each scalar with a type', async () => {
  await program('relay-compiler', 'frontends/relay.config.json');
  const artifacts = await readdir(`${folder}frontends/relay/__generated__`);
  assert.ok(artifacts.includes('AccountPageChildrenQuery.graphql.ts'), 'the query that fetches the fragment again');
});

test('each operation is in a manifest that the gateway reads', async () => {
  const names = await manifest('relay/__generated__/persisted.json');
  assert.deepEqual(names, [
    'AccountPageChildrenQuery',
    'AccountPageQuery',
    'AccountPageUpdateMutation',
    'AccountPageUsageSubscription',
  ]);
});

test('strict TypeScript accepts the page, and refuses what is marked as wrong', async () => {
  await program('tsc', '--project', 'frontends/relay');
});
