// graphql-transport-ws through each of its messages and close codes: by its own client, and by a bare socket where
// a client cannot misbehave.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

import { within } from '../clients/demo.mjs';
import { Inbox, codesOf } from '../clients/inbox.mjs';
import { acknowledged, connect } from './socket.mjs';
import {
  RECORD_USAGE,
  USAGE_UPDATES,
  agency,
  arrival,
  bearer,
  demo,
  expiring,
  live,
  newEvent,
  owner,
  persisted,
  record,
  stranger,
} from './support.mjs';

const NAME = 'query Name($id: ID!) { account(id: $id) { id name } }';
const named = { query: NAME, variables: { id: agency } };
const watched = demo.accounts['itellico.orchard'];
const updates = { query: USAGE_UPDATES, variables: { accountId: watched } };

function client(options = {}) {
  return createClient({
    url: demo.wsUrl,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: bearer(owner) },
    retryAttempts: 0,
    ...options,
  });
}

/** The results of an operation that ends. */
async function results(of, request) {
  const all = [];
  for await (const result of of.iterate(request)) all.push(result);
  return all;
}

function follow(of, request) {
  const inbox = new Inbox('graphql-ws');
  return { inbox, unsubscribe: of.subscribe(request, inbox.sink()) };
}

test('a query is one result and the end', async () => {
  const one = client();
  const [result, ...rest] = await results(one, named);
  assert.equal(result.data.account.id, agency);
  assert.deepEqual(rest, []);
  await one.dispose();
});

test('a mutation is one result and the end', async () => {
  const one = client();
  const input = { accountId: watched, events: [newEvent()] };
  const [result] = await results(one, { query: RECORD_USAGE, variables: { input } });
  assert.equal(result.data.recordUsage.results[0].status, 'ACCEPTED');
  await one.dispose();
});

test('a subscription delivers until it is unsubscribed', async () => {
  const one = client();
  const { inbox, unsubscribe } = follow(one, updates);
  await live(watched, inbox);
  await arrival(inbox, await record(watched));
  unsubscribe();
  await one.dispose();
});

test('several operations share one socket', async () => {
  let sockets = 0;
  const one = client({ lazy: true, on: { opened: () => (sockets += 1) } });
  const first = follow(one, updates);
  const second = follow(one, updates);
  await live(watched, first.inbox, second.inbox);
  first.unsubscribe();
  await arrival(second.inbox, await record(watched));
  assert.equal((await results(one, named))[0].data.account.id, agency);
  second.unsubscribe();
  assert.equal(sockets, 1);
  await one.dispose();
});

test('a document that is not valid is an error message, and the socket stays', async () => {
  const one = client({ lazy: false });
  for (const query of ['{ nothing }', '{', '{ me { user } }', '{ account(id: {}) { id } }']) {
    const { inbox } = follow(one, { query });
    assert.deepEqual(codesOf(await inbox.refusal()), ['BAD_USER_INPUT'], query);
  }
  assert.equal((await results(one, named))[0].data.account.id, agency);
  await one.dispose();
});

test("a field's failure is a result with partial data", async () => {
  const one = client();
  const query = `query ($own: ID!) { me { user { email } } account(id: $own) { id } other: account(id: "acc_0") { id } }`;
  const [{ data, errors }] = await results(one, { query, variables: { own: agency } });
  assert.equal(data.account.id, agency);
  assert.equal(data.other, null);
  assert.deepEqual(codesOf(errors), ['NOT_FOUND']);
  await one.dispose();
});

test("a subscription to another tenant's account is an error message", async () => {
  const one = client({ connectionParams: { authorization: bearer(stranger) } });
  const { inbox } = follow(one, updates);
  assert.deepEqual(codesOf(await inbox.refusal()), ['NOT_FOUND']);
  await one.dispose();
});

test("the client's pings are answered, with their payload", async () => {
  let pong;
  const answered = new Promise((resolve) => (pong = resolve));
  const one = client({ lazy: false, keepAlive: 50, on: { pong: (received) => received && pong() } });
  await within(20_000, 'a pong', answered);
  await one.dispose();

  const socket = await acknowledged();
  socket.send({ type: 'ping', payload: { mark: [1, null, 'ä'] } });
  assert.deepEqual(await socket.next(), { type: 'pong', payload: { mark: [1, null, 'ä'] } });
  socket.send({ type: 'ping' });
  assert.deepEqual(await socket.next(), { type: 'pong' });
  await socket.close();
});

test('a ping is answered before connection_init, and a pong that nobody asked for is nothing', async () => {
  const socket = await connect();
  socket.send({ type: 'ping' });
  assert.deepEqual(await socket.next(), { type: 'pong' });
  socket.send({ type: 'pong', payload: { unasked: true } });
  socket.send({ type: 'connection_init', payload: { authorization: bearer(owner) } });
  assert.equal((await socket.next()).type, 'connection_ack');
  await socket.close();
});

