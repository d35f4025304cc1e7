/** Unit tests of the SDK: node --test. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { exported } from '../component.js';
import { Refusal, configuration, log, micros, money } from '../index.js';

const { MAX, add, format, mulDiv, parse, times } = money;
const ROUNDINGS = ['half-even', 'half-up', 'down', 'up', 'floor', 'ceiling'];

test('each rounding does what its name says', () => {
  const cases = [
    [5, [2, 3, 2, 3, 2, 3]],
    [-5, [-2, -3, -2, -3, -3, -2]],
    [7, [4, 4, 3, 4, 3, 4]],
    [-7, [-4, -4, -3, -4, -4, -3]],
    [4, [2, 2, 2, 2, 2, 2]],
  ];
  for (const [a, expected] of cases) {
    assert.deepEqual(ROUNDINGS.map((rounding) => mulDiv(a, 1, 2, rounding)), expected, `${a}/2`);
    // The same beyond 2^53, where it goes through BigInt.
    const wide = 2 ** 33;
    assert.deepEqual(ROUNDINGS.map((rounding) => mulDiv(a * wide, wide, 2 ** 50, rounding)), ROUNDINGS.map((r) => mulDiv(a * 2 ** 16, 1, 1, r)));
    assert.deepEqual(ROUNDINGS.map((rounding) => mulDiv(a * 2 ** 49, 2 ** 3, 2 ** 53, rounding)), ROUNDINGS.map((r) => mulDiv(a, 1, 2, r)));
  }
});

test('products are those of wide integers', () => {
  let seed = 88172645463325252n;
  const next = () => {
    seed ^= BigInt.asUintN(64, seed << 13n);
    seed ^= seed >> 7n;
    seed ^= BigInt.asUintN(64, seed << 17n);
    return BigInt.asIntN(54, seed) >> (seed % 50n);
  };
  let within = 0;
  for (let i = 0; i < 20000; i += 1) {
    const [a, b, d] = [next(), next(), next()];
    if (d <= 0n || d > BigInt(MAX)) continue;
    const quotient = (a * b) / d;
    if (quotient > BigInt(MAX) || quotient < -BigInt(MAX)) {
      assert.throws(() => mulDiv(Number(a), Number(b), Number(d), 'down'), Refusal);
    } else {
      assert.equal(mulDiv(Number(a), Number(b), Number(d), 'down'), Number(quotient), `${a}*${b}/${d}`);
      within += 1;
    }
  }
  assert.ok(within > 3000, `${within}`);
});

test('numbers out of range are refused', () => {
  assert.equal(mulDiv(MAX, MAX, MAX, 'half-even'), MAX);
  for (const out of [
    () => mulDiv(MAX, 2, 1, 'half-even'),
    () => add(MAX, 1),
    () => add(MAX, MAX),
    () => times(0.5, 1),
    () => times(NaN, 1),
  ]) {
    assert.throws(out, Refusal);
  }
  assert.throws(() => mulDiv(1, 1, 0, 'up'), RangeError);
  assert.equal(times(3_000_000, 90_000), 270_000);
  assert.ok(Object.is(times(-1, 0), 0));
});

test('decimals are read and written', () => {
  for (const [text, amount] of [['0', 0], ['1.5', 1_500_000], ['-0.000001', -1], ['9007199254.740992', MAX]]) {
    assert.equal(format(amount), text);
    assert.equal(parse(text), amount);
  }
  for (const wrong of ['', '-', '.5', '5.', '1e3', '+1', '1.0000000', '9007199254.740993', '99999999999', '1 ', '1\n']) {
    assert.equal(parse(wrong), undefined, wrong);
  }
});

test('amounts are decimal strings or integers of micro-units', () => {
  assert.equal(micros('0.09', 'price'), 90_000);
  assert.equal(micros(90_000, 'price'), 90_000);
  for (const wrong of [0.09, '0.0000001', 2 ** 53, null, undefined, '']) {
    assert.throws(() => micros(wrong, 'price'), { kind: 'configuration', message: /`price`/ });
  }
  assert.deepEqual(configuration('{"a":1}'), { a: 1 });
  assert.throws(() => configuration('{'), { kind: 'configuration' });
});

test('a refusal becomes the error of the contract; a crash is logged and stays one', () => {
  const logged = [];
  const run = (rule) => exported(rule, (message) => logged.push(message))({});
  assert.equal(run(() => (log('a'), 1)), 1);
  assert.throws(() => run(() => { throw new Refusal('unsupported', 'no'); }), (error) => error.tag === 'unsupported' && error.val === 'no');
  assert.throws(() => run(() => { throw new TypeError('oh'); }), TypeError);
  assert.deepEqual(logged, ['a', 'TypeError: oh']);
});
