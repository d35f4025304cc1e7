// graphql-codegen's client preset on the committed SDL, and a page of a frontend written against what it makes.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { before, test } from 'node:test';

import { clean, folder, program } from './project.mjs';

before(() => clean('client-preset'));

test('the client preset reads the schema and the operations, each scalar with a type', async () => {
  await program('graphql-codegen', '--config', 'frontends/codegen.json');
});

test('each operation is a persisted document', async () => {
  const path = `${folder}frontends/client-preset/__generated__/persisted-documents.json`;
  const documents = Object.values(JSON.parse(await readFile(path, 'utf8')));
  const names = documents.map((document) => /(?:query|mutation|subscription) (\w+)/.exec(document)[1]).sort();
  assert.deepEqual(names, ['AccountPage', 'RecordUsage', 'UploadRule', 'UsageUpdates']);
});

test('strict TypeScript accepts the page, and refuses what is marked as wrong', async () => {
  await program('tsc', '--project', 'frontends/client-preset');
});
