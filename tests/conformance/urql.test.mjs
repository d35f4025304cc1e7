// urql, set up as its documentation says: graphcache with `relayPagination`, fetch for queries and mutations, and
// subscriptions over graphql-ws and over server-sent events.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, test } from 'node:test';

import { Client, createRequest, fetchExchange, makeOperation, subscriptionExchange } from '@urql/core';
import { cacheExchange } from '@urql/exchange-graphcache';
import { relayPagination } from '@urql/exchange-graphcache/extras';
import { persistedExchange } from '@urql/exchange-persisted';
import { buildSchema, introspectionFromSchema } from 'graphql';
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
  persisted,
  record,
  recordingFetch,
} from './support.mjs';

const watched = demo.accounts['itellico.acme.west'];
const sdl = await readFile(new URL('../../schema/schema.graphql', import.meta.url), 'utf8');
const schema = introspectionFromSchema(buildSchema(sdl));

const socket = createClient({
  url: demo.wsUrl,
  webSocketImpl: WebSocket,
  connectionParams: { authorization: bearer(owner) },
});
after(() => socket.dispose());

const overSocket = subscriptionExchange({
  forwardSubscription: (request) => ({
    subscribe: (sink) => ({ unsubscribe: socket.subscribe({ ...request, query: request.query ?? '' }, sink) }),
  }),
});

function client(options = {}) {
  const cache = cacheExchange({
    schema,
    keys: keyless(),
    resolvers: {
      Account: { usageEvents: relayPagination() },
      Subaccount: { usageEvents: relayPagination() },
    },
  });
  return new Client({
    url: demo.url,
    preferGetMethod: false,
    fetchOptions: { headers: { authorization: bearer(owner) } },
    exchanges: [cache, overSocket, fetchExchange],
    ...options,
  });
}

/** Graphcache wants to hear of each type without an id that it is a part of its parent. */
function keyless() {
  const types = schema.__schema.types.filter(
    ({ kind, name, fields }) => kind === 'OBJECT' && !name.startsWith('__') && !fields.some((field) => field.name === 'id'),
  );
  return Object.fromEntries(types.map(({ name }) => [name, () => null]));
}

const ACCOUNT = `
  query Account($id: ID!) {
    account(id: $id) { __typename id name parent { id name } }
  }`;

const EVENTS = `
  query Events($id: ID!, $after: String) {
    account(id: $id) {
      id
      usageEvents(first: 2, after: $after) {
        edges { cursor node { id meter quantity } }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
      }
    }
  }`;

/** The data of a result without errors. */
function dataOf({ data, error }) {
  assert.equal(error, undefined, String(error));
  return data;
}

test('a query is answered from the network and then from the cache', async () => {
  const urql = client();
  const data = dataOf(await urql.query(ACCOUNT, { id: watched }));
  assert.equal(data.account.__typename, 'Subaccount');
  const again = dataOf(await urql.query(ACCOUNT, { id: watched }, { requestPolicy: 'cache-only' }));
  assert.deepEqual(again, data);
});

test('a query by GET is answered', async () => {
  const urql = client({ preferGetMethod: 'force' });
  assert.equal(dataOf(await urql.query(ACCOUNT, { id: watched })).account.id, watched);
});

test("a mutation's payload updates the cache", async () => {
  const urql = client();
  const id = demo.accounts['itellico.acme.west.portland'];
  const before = dataOf(await urql.query(ACCOUNT, { id }));
  const rename = async (name) =>
    urql.mutation(
      `mutation Rename($input: UpdateSubaccountInput!) {
        updateSubaccount(input: $input) { subaccount { id name } userErrors { field message code } }
      }`,
      { input: { id, name } },
    );
  assert.deepEqual(dataOf(await rename('Renamed by urql')).updateSubaccount.userErrors, []);
  const after = dataOf(await urql.query(ACCOUNT, { id }, { requestPolicy: 'cache-only' }));
  assert.equal(after.account.name, 'Renamed by urql');
  await rename(before.account.name);
});

