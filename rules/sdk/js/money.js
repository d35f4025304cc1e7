/**
 * Exact arithmetic on micro-units: integers in millionths, within ±2^53, which is as far as a JavaScript number is
 * exact. Products go through BigInt where they leave that range. Nothing rounds without being told how; a number
 * out of range ends the call with a refusal.
 */
import { Refusal } from './refusal.js';

/** Micro-units in one unit. */
export const UNIT = 1_000_000;

/** Bound of every number of the contract. */
export const MAX = 2 ** 53;

function bounded(value) {
  if (!Number.isInteger(value) || Math.abs(value) > MAX) {
    throw new Refusal('failed', 'An amount is out of range.');
  }
  return value === 0 ? 0 : value; // no minus zero
}

/** `a + b`. */
export function add(a, b) {
  const sum = bounded(a) + bounded(b);
  if (Math.abs(sum) < MAX) {
    return sum === 0 ? 0 : sum;
  }
  const wide = BigInt(a) + BigInt(b);
  return bounded(wide > BigInt(MAX) || wide < -BigInt(MAX) ? Infinity : Number(wide));
}

/** Whether the quotient goes one further from zero. All are magnitudes but `negative`, of one type. */
function goesAway(rounding, quotient, rest, divisor, negative) {
  const missing = divisor - rest;
  switch (rounding) {
    case 'half-even':
      return rest > missing || (rest === missing && Number(BigInt(quotient) & 1n) === 1);
    case 'half-up':
      return rest >= missing;
    case 'down':
      return false;
    case 'up':
      return true;
    case 'floor':
      return negative;
    case 'ceiling':
      return !negative;
    default:
      throw new TypeError(`There is no rounding ${rounding}.`);
  }
}

/** `a × b ÷ divisor`, exact until the one rounding at the end. The divisor is above zero. */
export function mulDiv(a, b, divisor, rounding) {
  bounded(a);
  bounded(b);
  if (bounded(divisor) <= 0) {
    throw new RangeError('A divisor must be above zero.');
  }
  const negative = a < 0 !== b < 0;
  const product = Math.abs(a) * Math.abs(b);
  if (product < MAX) {
    const rest = product % divisor;
    const quotient = (product - rest) / divisor;
    const away = rest > 0 && goesAway(rounding, quotient, rest, divisor, negative);
    return signed(away ? quotient + 1 : quotient, negative);
  }
  const wide = BigInt(Math.abs(a)) * BigInt(Math.abs(b));
  const by = BigInt(divisor);
  const rest = wide % by;
  const quotient = wide / by;
  const away = rest > 0n && goesAway(rounding, quotient, rest, by, negative);
  const result = away ? quotient + 1n : quotient;
  return signed(result > BigInt(MAX) ? Infinity : Number(result), negative);
}

function signed(magnitude, negative) {
  return bounded(negative ? -magnitude : magnitude);
}

/** A quantity times a price per unit, both in micro-units, rounded half to even. */
export function times(quantity, price) {
  return mulDiv(quantity, price, UNIT, 'half-even');
}

/** Reads a decimal number of units, like `-12.5`, with at most six digits after the point; undefined if it is none. */
export function parse(text) {
  const parts = /^(-?)([0-9]{1,10})(?:\.([0-9]{1,6}))?$/.exec(text);
  if (!parts) {
    return undefined;
  }
  const micros = BigInt(parts[2]) * BigInt(UNIT) + BigInt((parts[3] ?? '').padEnd(6, '0'));
  if (micros > BigInt(MAX)) {
    return undefined;
  }
  return micros === 0n ? 0 : Number(parts[1] ? -micros : micros);
}

/** Writes micro-units as a decimal number of units, without needless zeros. */
export function format(micros) {
  const magnitude = Math.abs(bounded(micros));
  const fraction = String(magnitude % UNIT).padStart(6, '0').replace(/0+$/, '');
  const whole = (magnitude - (magnitude % UNIT)) / UNIT;
  return `${micros < 0 ? '-' : ''}${whole}${fraction ? `.${fraction}` : ''}`;
}
