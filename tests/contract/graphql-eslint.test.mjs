// graphql-eslint's rules for schemas and for Relay, as eslint.config.mjs has them.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ESLint } from 'eslint';

import { folder, root, sdl } from './project.mjs';

test('the committed SDL breaks none of the rules', async () => {
  const eslint = new ESLint({ cwd: root, overrideConfigFile: `${folder}eslint.config.mjs` });
  const [{ messages }] = await eslint.lintFiles([sdl]);
  assert.deepEqual(messages.map(({ line, ruleId, message }) => `${line}: ${message} (${ruleId})`), []);
});
