// The part of Canopy's schema that the queries ask for, resolved field by field. mercurius, Yoga and Apollo share it.

import { makeLoaders } from './loaders.js';
import { decimal, levels, limits } from './policy.js';

export const typeDefs = /* GraphQL */ `
  type Query { account(id: ID!): Account }
  type Account {
    id: ID! name: String! kind: String!
    plan: Plan
    members(first: Int = 25): MemberConnection
    permissionSet: PermissionSet!
    limits: Limits
    usage(period: UsagePeriodInput!): Usage
    billingTransfer: BillingTransfer
    subaccounts(first: Int = 25): AccountConnection
  }
  input UsagePeriodInput { start: String! end: String! }
  type Plan { id: ID! name: String! }
  type MemberConnection { totalCount: Int! edges: [MemberEdge!]! }
  type MemberEdge { node: Member! }
  type Member { id: ID! role: String! user: User! }
  type User { email: String! }
  type PermissionSet { permissions: [Permission!]! }
  type Permission { key: String! level: String! }
  type Limits { resources: [ResourceLimit!]! }
  type ResourceLimit { resource: String! max: Int used: Int! }
  type Usage { totals: [UsageTotal!]! }
  type UsageTotal { meter: String! quantity: String! amount: Money! }
  type Money { amount: String! }
  type BillingTransfer { state: String! }
  type AccountConnection { totalCount: Int! edges: [AccountEdge!]! }
  type AccountEdge { node: Account! }
`;

export const makeContext = () => ({ loaders: makeLoaders() });

const pathIds = (account) => account.path.split('/').slice(0, -1);

async function resources(account, { loaders }) {
  const path = pathIds(account);
  const [above, set, members, children, keys] = await Promise.all([
    loaders.account.loadMany(path),
    loaders.limits.loadMany(path),
    loaders.memberCount.load(account.id),
    loaders.childCount.load(account.id),
    loaders.keyCount.load(account.id),
  ]);
  const plans = await loaders.plan.loadMany(above.flatMap(({ plan_id: plan }) => plan ?? []));
  return limits(plans.map((plan) => plan.limits_configuration), set.flat(), {
    api_keys: keys?.count ?? 0,
    depth: above.filter(({ kind }) => kind === 'SUBACCOUNT').length,
    members: members?.count ?? 0,
    subaccounts: children?.count ?? 0,
  });
}

export const resolvers = {
  Query: { account: (_, { id }, { loaders }) => loaders.account.load(id) },
  Account: {
    plan: (account, _, { loaders }) => account.plan_id && loaders.plan.load(account.plan_id),
    members: ({ id }, { first }) => ({ id, first }),
    permissionSet: (account) => account,
    limits: (account) => account,
    usage: ({ id }, { period }) => ({ id, period }),
    billingTransfer: async (account, _, { loaders }) => {
      const transfer = await loaders.transfer.load(account.id);
      if (account.billing_mode === 'OWN') return { state: 'INDEPENDENT' };
      return { state: transfer?.status === 'IN_PROGRESS' ? 'IN_PROGRESS' : 'PARENT_BILLED' };
    },
    subaccounts: ({ id }, { first }) => ({ id, first }),
  },
  MemberConnection: {
    totalCount: async ({ id }, _, { loaders }) => (await loaders.memberCount.load(id))?.count ?? 0,
    edges: async ({ id, first }, _, { loaders }) => {
      const members = await loaders.members(first).load(id);
      return members.map((node) => ({ node }));
    },
  },
  Member: { user: (member) => member },
  PermissionSet: {
    permissions: async (account, _, { loaders }) => {
      const restrictions = await loaders.levels.loadMany(pathIds(account));
      return levels(restrictions.flat());
    },
  },
  Limits: { resources: (account, _, context) => resources(account, context) },
  Usage: {
    totals: ({ id, period }, _, { loaders }) => loaders.usage(period.start, period.end).load(id),
  },
  UsageTotal: {
    quantity: ({ quantity }) => decimal(quantity),
    amount: ({ amount }) => ({ amount: decimal(amount) }),
  },
  AccountConnection: {
    totalCount: async ({ id }, _, { loaders }) => (await loaders.childCount.load(id))?.count ?? 0,
    edges: async ({ id, first }, _, { loaders }) => {
      const accounts = await loaders.children(first).load(id);
      return accounts.map((node) => ({ node }));
    },
  },
};
