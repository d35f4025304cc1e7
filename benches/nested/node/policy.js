// How levels and limits combine down a path, written by hand from what is in the tables.

const UNDER = {
  AGENTS: [
    'AGENT_GENERAL', 'AGENT_PROMPT', 'AGENT_KNOWLEDGE', 'AGENT_TOOLS', 'AGENT_CALL_FLOW', 'AGENT_ANALYTICS',
    'AGENT_NOTIFICATIONS',
  ],
  TELEPHONY: ['PHONE_NUMBERS', 'SIP_TRUNKS', 'COMPLIANCE_PROFILES'],
  ACCOUNT: ['SETTINGS', 'MEMBERS', 'SUBACCOUNTS', 'TRUST_CENTER', 'SCHEDULES'],
  DEVELOPERS: ['INTEGRATIONS', 'API_KEYS', 'WEBHOOKS'],
  BILLING: ['USAGE'],
};
const ORDER = [
  'CONVERSATIONS', 'TASKS', 'AGENTS', ...UNDER.AGENTS, 'KNOWLEDGE_BASES', 'TELEPHONY', ...UNDER.TELEPHONY,
  'CAMPAIGNS_AND_CONTACTS', 'ACCOUNT', ...UNDER.ACCOUNT, 'DEVELOPERS', ...UNDER.DEVELOPERS, 'BILLING', 'USAGE',
];
const NAMES = { CONVERSATIONS: ['NONE', 'READ', 'READ'], ACCOUNT: ['NONE', 'LIMITED', 'FULL'] };
NAMES.BILLING = NAMES.USAGE = ['NONE', 'NONE', 'FULL'];
const USUAL = ['NONE', 'READ', 'FULL'];
const RANK = { NONE: 0, READ: 1, LIMITED: 1, FULL: 2 };

/** Each key, its umbrella, and what its levels are called. */
const MATRIX = ORDER.map((key) => ({
  key,
  umbrella: Object.keys(UNDER).find((umbrella) => UNDER[umbrella].includes(key)),
  names: NAMES[key] ?? USUAL,
}));

/** The level of each key that the restrictions of an account and all above it leave. */
export function levels(restrictions) {
  const least = {};
  for (const { key, level } of restrictions) least[key] = Math.min(least[key] ?? 2, RANK[level]);
  return MATRIX.map(({ key, umbrella, names }) => ({
    key,
    level: names[Math.min(least[key] ?? 2, least[umbrella] ?? 2)],
  }));
}

/** The least limit of each resource: of what plans say, and of what is set on the accounts of a path. */
export function limits(plans, set, used) {
  const least = new Map(['api_keys', 'depth', 'members', 'subaccounts'].map((resource) => [resource, null]));
  const add = (resource, max) => {
    const known = least.get(resource) ?? null;
    least.set(resource, known === null ? max : max === null ? known : Math.min(known, max));
  };
  for (const { max_depth: depth, caps } of plans) {
    add('depth', depth);
    for (const [resource, max] of Object.entries(caps)) add(resource, max);
  }
  for (const { resource, maximum } of set) add(resource, maximum);
  return [...least.keys()].sort().map((resource) => ({
    resource,
    max: least.get(resource),
    used: used[resource] ?? 0,
  }));
}

/** Millionths as a decimal number without superfluous zeros. */
export function decimal(micros) {
  const whole = Math.floor(micros / 1_000_000);
  const fraction = micros % 1_000_000;
  return fraction === 0 ? `${whole}` : `${whole}.${String(fraction).padStart(6, '0').replace(/0+$/, '')}`;
}
