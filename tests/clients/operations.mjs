// The operations of the test over graphql-http's client, and the exact numbers in their answers.

import assert from 'node:assert/strict';

import { createClient } from 'graphql-http';

export const USAGE_UPDATES = `
  subscription ($accountId: ID!, $after: String) {
    usageUpdates(accountId: $accountId, after: $after) {
      cursor
      kind
      event { id idempotencyKey meter quantity }
    }
  }`;

export const EVENT_FIELDS = `
  fragment EventFields on UsageEvent {
    id
    idempotencyKey
    ratingStatus
    ratings {
      seller
      buyer
      price { amount currency }
      ruleVersion
      ruleDigest
    }
  }`;

/** Runs one operation as the holder of a token and answers with the whole result, errors included. */
export async function execute(demo, token, query, variables = {}) {
  const client = createClient({ url: demo.url, headers: { authorization: `Bearer ${token}` } });
  try {
    return await new Promise((resolve, reject) => {
      let result;
      client.subscribe(
        { query, variables },
        { next: (value) => (result = value), error: reject, complete: () => resolve(result) },
      );
    });
  } catch (error) {
    // The client throws away the body of a status other than 2xx; GraphQL's errors are in it.
    if (!error.response) throw error;
    return await error.response.json();
  } finally {
    client.dispose();
  }
}

/** The data of an operation that must succeed. */
export async function succeed(demo, token, query, variables) {
  const { data, errors } = await execute(demo, token, query, variables);
  assert.equal(errors, undefined, JSON.stringify(errors));
  return data;
}

/** The payload of a mutation that must have no user errors. */
export async function mutate(demo, token, query, input) {
  const data = await succeed(demo, token, query, { input });
  const [payload] = Object.values(data);
  assert.deepEqual(payload.userErrors, []);
  return payload;
}

/** Records one event and answers with it and its ratings. */
export async function recordUsage(demo, token, accountId, event) {
  const payload = await mutate(
    demo,
    token,
    `mutation ($input: RecordUsageInput!) {
      recordUsage(input: $input) {
        results { index idempotencyKey status event { ...EventFields } userErrors { field message code } }
        userErrors { field message code }
      }
    } ${EVENT_FIELDS}`,
    { accountId, events: [event] },
  );
  const [result] = payload.results;
  assert.deepEqual(result.userErrors, []);
  return result;
}

/** A decimal of up to six fraction digits as an exact integer of micro-units. */
export function micros(decimal) {
  const [, sign, whole, fraction = ''] = /^(-?)(\d+)(?:\.(\d{1,6}))?$/.exec(decimal);
  return BigInt(`${sign}${whole}${fraction.padEnd(6, '0')}`);
}

/** The nodes of a connection, whichever way the document asked for them. */
export function nodesOf(connection) {
  return connection.nodes ?? connection.edges.map((edge) => edge.node);
}
