// A page of a frontend, written against what the client preset of graphql-codegen makes of the SDL. What it must
// refuse is marked by `@ts-expect-error`, which the compiler refuses where nothing is wrong.

import type { ResultOf, VariablesOf } from '@graphql-typed-document-node/core';

import { type FragmentType, graphql, unmasked } from './__generated__';

export const AccountCard = graphql(`
  fragment AccountCard on Tenant {
    id
    name
    kind
    status
    createdAt
    credits { pool { amount currency } purchased { amount currency } }
    ... on Subaccount { creditMode }
  }
`);

export const AccountPage = graphql(`
  query AccountPage($id: ID!, $first: Int = 25, $after: String, $period: UsagePeriodInput) {
    account(id: $id) {
      __typename
      ...AccountCard
      subaccounts(first: $first, after: $after) {
        edges { cursor node { ...AccountCard } }
        pageInfo { hasNextPage endCursor }
        totalCount
      }
      usage(period: $period, granularity: HOUR) {
        totals { meter quantity amount { amount currency } }
      }
      plan { id configuration }
    }
    me { user { email } }
  }
`);

export const UploadRule = graphql(`
  mutation UploadRule($input: UploadRuleInput!) {
    uploadRule(input: $input) {
      ruleVersion { id status class }
      userErrors { field message code }
    }
  }
`);

export const RecordUsage = graphql(`
  mutation RecordUsage($input: RecordUsageInput!) {
    recordUsage(input: $input) {
      results { index status event { id quantity } }
      userErrors { code }
    }
  }
`);

export const UsageUpdates = graphql(`
  subscription UsageUpdates($accountId: ID!, $after: String) {
    usageUpdates(accountId: $accountId, after: $after) { cursor kind event { id meter quantity } }
  }
`);

export function titleOf(masked: FragmentType<typeof AccountCard>): string {
  const account = unmasked(AccountCard, masked);
  // What depends on a right may be null, and a frontend must say what it shows then.
  const pool: string = account.credits?.pool.amount ?? 'unknown';
  // @ts-expect-error: credits may be null.
  account.credits.pool;
  return `${account.name} (${account.kind}, ${account.status}), ${pool}, ${account.createdAt}`;
}

export function titlesOf(page: ResultOf<typeof AccountPage>): string[] {
  const edges = page.account?.subaccounts?.edges ?? [];
  // @ts-expect-error: a connection whose right may be missing is nullable.
  page.account?.subaccounts.edges;
  return edges.map(({ node }) => titleOf(node));
}

export const uploaded: VariablesOf<typeof UploadRule>['input'][] = [
  { accountId: 'acc_1', kind: 'PRICING', name: 'prices', source: { builtin: 'tiered-pricing' } },
  { accountId: 'acc_1', kind: 'LIMITS', name: 'limits', check: false, source: { wasm: 'AGFzbQ==' }, configuration: {} },
  // @ts-expect-error: a source is exactly one of its fields.
  { accountId: 'acc_1', kind: 'PRICING', name: 'both', source: { builtin: 'tiered-pricing', wasm: 'AGFzbQ==' } },
  // @ts-expect-error: there is no such kind.
  { accountId: 'acc_1', kind: 'PRICES', name: 'prices', source: { builtin: 'tiered-pricing' } },
];

export const recorded: VariablesOf<typeof RecordUsage> = {
  input: { accountId: 'acc_1', events: [{ meter: 'call_minutes', quantity: '2.5', idempotencyKey: 'one' }] },
};

export function quantityOf(update: ResultOf<typeof UsageUpdates>): string {
  // An exact number is a string in an answer: a JavaScript number would lose digits.
  return update.usageUpdates.event.quantity;
}
