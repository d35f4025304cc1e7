// What the suites share: the running demo, GraphQL by plain fetch, and usage to see arriving.

import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';

import { untilLive } from '../clients/inbox.mjs';

if (!process.env.CANOPY_DEMO) {
  throw new Error('CANOPY_DEMO must be the line of JSON of a running demo; `node run.mjs` sets it');
}

/** The line of JSON of the demo that all suites share. */
export const demo = JSON.parse(process.env.CANOPY_DEMO);
export const owner = demo.tokens['itellico.owner'];
export const stranger = demo.tokens['bolna.owner'];
export const agency = demo.accounts.itellico;

export const bearer = (token) => `Bearer ${token}`;
export const sha256 = (text) => createHash('sha256').update(text).digest('hex');

/** The text and the hash of the document in a file of `documents/`. */
export async function persisted(file) {
  const text = await readFile(new URL(`documents/${file}`, import.meta.url), 'utf8');
  return { text, hash: sha256(text) };
}

/** The same token with another end, in seconds from now. Its key is that of `run.mjs`. */
export function expiring(token, seconds) {
  const [header, payload] = token.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url'));
  const changed = { ...claims, exp: Math.floor(Date.now() / 1_000) + seconds };
  const signed = `${header}.${Buffer.from(JSON.stringify(changed)).toString('base64url')}`;
  const signature = createHmac('sha256', process.env.CANOPY_SECRET).update(signed).digest('base64url');
  return `${signed}.${signature}`;
}

/** `fetch` that keeps the requests that it sent: the URL, and the body as JSON if it has one. */
export function recordingFetch() {
  const sent = [];
  const send = async (url, init = {}) => {
    sent.push({ url: new URL(url), method: init.method ?? 'GET', body: init.body ? JSON.parse(init.body) : null });
    return fetch(url, init);
  };
  return { sent, fetch: send };
}

/** Sends one GraphQL request as the agency's owner; answers with the response and its JSON. */
export async function post(body, headers = {}) {
  const response = await fetch(demo.url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/graphql-response+json',
      authorization: bearer(owner),
      ...headers,
    },
    body: JSON.stringify(body),
  });
  return { response, result: await response.json() };
}

/** The data of an operation that must succeed. */
export async function succeed(query, variables = {}) {
  const { result } = await post({ query, variables });
  assert.equal(result.errors, undefined, JSON.stringify(result.errors));
  return result.data;
}

export const RECORD_USAGE = `
  mutation RecordUsage($input: RecordUsageInput!) {
    recordUsage(input: $input) {
      results { status event { id idempotencyKey } userErrors { message code } }
      userErrors { message code }
    }
  }`;

export const USAGE_UPDATES = `
  subscription UsageUpdates($accountId: ID!, $after: String) {
    usageUpdates(accountId: $accountId, after: $after) {
      cursor
      kind
      event { id idempotencyKey quantity }
    }
  }`;

let counter = 0;

/** An event that nobody has recorded: keys of one process never meet those of another. */
export function newEvent(quantity = '1') {
  counter += 1;
  return { idempotencyKey: `conformance-${process.pid}-${counter}`, meter: 'call_minutes', quantity };
}

/** Records one event at the account and answers with its id. */
export async function record(accountId, event = newEvent()) {
  const { recordUsage } = await succeed(RECORD_USAGE, { input: { accountId, events: [event] } });
  assert.deepEqual(recordUsage.userErrors, []);
  assert.deepEqual(recordUsage.results[0].userErrors, []);
  return recordUsage.results[0].event.id;
}

/** Records usage of the account until the inboxes are live. */
export async function live(accountId, ...inboxes) {
  return untilLive(inboxes, async () => ({ id: await record(accountId) }));
}

/** Resolves when the inbox has the event. */
export async function arrival(inbox, id) {
  return inbox.first((update) => update.usageUpdates.event.id === id, `the event ${id}`);
}
