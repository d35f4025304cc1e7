// GraphQL over server-sent events in distinct connections mode: by the protocol's own client, and by plain fetch.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createClient } from 'graphql-sse';

import { within } from '../clients/demo.mjs';
import { Inbox, codesOf } from '../clients/inbox.mjs';
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

const named = {
  query: 'query Name($id: ID!) { account(id: $id) { id name } }',
  variables: { id: agency },
};
const watched = demo.accounts['itellico.lumen'];
const updates = { query: USAGE_UPDATES, variables: { accountId: watched } };

function client(token = owner) {
  return createClient({ url: demo.sseUrl, headers: { authorization: bearer(token) }, retryAttempts: 0 });
}

function follow(of, request) {
  const inbox = new Inbox('graphql-sse');
  return { inbox, unsubscribe: of.subscribe(request, inbox.sink()) };
}

async function results(of, request) {
  const all = [];
  for await (const result of of.iterate(request)) all.push(result);
  return all;
}

/** A plain request for a stream. */
async function stream(request, { url = demo.sseUrl, method = 'POST', headers = {}, signal } = {}) {
  return fetch(url, {
    method,
    signal,
    headers: {
      accept: 'text/event-stream',
      authorization: bearer(owner),
      ...(method === 'GET' ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    body: method === 'GET' ? undefined : JSON.stringify(request),
  });
}

function inQuery(request) {
  const url = new URL(demo.sseUrl);
  url.searchParams.set('query', request.query);
  url.searchParams.set('variables', JSON.stringify(request.variables ?? {}));
  return url;
}

/** The events of a stream's text, comments left out. */
function eventsOf(text) {
  return text
    .split('\n\n')
    .filter((block) => block.length > 0 && !block.startsWith(':'))
    .map((block) => {
      const fields = block.split('\n').map((line) => /^(event|data): ?(.*)$/.exec(line).slice(1));
      return Object.fromEntries(fields);
    });
}

test('a query is one result and the end', async () => {
  const one = client();
  const [result, ...rest] = await results(one, named);
  assert.equal(result.data.account.id, agency);
  assert.deepEqual(rest, []);
  one.dispose();
});

test('a mutation is one result and the end', async () => {
  const one = client();
  const input = { accountId: watched, events: [newEvent()] };
  const [result] = await results(one, { query: RECORD_USAGE, variables: { input } });
  assert.equal(result.data.recordUsage.results[0].status, 'ACCEPTED');
  one.dispose();
});

test('a subscription delivers until it is unsubscribed', async () => {
  const one = client();
  const { inbox, unsubscribe } = follow(one, updates);
  await live(watched, inbox);
  await arrival(inbox, await record(watched));
  unsubscribe();
  one.dispose();
});

test('a stream that broke goes on behind its cursor', async () => {
  const first = client();
  const { inbox } = follow(first, updates);
  const { id } = await live(watched, inbox);
  const { cursor } = (await arrival(inbox, id)).usageUpdates;
  first.dispose();
  const missed = await record(watched);
  const second = client();
  const resumed = follow(second, { ...updates, variables: { accountId: watched, after: cursor } });
  await arrival(resumed.inbox, missed);
  assert.deepEqual(resumed.inbox.updates.map((update) => update.usageUpdates.event.id), [missed]);
  second.dispose();
});

test('operations share one connection', async () => {
  const sent = [];
  const one = createClient({
    url: demo.sseUrl,
    headers: { authorization: bearer(owner) },
    retryAttempts: 0,
    singleConnection: true,
    fetchFn: (url, init = {}) => {
      sent.push(init.method ?? 'GET');
      return fetch(url, init);
    },
  });
  const { inbox, unsubscribe } = follow(one, updates);
  await live(watched, inbox);
  const [result] = await results(one, named);
  assert.equal(result.data.account.id, agency);
  const [refused] = await results(one, { query: '{ unknown }' });
  assert.equal(refused.errors[0].extensions.code, 'BAD_USER_INPUT');
  await arrival(inbox, await record(watched));
  unsubscribe();
  one.dispose();
  assert.equal(sent.filter((method) => method === 'PUT').length, 1, sent);
  assert.equal(sent.filter((method) => method === 'GET').length, 1, sent);
  assert.equal(sent.filter((method) => method === 'POST').length, 3, sent);
});

test('next and complete are written as the protocol says', async () => {
  for (const response of [await stream(named), await stream(named, { method: 'GET', url: inQuery(named) })]) {
    assert.equal(response.status, 200);
    assert.match(response.headers.get('content-type'), /^text\/event-stream/);
    assert.match(response.headers.get('cache-control'), /no-cache/);
    const [next, complete, ...rest] = eventsOf(await response.text());
    assert.equal(next.event, 'next');
    assert.equal(JSON.parse(next.data).data.account.id, agency);
    // A browser drops an event without a data line.
    assert.deepEqual(complete, { event: 'complete', data: '' });
    assert.deepEqual(rest, []);
  }
});

test('/graphql streams to whoever accepts a stream', async () => {
  const response = await stream(named, { url: demo.url });
  assert.match(response.headers.get('content-type'), /^text\/event-stream/);
  assert.deepEqual(eventsOf(await response.text()).map(({ event }) => event), ['next', 'complete']);
});

test('a document that is not valid is one result with errors, and the end', async () => {
  for (const query of ['{ nothing }', '{', '{ me { user } }']) {
    const [next, complete] = eventsOf(await (await stream({ query })).text());
    assert.equal(next.event, 'next');
    assert.deepEqual(codesOf(JSON.parse(next.data).errors), ['BAD_USER_INPUT'], query);
    assert.equal(JSON.parse(next.data).data, undefined);
    assert.equal(complete.event, 'complete');
  }
});

test("a subscription to another tenant's account is refused in the stream", async () => {
  const one = client(stranger);
  const { inbox } = follow(one, updates);
  assert.deepEqual(codesOf(await inbox.refusal()), ['NOT_FOUND']);
  one.dispose();
});

test('a credential that is not good is 401, whatever is asked', async () => {
  const one = client('nonsense');
  const { inbox } = follow(one, updates);
  const { response } = await inbox.refusal();
  assert.equal(response.status, 401);
  const { errors } = await (await stream(named, { headers: { authorization: 'Bearer nonsense' } })).json();
  assert.deepEqual(codesOf(errors), ['UNAUTHENTICATED']);
  one.dispose();
});

test('what is no request for a stream is refused with a status of its own', async () => {
  const mutation = { query: 'mutation { signIn(input: { email: "a@b.example", password: "c" }) { token } }' };
  const refusals = [
    [405, 'POST', await stream(mutation, { method: 'GET', url: inQuery(mutation) })],
    [405, 'GET, POST, OPTIONS', await stream(named, { method: 'PATCH' })],
    [406, null, await stream(named, { headers: { accept: 'text/html' } })],
    [415, null, await stream(named, { headers: { 'content-type': 'text/plain' } })],
    [400, null, await stream({ query: 1 })],
    [400, null, await stream({})],
    [400, null, await stream({ ...named, variables: [] })],
  ];
  for (const [status, allow, response] of refusals) {
    assert.equal(response.status, status, await response.text());
    if (allow) assert.equal(response.headers.get('allow'), allow);
  }
});

test('a stream ends with its token, and says why', async () => {
  const response = await stream(updates, { headers: { authorization: bearer(expiring(owner, 3)) } });
  assert.equal(response.status, 200);
  const events = eventsOf(await within(20_000, 'the end', response.text()));
  const last = JSON.parse(events.findLast(({ event }) => event === 'next').data);
  assert.deepEqual(codesOf(last.errors), ['UNAUTHENTICATED']);
  assert.equal(events.at(-1).event, 'complete');
});

test('a persisted document is run by its id', async () => {
  const { hash } = await persisted('account-name.graphql');
  const variables = { id: agency };
  const [next, complete] = eventsOf(await (await stream({ documentId: `sha256:${hash}`, variables })).text());
  assert.equal(JSON.parse(next.data).data.account.id, agency);
  assert.equal(complete.event, 'complete');
});

test('an idle stream shows signs of life', async () => {
  const abort = new AbortController();
  const idle = { query: USAGE_UPDATES, variables: { accountId: demo.accounts['itellico.lumen.porto'] } };
  const response = await stream(idle, { signal: abort.signal });
  const text = response.body.pipeThrough(new TextDecoderStream());
  const first = await within(20_000, 'a comment', text.getReader().read());
  assert.equal(first.value, ':\n\n');
  abort.abort();
});
