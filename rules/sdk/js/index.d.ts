/**
 * Rules for Canopy in JavaScript and TypeScript. wit/pricing.wit and wit/limits.wit say what each field means.
 */

/** An integer in millionths, between -2^53 and 2^53. */
export type Micros = number;

/** The account that used something, as this seller sees it. */
export interface Account {
  /** Ids from the root, each followed by `/`, its own included. */
  path: string;
  /** Id of the seller's direct customer on that path. */
  buyer: string;
  buyerPlan: string;
}

/** What the buyer used of the line's meter in the calendar month (UTC) before the line. */
export interface PeriodTotals {
  /** Seconds since 1970. */
  start: number;
  quantity: Micros;
  lines: number;
}

/** One thing that was used. */
export interface UsageLine {
  /** Index into the input's accounts. */
  account: number;
  meter: string;
  /** Negative in a correction. */
  quantity: Micros;
  /** What the seller itself pays for this line. */
  cost: Micros;
  /** Seconds since 1970. */
  occurredAt: number;
  /** The event's attributes: a JSON object. */
  attributes?: string | null;
  period: PeriodTotals;
}

/** A batch of lines of one seller. */
export interface PricingInput {
  sellerPath: string;
  /** ISO 4217. */
  currency: string;
  /** JSON. */
  configuration: string;
  accounts: Account[];
  /** 1 to 1000. */
  lines: UsageLine[];
}

/** Part of an amount, as shown on the receipt. */
export interface LineItem {
  /** At most 200 bytes. */
  description: string;
  quantity: Micros;
  /** Negative for a discount. */
  amount: Micros;
}

/** The price of one line. */
export interface PricedLine {
  amount: Micros;
  /** At most 32; when there are any, their amounts add up to `amount`. */
  items: LineItem[];
  /** Why, in one sentence, or empty. At most 500 bytes. */
  reason: string;
}

/** What a pricing rule exports as `price`: one priced line per line, in order. */
export type Price = (input: PricingInput) => PricedLine[];

export type AccountKind = 'platform' | 'main' | 'subaccount';
export type CreditMode = 'manual' | 'reselling';

export interface LimitsInput {
  /** Id of the plan the account is on. */
  plan: string;
  account: { path: string; kind: AccountKind; level: number; creditMode?: CreditMode | null };
  /** What the account has now, in order of name. */
  counts: { name: string; used: number }[];
  /** JSON. */
  configuration: string;
}

export interface ResourceLimit {
  /** Lowercase letters, digits, `_`, `-` and `.`. `depth` is the highest level below. */
  name: string;
  /** Undefined for unlimited. */
  max?: number;
  /** Why, in one sentence, or empty. At most 500 bytes. */
  reason: string;
}

/** What holds for the subaccounts of the account asked about. */
export interface Policy {
  keys: 'own' | 'auto-one' | 'parent-only';
  members: 'own' | 'inherited';
  starterCredits: { count: number; creditValue: Micros };
  /** At least one, each once; the first is the default. */
  creditModes: CreditMode[];
  sharedResources: string[];
  /** Whether a seller may charge less than it pays. */
  allowBelowCost: boolean;
}

export interface LimitsAnswer {
  /** At most 64; what is not named is unlimited. */
  limits: ResourceLimit[];
  policy: Policy;
}

/** What a limits rule exports as `evaluate`. */
export type Evaluate = (input: LimitsInput) => LimitsAnswer;

/** Why a rule has no answer. Any other error that is thrown counts as a crash of the rule. */
export class Refusal extends Error {
  readonly kind: 'configuration' | 'unsupported' | 'failed';
  constructor(kind: 'configuration' | 'unsupported' | 'failed', message: string);
}

/**
 * Reads the JSON of an input; a refusal if it is none. The type is taken at its word: configuration.schema.json is what
 * the configuration is held against.
 */
export function configuration<T = any>(json: string): T;

/** An amount of the configuration: "0.09" in units, or 90000 in micro-units. `name` is what a refusal calls it. */
export function micros(value: unknown, name: string): Micros;

/** Logs a text for the rule's owner. It is no part of the answer. */
export function log(message: string): void;

/** Exact arithmetic on micro-units. A number out of range ends the call with a refusal. */
export namespace money {
  /**
   * How an exact quotient becomes an integer. half-even: to the nearest, halves to the even one. half-up: halves away
   * from zero. down: towards zero. up: away from zero. floor: towards minus infinity. ceiling: towards plus infinity.
   */
  type Rounding = 'half-even' | 'half-up' | 'down' | 'up' | 'floor' | 'ceiling';
  /** Micro-units in one unit. */
  const UNIT: number;
  /** Bound of every number of the contract. */
  const MAX: number;
  function add(a: Micros, b: Micros): Micros;
  /** `a × b ÷ divisor`, exact until the one rounding at the end. */
  function mulDiv(a: Micros, b: Micros, divisor: Micros, rounding: Rounding): Micros;
  /** A quantity times a price per unit, rounded half to even. */
  function times(quantity: Micros, price: Micros): Micros;
  /** Reads a decimal number of units; undefined if it is none. */
  function parse(text: string): Micros | undefined;
  /** Writes micro-units as a decimal number of units. */
  function format(micros: Micros): string;
}

/** Inputs for the tests of a rule. */
export namespace sample {
  function line(meter: string, quantity: Micros, cost?: Micros, more?: Partial<UsageLine>): UsageLine;
  function pricing(configuration: unknown, lines: UsageLine[]): PricingInput;
  function limits(configuration: unknown, plan: string, level: number): LimitsInput;
}