test('a client whose socket broke connects again and goes on behind its cursor', async () => {
  const one = client({ retryAttempts: 5, shouldRetry: () => true, retryWait: async () => {} });
  const first = follow(one, updates);
  const { id } = await live(watched, first.inbox);
  const { cursor } = (await arrival(first.inbox, id)).usageUpdates;
  one.terminate();
  const missed = await record(watched);
  const resumed = follow(one, { ...updates, variables: { accountId: watched, after: cursor } });
  await arrival(resumed.inbox, missed);
  assert.deepEqual(resumed.inbox.updates.map((update) => update.usageUpdates.event.id), [missed]);
  first.unsubscribe();
  resumed.unsubscribe();
  await one.dispose();
});

test('complete ends a subscription, and its id may be used again', async () => {
  const socket = await acknowledged();
  socket.send({ id: 'one', type: 'subscribe', payload: updates });
  socket.send({ id: 'two', type: 'subscribe', payload: updates });
  const both = new Set();
  // One reader for all attempts: one that was left behind would take the messages of those after it.
  const told = socket.until((message) => {
    assert.equal(message.type, 'next', JSON.stringify(message));
    both.add(message.id);
    return both.size === 2;
  });
  for (let attempt = 0; both.size < 2 && attempt < 20; attempt += 1) {
    await record(watched);
    const late = new Promise((resolve) => setTimeout(resolve, 1_500));
    await Promise.race([told, late]);
  }
  assert.deepEqual([...both].sort(), ['one', 'two']);

  socket.send({ id: 'one', type: 'complete' });
  // Answers come in the order of the messages: from here on the server knows that `one` has ended.
  socket.send({ type: 'ping' });
  await socket.until((message) => message.type === 'pong');
  const id = await record(watched);
  const after = [];
  await socket.until((message) => {
    after.push(message.id);
    return message.id === 'two' && message.payload.data.usageUpdates.event.id === id;
  });
  assert.ok(!after.includes('one'), `nothing comes of a completed subscription: ${after}`);
  const messages = await socket.run('one', named);
  assert.deepEqual(messages.map((message) => message.type), ['next', 'complete']);
  await socket.close();
});

test('an id is free again after complete and after an error, and completing an unknown id is nothing', async () => {
  const socket = await acknowledged();
  socket.send({ id: 'nobody', type: 'complete' });
  for (const payload of [named, { query: '{ nothing }' }, named]) {
    const types = (await socket.run('again', payload)).map((message) => message.type);
    assert.deepEqual(types, payload === named ? ['next', 'complete'] : ['error']);
  }
  await socket.close();
});

test('operationName chooses, and its absence among several is an error message', async () => {
  const query = `query A { me { user { id } } } query B { __typename }`;
  const socket = await acknowledged();
  const [next] = await socket.run('b', { query, operationName: 'B' });
  assert.deepEqual(next.payload.data, { __typename: 'Query' });
  const [error] = await socket.run('none', { query });
  assert.equal(error.type, 'error');
  assert.ok(Array.isArray(error.payload) && error.payload[0].message.length > 0);
  await socket.close();
});

test('more operations at once than the bound is an error message for the one too many', async () => {
  const socket = await acknowledged();
  for (let index = 0; index < 100; index += 1) {
    socket.send({ id: `many-${index}`, type: 'subscribe', payload: updates });
  }
  const messages = await socket.run('too-many', updates);
  assert.deepEqual(messages.map((message) => message.type), ['error']);
  await socket.close();
});

test('credentials may come with the upgrade, and a bad one there is 401', async () => {
  const socket = await connect({ headers: { authorization: bearer(owner) } });
  socket.send({ type: 'connection_init' });
  assert.equal((await socket.next()).type, 'connection_ack');
  const [next] = await socket.run('1', named);
  assert.equal(next.payload.data.account.id, agency);
  await socket.close();
  await assert.rejects(connect({ headers: { authorization: 'Bearer nonsense' } }), /401/);
});

test('nobody in particular is acknowledged, and may do nothing', async () => {
  const socket = await connect();
  socket.send({ type: 'connection_init' });
  assert.equal((await socket.next()).type, 'connection_ack');
  const [next] = await socket.run('1', { query: '{ __typename }' });
  assert.deepEqual(next.payload.data, { __typename: 'Query' });
  const [refused] = await socket.run('2', updates);
  assert.deepEqual(codesOf(refused.payload), ['UNAUTHENTICATED']);
  await socket.close();
});

test('the server pings, and closes a socket that does not answer', async () => {
  const silent = await connect({ autoPong: false });
  silent.send({ type: 'connection_init' });
  const pinged = new Promise((resolve) => silent.socket.once('ping', resolve));
  await within(20_000, 'a ping of the server', pinged);
  assert.equal((await within(30_000, 'the close', silent.closed)).code, 1002);
});