test('pages of a connection grow together in the cache', async () => {
  const urql = client();
  for (let index = 0; index < 5; index += 1) await record(watched);
  let after = null;
  for (const expected of [2, 4, 6]) {
    const { usageEvents } = dataOf(await urql.query(EVENTS, { id: watched, after })).account;
    assert.equal(usageEvents.edges.length, expected);
    assert.equal(new Set(usageEvents.edges.map(({ node }) => node.id)).size, expected, 'no event twice');
    assert.ok(usageEvents.pageInfo.hasNextPage);
    after = usageEvents.pageInfo.endCursor;
  }
});

const STREAMS = {
  'graphql-ws': {},
  'server-sent events': { exchanges: [fetchExchange], fetchSubscriptions: true },
};

for (const [transport, options] of Object.entries(STREAMS)) {
  test(`a subscription over ${transport} delivers`, async () => {
    const urql = client(options);
    const inbox = new Inbox(`urql over ${transport}`);
    const results = urql.subscription(USAGE_UPDATES, { accountId: watched });
    const { unsubscribe } = results.subscribe(({ data, error }) =>
      inbox.sink().next({ data, errors: error?.graphQLErrors }),
    );
    await live(watched, inbox);
    const event = newEvent();
    const { recordUsage } = dataOf(
      await urql.mutation(RECORD_USAGE, { input: { accountId: watched, events: [event] } }),
    );
    const update = await arrival(inbox, recordUsage.results[0].event.id);
    assert.equal(update.usageUpdates.event.idempotencyKey, event.idempotencyKey);
    unsubscribe();
  });
}

test('errors keep their codes and partial data is data', async () => {
  const urql = client();
  const { data, error } = await urql.query(
    'query Both($id: ID!) { account(id: $id) { id } other: account(id: "acc_0") { id } }',
    { id: agency },
  );
  assert.equal(data.account.id, agency);
  assert.deepEqual(error.graphQLErrors.map(({ extensions }) => extensions.code), ['NOT_FOUND']);
});

for (const [how, preferGetForPersistedQueries] of [['POST', false], ['GET', 'force']]) {
  test(`automatic persisted queries by ${how} send the text once`, async () => {
    const { sent, fetch } = recordingFetch();
    const exchange = persistedExchange({ preferGetForPersistedQueries });
    const urql = client({ exchanges: [exchange, fetchExchange], fetch });
    const query = `query Automatic${how}($id: ID!) { account(id: $id) { id name } }`;
    for (const id of [agency, watched]) {
      assert.equal(dataOf(await urql.query(query, { id })).account.id, id);
    }
    const texts = sent.map(({ url, body }) => body?.query ?? url.searchParams.get('query'));
    assert.equal(sent.length, 3, 'the hash, the hash with the text, and the hash');
    assert.deepEqual(texts.map((text) => text === null || text === undefined), [true, false, true]);
    assert.equal(sent[0].method, how);
  });
}

test('a persisted document is named by its documentId and never sent', async () => {
  const { text, hash } = await persisted('account-name.graphql');
  const { sent, fetch } = recordingFetch();
  const urql = client({ exchanges: [fetchExchange], fetch });
  // What a compiler leaves of a document in the bundle: its id.
  const document = { kind: 'Document', definitions: [], documentId: `sha256:${hash}` };
  const whole = urql.createRequestOperation('query', createRequest(text, { id: agency }));
  const operation = makeOperation('query', { ...whole, query: document }, whole.context);
  const result = await new Promise((resolve) => {
    const { unsubscribe } = urql.executeRequestOperation(operation).subscribe((value) => {
      resolve(value);
      setImmediate(() => unsubscribe());
    });
  });
  assert.equal(dataOf(result).account.id, agency);
  assert.equal(sent[0].body.query, undefined);
});
