// Apollo Client 4, set up as its documentation says: HTTP for queries and mutations, graphql-ws for subscriptions,
// and a normalized cache that pages by `relayStylePagination`.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, test } from 'node:test';

import { ApolloClient, ApolloLink, CombinedGraphQLErrors, HttpLink, InMemoryCache, gql } from '@apollo/client';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { relayStylePagination } from '@apollo/client/utilities';
import { OperationTypeNode } from 'graphql';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

import { Inbox } from '../clients/inbox.mjs';
import {
  RECORD_USAGE,
  USAGE_UPDATES,
  agency,
  arrival,
  bearer,
  demo,
  live,
  newEvent,
  owner,
  record,
  recordingFetch,
  sha256,
} from './support.mjs';

const watched = demo.accounts['itellico.acme'];
const TENANTS = ['Account', 'Subaccount'];

const socket = createClient({
  url: demo.wsUrl,
  webSocketImpl: WebSocket,
  connectionParams: { authorization: bearer(owner) },
});
after(() => socket.dispose());

function client(token = owner) {
  const http = new HttpLink({ uri: demo.url, headers: { authorization: bearer(token) } });
  const paged = { fields: { usageEvents: relayStylePagination() } };
  return new ApolloClient({
    link: ApolloLink.split(
      ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
      new GraphQLWsLink(socket),
      http,
    ),
    cache: new InMemoryCache({
      possibleTypes: { Tenant: TENANTS, Node: [...TENANTS, 'Plan', 'RuleVersion', 'UsageEvent', 'Rating', 'Member'] },
      typePolicies: { Account: paged, Subaccount: paged },
    }),
  });
}

const ACCOUNT = gql`
  query Account($id: ID!) {
    account(id: $id) {
      id
      name
      parent { id name }
      subaccounts(first: 2) { edges { cursor node { id name } } pageInfo { hasNextPage endCursor } }
    }
  }`;

const EVENTS = gql`
  query Events($id: ID!, $first: Int, $after: String) {
    account(id: $id) {
      id
      usageEvents(first: $first, after: $after) {
        edges { cursor node { id meter quantity } }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
      }
    }
  }`;

test('a query fills the cache by id, and interfaces are resolved', async () => {
  const apollo = client();
  const { data } = await apollo.query({ query: ACCOUNT, variables: { id: watched } });
  assert.equal(data.account.__typename, 'Subaccount');
  assert.equal(data.account.parent.id, agency);
  const parent = apollo.readFragment({
    id: apollo.cache.identify({ __typename: 'Account', id: agency }),
    fragment: gql`fragment Name on Tenant { name }`,
  });
  assert.equal(parent.name, data.account.parent.name);
  const cached = await apollo.query({ query: ACCOUNT, variables: { id: watched }, fetchPolicy: 'cache-only' });
  assert.deepEqual(cached.data, data);
});

test("a mutation's payload updates what a watcher sees", async () => {
  const apollo = client();
  const id = demo.accounts['itellico.acme.east'];
  const { data: before } = await apollo.query({ query: ACCOUNT, variables: { id } });
  const rename = async (name) =>
    apollo.mutate({
      mutation: gql`
        mutation Rename($input: UpdateSubaccountInput!) {
          updateSubaccount(input: $input) { subaccount { id name } userErrors { field message code } }
        }`,
      variables: { input: { id, name } },
    });
  const { data } = await rename('Renamed by Apollo');
  assert.deepEqual(data.updateSubaccount.userErrors, []);
  const cached = await apollo.query({ query: ACCOUNT, variables: { id }, fetchPolicy: 'cache-only' });
  assert.equal(cached.data.account.name, 'Renamed by Apollo');
  await rename(before.account.name);
});

test('pages of a connection grow together in the cache', async () => {
  const apollo = client();
  for (let index = 0; index < 5; index += 1) await record(watched);
  const options = { query: EVENTS, variables: { id: watched, first: 2 } };
  const first = await apollo.query(options);
  assert.equal(first.data.account.usageEvents.edges.length, 2);
  const watching = apollo.watchQuery(options);
  const watcher = watching.subscribe({});
  let page = first.data.account.usageEvents.pageInfo;
  for (const expected of [4, 6]) {
    assert.ok(page.hasNextPage);
    await watching.fetchMore({ variables: { after: page.endCursor } });
    const events = apollo.readQuery(options).account.usageEvents;
    assert.equal(events.edges.length, expected);
    assert.equal(new Set(events.edges.map(({ node }) => node.id)).size, expected, 'no event twice');
    page = events.pageInfo;
  }
  watcher.unsubscribe();
});

