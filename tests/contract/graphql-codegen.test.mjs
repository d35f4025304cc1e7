// graphql-codegen's client preset on the committed SDL, and a page of a frontend written against what it makes.

import assert from 'node:assert/strict';
import { before, test } from 'node:test';

import { clean, manifest, program } from './project.mjs';

before(() => clean('client-preset'));

test('the client preset reads the schema and the operations, each scalar with a type', async () => {
  await program('graphql-codegen', '--config', 'frontends/codegen.json');
});

test('each operation is in a manifest that the gateway reads', async () => {
  const names = await manifest('client-preset/__generated__/persisted-documents.json');
  assert.deepEqual(names, ['AccountPage', 'RecordUsage', 'UploadRule', 'UsageUpdates']);
});

test('strict TypeScript accepts the page, and refuses what is marked as wrong', async () => {
  await program('tsc', '--project', 'frontends/client-preset');
});
