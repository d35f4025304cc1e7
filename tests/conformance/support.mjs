// What the suites share: the running demo, GraphQL by plain fetch, and usage to see arriving.

import assert from 'node:assert/strict';

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
