// The same page for Relay: a query, a fragment on the interface that pages through a connection and is fetched again
// by `node`, a mutation and a subscription.

import { graphql } from 'relay-runtime';

import type { AccountPageQuery } from './__generated__/AccountPageQuery.graphql';
import type { AccountPage_children$data } from './__generated__/AccountPage_children.graphql';
import type { AccountPageUpdateMutation } from './__generated__/AccountPageUpdateMutation.graphql';
import type { AccountPageUsageSubscription } from './__generated__/AccountPageUsageSubscription.graphql';

export const query = graphql`
  query AccountPageQuery($id: ID!) {
    account(id: $id) {
      id
      ...AccountPage_children
      ...AccountPage_events
    }
    plans { id name }
  }
`;

export const children = graphql`
  fragment AccountPage_children on Tenant
  @refetchable(queryName: "AccountPageChildrenQuery")
  @argumentDefinitions(first: { type: "Int", defaultValue: 25 }, after: { type: "String" }) {
    id
    name
    subaccounts(first: $first, after: $after) @connection(key: "AccountPage_subaccounts") {
      edges { node { id name status credits { pool { amount currency } } } }
    }
  }
`;

export const events = graphql`
  fragment AccountPage_events on Tenant {
    usageEvents(last: 5) @connection(key: "AccountPage_usageEvents") {
      edges { node { id meter quantity ratings { id price { amount } } } }
    }
  }
`;

export const update = graphql`
  mutation AccountPageUpdateMutation($input: UpdateSubaccountInput!) {
    updateSubaccount(input: $input) {
      subaccount { id name status }
      userErrors { field message code }
    }
  }
`;

export const usage = graphql`
  subscription AccountPageUsageSubscription($accountId: ID!, $after: String) {
    usageUpdates(accountId: $accountId, after: $after) { cursor event { id quantity ratings { id price { amount } } } }
  }
`;

export const variables: AccountPageQuery['variables'] = { id: 'acc_1' };

export const input: AccountPageUpdateMutation['variables'] = { input: { id: 'acc_1', status: 'SUSPENDED' } };

// @ts-expect-error: there is no such status.
export const wrong: AccountPageUpdateMutation['variables'] = { input: { id: 'acc_1', status: 'GONE' } };

export function namesOf(data: AccountPage_children$data): string[] {
  const edges = data.subaccounts?.edges ?? [];
  // @ts-expect-error: credits may be null.
  edges.map(({ node }) => node.credits.pool);
  return edges.map(({ node }) => node.name);
}

export function quantityOf(response: AccountPageUsageSubscription['response']): string {
  return response.usageUpdates.event.quantity;
}
