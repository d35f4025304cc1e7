/** Reading a rule's configuration: JSON with exact numbers. Knows no rule. */
import { parse } from './money.js';
import { Refusal } from './refusal.js';

/** Reads the JSON of an input. */
export function configuration(json) {
  try {
    return JSON.parse(json);
  } catch (error) {
    throw new Refusal('configuration', `The configuration is not JSON: ${error.message}`);
  }
}

/**
 * An amount of money or a quantity, in micro-units. In JSON it is a string with a decimal number of units ("0.09") or
 * an integer of micro-units (90000). `name` is what the refusal calls it.
 */
export function micros(value, name) {
  const amount = typeof value === 'string' ? parse(value) : value;
  if (!Number.isSafeInteger(amount)) {
    throw new Refusal('configuration', `\`${name}\` is not a decimal number as a string, like "0.09".`);
  }
  return amount;
}
