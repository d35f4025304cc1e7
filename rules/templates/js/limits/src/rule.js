/**
 * How many members and subaccounts an account may have, by its plan; the deeper it lies in the tree, the fewer.
 * configuration.schema.json says what the configuration holds.
 */
// @ts-check
import { Refusal, configuration, log, micros, money } from '../sdk/js/index.js';

/** @type {import('../sdk/js/index.js').Evaluate} */
export function evaluate(input) {
  const settings = configuration(input.configuration);
  const plans = settings.plans ?? {};
  const name = [input.plan, '*'].find((plan) => Object.hasOwn(plans, plan));
  if (name === undefined) {
    throw new Refusal('unsupported', `There is no plan \`${input.plan}\`.`);
  }
  const { level } = input.account;
  log(`plan ${input.plan}, level ${level}`);
  /** @param {string} resource */
  const count = (resource) => micros(plans[name][resource], resource);
  /** @param {string} resource */
  const fewer = (resource) => leftAt(level, count(resource), micros(settings.per_level_ppm, 'per_level_ppm'));
  return {
    limits: [
      limit('depth', count('depth'), level),
      limit('members', fewer('members'), level),
      limit('subaccounts', fewer('subaccounts'), level),
    ],
    // What holds for the subaccounts of the account: they manage their own keys and members, and are paid for from
    // the parent's pool.
    policy: {
      keys: 'own',
      members: 'own',
      starterCredits: { count: 0, creditValue: 0 },
      creditModes: ['manual', 'reselling'],
      sharedResources: [],
      allowBelowCost: false,
    },
  };
}

/**
 * What is left of a count at a level; a part of one does not count.
 *
 * @param {number} level
 * @param {number} count
 * @param {number} ppm
 */
function leftAt(level, count, ppm) {
  if (count < 0 || ppm < 0 || ppm > money.UNIT) {
    throw new Refusal('configuration', 'A count or `per_level_ppm` is out of range.');
  }
  let left = count;
  for (let i = 0; i < Math.min(level, 64); i += 1) {
    left = money.mulDiv(left, ppm, money.UNIT, 'down');
  }
  return left;
}

/**
 * @param {string} name
 * @param {number} max
 * @param {number} level
 */
function limit(name, max, level) {
  return { name, max, reason: `The plan allows ${max} ${name} at level ${level}.` };
}
