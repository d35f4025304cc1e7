/**
 * How many members and subaccounts an account may have, by its plan; the deeper it lies in the tree, the fewer.
 * configuration.schema.json says what the configuration holds.
 */
import { Refusal, configuration, log, micros, money } from '../sdk/js/index.js';
import type { LimitsAnswer, LimitsInput, ResourceLimit } from '../sdk/js/index.js';

/** What configuration.schema.json allows. Counts are read by `micros`, which takes any integer of the contract. */
interface Settings {
  plans?: Record<string, { members: unknown; subaccounts: unknown; depth: unknown }>;
  per_level_ppm: unknown;
}

export function evaluate(input: LimitsInput): LimitsAnswer {
  const settings = configuration<Settings>(input.configuration);
  const plans = settings.plans ?? {};
  const name = [input.plan, '*'].find((plan) => Object.hasOwn(plans, plan));
  if (name === undefined) {
    throw new Refusal('unsupported', `There is no plan \`${input.plan}\`.`);
  }
  const { level } = input.account;
  log(`plan ${input.plan}, level ${level}`);
  const plan = plans[name];
  const fewer = (count: number) => leftAt(level, count, micros(settings.per_level_ppm, 'per_level_ppm'));
  return {
    limits: [
      limit('depth', micros(plan.depth, 'depth'), level),
      limit('members', fewer(micros(plan.members, 'members')), level),
      limit('subaccounts', fewer(micros(plan.subaccounts, 'subaccounts')), level),
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

/** What is left of a count at a level; a part of one does not count. */
function leftAt(level: number, count: number, ppm: number): number {
  if (count < 0 || ppm < 0 || ppm > money.UNIT) {
    throw new Refusal('configuration', 'A count or `per_level_ppm` is out of range.');
  }
  let left = count;
  for (let i = 0; i < Math.min(level, 64); i += 1) {
    left = money.mulDiv(left, ppm, money.UNIT, 'down');
  }
  return left;
}

function limit(name: string, max: number, level: number): ResourceLimit {
  return { name, max, reason: `The plan allows ${max} ${name} at level ${level}.` };
}
