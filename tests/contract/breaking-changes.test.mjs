// Holds the committed SDL against the one that was released last: what a client could rely on is still there.
// A release writes schema/released.graphql by `cargo xtask schema --release`.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

import { buildSchema, findBreakingChanges, findDangerousChanges } from 'graphql';

import { released, sdl } from './project.mjs';

const text = async (path) => readFile(path, 'utf8');
const breaking = (before, now) => {
  const changes = findBreakingChanges(buildSchema(before), buildSchema(now));
  return changes.map(({ type, description }) => `${type}: ${description}`);
};

test('nothing that was released is gone or means something else', async (context) => {
  const [before, now] = [await text(released), await text(sdl)];
  for (const { description } of findDangerousChanges(buildSchema(before), buildSchema(now))) {
    context.diagnostic(`to be read twice: ${description}`);
  }
  assert.deepEqual(breaking(before, now), [], 'deprecate it and keep it, or make it a release: docs/conformance.md');
});

/** Changes of the SDL that break a client, and what is said of them. */
const BREAKS = {
  FIELD_REMOVED: [/^ {2}totalCount: Int!$/m, '  count: Int!'],
  FIELD_CHANGED_KIND: [/^ {2}totalCount: Int!$/m, '  totalCount: Int'],
  TYPE_REMOVED: [/^type Money \{$/m, 'type Amount {', /: Money\b/g, ': Amount'],
  VALUE_REMOVED_FROM_ENUM: [/^ {2}SUSPENDED$/m, '  PAUSED'],
  REQUIRED_INPUT_FIELD_ADDED: [/^input SignInInput \{$/m, 'input SignInInput {\n  captcha: String!'],
  IMPLEMENTED_INTERFACE_REMOVED: [/^type Plan implements Node \{$/m, 'type Plan {'],
};

for (const [type, changes] of Object.entries(BREAKS)) {
  test(`${type} would be noticed`, async () => {
    const before = await text(sdl);
    let now = before;
    for (let index = 0; index < changes.length; index += 2) now = now.replace(changes[index], changes[index + 1]);
    assert.notEqual(now, before);
    const found = breaking(before, now);
    assert.ok(found.some((change) => change.startsWith(`${type}: `)), found.join('\n'));
  });
}
