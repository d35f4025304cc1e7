import assert from 'node:assert/strict';
import { test } from 'node:test';

import { sample } from '../sdk/js/index.js';
import { evaluate } from '../src/rule.js';

const CONFIGURATION = { plans: { '*': { members: 10, subaccounts: 25, depth: 3 } }, per_level_ppm: 500_000 };

test('each level has half of the one above', () => {
  const members = (level: number) => evaluate(sample.limits(CONFIGURATION, 'pln_a', level)).limits[1].max;
  assert.deepEqual([0, 1, 2].map(members), [10, 5, 2]);
});

test('a plan that is not named is refused', () => {
  const input = sample.limits({ plans: {}, per_level_ppm: 0 }, 'pln_a', 0);
  assert.throws(() => evaluate(input), { kind: 'unsupported' });
});
