import assert from 'node:assert/strict';
import { test } from 'node:test';

import { sample } from '../sdk/js/index.js';
import type { UsageLine } from '../sdk/js/index.js';
import { price } from '../src/rule.js';

const CONFIGURATION = { meters: { call_minutes: { day: '0.12', night: '0.08' } }, margin_ppm: 100_000 };

const amount = (line: UsageLine) => price(sample.pricing(CONFIGURATION, [line]))[0].amount;

test('nights are cheaper', () => {
  assert.equal(amount(sample.line('call_minutes', 10_000_000)), 1_200_000);
  assert.equal(amount(sample.line('call_minutes', 10_000_000, 0, { occurredAt: 23 * 3_600 })), 800_000);
});

test('the margin over cost is kept', () => {
  assert.equal(amount(sample.line('call_minutes', 1_000_000, 1_000_000)), 1_100_000);
});

test('an unknown meter is refused', () => {
  assert.throws(() => amount(sample.line('sms', 1)), { kind: 'unsupported' });
});