/** What a client may do wrong, and the code that its socket is closed with. */
const WRONG = {
  'a message that is not JSON': [4400, (socket) => socket.send('{')],
  'a message that is no object': [4400, (socket) => socket.send('[]')],
  'a message without a type': [4400, (socket) => socket.send({ id: '1' })],
  'a message of an unknown type': [4400, (socket) => socket.send({ type: 'start', id: '1' })],
  'a message of the server': [4400, (socket) => socket.send({ type: 'next', id: '1', payload: {} })],
  'a binary message': [4400, (socket) => socket.send(Buffer.from('{"type":"ping"}'))],
  'a subscribe without an id': [4400, (socket) => socket.send({ type: 'subscribe', payload: named })],
  'a subscribe with an empty id': [4400, (socket) => socket.send({ type: 'subscribe', id: '', payload: named })],
  'a subscribe without a payload': [4400, (socket) => socket.send({ type: 'subscribe', id: '1' })],
  'a subscribe whose query is no string': [
    4400,
    (socket) => socket.send({ type: 'subscribe', id: '1', payload: { query: 1 } }),
  ],
  'a subscribe whose variables are no object': [
    4400,
    (socket) => socket.send({ type: 'subscribe', id: '1', payload: { ...named, variables: [] } }),
  ],
  'a complete without an id': [4400, (socket) => socket.send({ type: 'complete' })],
  'a payload that is no object': [4400, (socket) => socket.send({ type: 'ping', payload: 1 })],
  'a subscribe under an id that is in use': [
    4409,
    (socket) => {
      socket.send({ type: 'subscribe', id: 'twice', payload: updates });
      socket.send({ type: 'subscribe', id: 'twice', payload: updates });
    },
    'Subscriber for twice already exists',
  ],
  'a second connection_init': [
    4429,
    (socket) => socket.send({ type: 'connection_init' }),
    'Too many initialisation requests',
  ],
};

for (const [what, [code, misbehave, reason]] of Object.entries(WRONG)) {
  test(`${what} closes with ${code}`, async () => {
    const socket = await acknowledged();
    misbehave(socket);
    const end = await within(20_000, 'the close', socket.closed);
    assert.equal(end.code, code, end.reason);
    if (reason) assert.equal(end.reason, reason);
  });
}

test('an operation before connection_init closes with 4401', async () => {
  const socket = await connect();
  socket.send({ type: 'subscribe', id: '1', payload: named });
  assert.deepEqual(await within(20_000, 'the close', socket.closed), { code: 4401, reason: 'Unauthorized' });
});

test('a credential that is not good closes with 4403', async () => {
  const one = client({ connectionParams: { authorization: bearer('nonsense') } });
  const { inbox } = follow(one, named);
  const { code, reason } = await inbox.refusal();
  assert.equal(code, 4403);
  assert.ok(reason.length > 0);
  await one.dispose();
});

test('a token that ends closes its socket with 4403, and says why', async () => {
  const socket = await connect();
  socket.send({ type: 'connection_init', payload: { authorization: bearer(expiring(owner, 3)) } });
  assert.equal((await socket.next()).type, 'connection_ack');
  socket.send({ type: 'subscribe', id: '1', payload: updates });
  assert.deepEqual(await within(20_000, 'the close', socket.closed), { code: 4403, reason: 'Token expired' });
});

test('a persisted document is run by its id', async () => {
  const { hash } = await persisted('account-name.graphql');
  const socket = await acknowledged();
  const [next] = await socket.run('1', { documentId: `sha256:${hash}`, variables: { id: agency } });
  assert.equal(next.payload.data.account.id, agency);
  const [error] = await socket.run('2', { documentId: `sha256:${'0'.repeat(64)}` });
  assert.deepEqual(codesOf(error.payload), ['PERSISTED_QUERY_NOT_FOUND']);
  await socket.close();
});

test('a variable that is missing or of another type is an error message', async () => {
  const socket = await acknowledged();
  for (const variables of [{}, { id: null }, { id: { of: 1 } }]) {
    const [error] = await socket.run('1', { ...named, variables });
    assert.equal(error.type, 'error', JSON.stringify(error));
    assert.deepEqual(codesOf(error.payload), ['BAD_USER_INPUT']);
  }
  await socket.close();
});

for (const protocols of [[], ['graphql-ws'], ['soap']]) {
  test(`a client that offers [${protocols}] is closed with 4406`, async () => {
    // The library fails a socket whose server chose none of the protocols, so none is offered through it.
    const headers = protocols.length > 0 ? { 'sec-websocket-protocol': protocols.join(', ') } : {};
    const socket = await connect({ headers }, []);
    assert.deepEqual(await within(20_000, 'the close', socket.closed), {
      code: 4406,
      reason: 'Subprotocol not acceptable',
    });
  });
}

test('a client that offers several subprotocols gets the one of the protocol', async () => {
  const socket = await connect({}, ['soap', 'graphql-transport-ws']);
  assert.equal(socket.socket.protocol, 'graphql-transport-ws');
  await socket.close();
});

test('a socket without connection_init is closed in time with 4408', async () => {
  const socket = await connect();
  assert.deepEqual(await within(20_000, 'the close', socket.closed), {
    code: 4408,
    reason: 'Connection initialisation timeout',
  });
});

test("the client's own close is answered with its code", async () => {
  const socket = await acknowledged();
  assert.deepEqual(await socket.close(), { code: 1000, reason: '' });
});