test('a subscription over graphql-ws delivers', async () => {
  const apollo = client();
  const inbox = new Inbox('Apollo Client');
  const results = apollo.subscribe({ query: gql(USAGE_UPDATES), variables: { accountId: watched } });
  const subscription = results.subscribe({
    next: ({ data, error }) => inbox.sink().next({ data, errors: error }),
    error: inbox.sink().error,
  });
  await live(watched, inbox);
  const event = newEvent();
  const { data } = await apollo.mutate({
    mutation: gql(RECORD_USAGE),
    variables: { input: { accountId: watched, events: [event] } },
  });
  const update = await arrival(inbox, data.recordUsage.results[0].event.id);
  assert.equal(update.usageUpdates.event.idempotencyKey, event.idempotencyKey);
  subscription.unsubscribe();
});

test('errors keep their codes and partial data is data', async () => {
  const apollo = client();
  const query = gql`query Both($id: ID!) { account(id: $id) { id } other: account(id: "acc_0") { id } }`;
  const variables = { id: agency };
  await assert.rejects(apollo.query({ query, variables }), (error) => {
    assert.ok(CombinedGraphQLErrors.is(error));
    assert.deepEqual(error.errors.map(({ extensions }) => extensions.code), ['NOT_FOUND']);
    return true;
  });
  const { data, error } = await apollo.query({ query, variables, errorPolicy: 'all' });
  assert.equal(data.account.id, agency);
  assert.ok(CombinedGraphQLErrors.is(error));
  // A refusal of the whole request has a status other than 2xx, and its body is still GraphQL's.
  await assert.rejects(client('nonsense').query({ query, variables }), (refusal) => {
    assert.ok(CombinedGraphQLErrors.is(refusal), String(refusal));
    assert.equal(refusal.errors[0].extensions.code, 'UNAUTHENTICATED');
    return true;
  });
});

/** A client that names documents by their hash, and the requests that it sent. */
function hashing(options) {
  const { sent, fetch } = recordingFetch();
  const http = new HttpLink({ uri: demo.url, headers: { authorization: bearer(owner) }, fetch });
  const link = new PersistedQueryLink(options).concat(http);
  return { sent, apollo: new ApolloClient({ link, cache: new InMemoryCache() }) };
}

for (const useGETForHashedQueries of [false, true]) {
  test(`automatic persisted queries by ${useGETForHashedQueries ? 'GET' : 'POST'} send the text once`, async () => {
    const { sent, apollo } = hashing({ sha256, useGETForHashedQueries });
    const query = gql(`query Automatic${useGETForHashedQueries ? 'Get' : 'Post'}($id: ID!) { account(id: $id) { id } }`);
    for (const id of [agency, watched]) {
      const { data } = await apollo.query({ query, variables: { id } });
      assert.equal(data.account.id, id);
    }
    const texts = sent.map(({ url, body }) => body?.query ?? url.searchParams.get('query'));
    assert.equal(sent.length, 3, 'the hash, the hash with the text, and the hash');
    assert.deepEqual(texts.map((text) => text === null || text === undefined), [true, false, true]);
    assert.equal(sent[0].method, useGETForHashedQueries ? 'GET' : 'POST');
  });
}

test('documents of a persisted manifest are never sent', async () => {
  const manifest = JSON.parse(await readFile(new URL('documents/manifest.json', import.meta.url), 'utf8'));
  const ids = new Map(manifest.operations.map(({ name, id }) => [name, id]));
  const { sent, apollo } = hashing({
    generateHash: (document) => ids.get(document.definitions[0].name.value),
  });
  const [{ body }] = manifest.operations;
  const { data } = await apollo.query({ query: gql(body), variables: { id: agency } });
  assert.equal(data.account.id, agency);
  assert.deepEqual(sent.map((request) => request.body.query), [undefined]);
});
