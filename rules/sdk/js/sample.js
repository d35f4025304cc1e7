/** Inputs for the tests of a rule, which run natively. */

/** A line of usage: quantity and cost in micro-units, at 1970-01-01T12:00:00Z. */
export function line(meter, quantity, cost = 0, more = {}) {
  const period = { start: 0, quantity: 0, lines: 0 };
  return { account: 0, meter, quantity, cost, occurredAt: 12 * 3600, attributes: undefined, period, ...more };
}

/** A batch of one client whose direct seller is asked. The configuration is an object. */
export function pricing(configuration, lines) {
  return {
    sellerPath: 'acc_seller/',
    currency: 'USD',
    configuration: JSON.stringify(configuration),
    accounts: [{ path: 'acc_seller/acc_buyer/', buyer: 'acc_buyer', buyerPlan: 'pln_sample' }],
    lines,
  };
}

/** The question about a subaccount at a level. The configuration is an object. */
export function limits(configuration, plan, level) {
  return {
    plan,
    account: { path: 'acc_seller/acc_buyer/', kind: 'subaccount', level, creditMode: 'manual' },
    counts: [],
    configuration: JSON.stringify(configuration),
  };
}
