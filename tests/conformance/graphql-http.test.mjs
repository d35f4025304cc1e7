// GraphQL over HTTP, as the specification's own audits see it. They ask the schema about itself, which takes a
// credential.

import { test } from 'node:test';

import { serverAudits } from 'graphql-http';

import { bearer, demo, owner } from './support.mjs';

const fetchFn = (url, { headers, ...init } = {}) =>
  fetch(url, { ...init, headers: { ...headers, authorization: bearer(owner) } });

for (const audit of serverAudits({ url: demo.url, fetchFn })) {
  test(`${audit.id} ${audit.name}`, async () => {
    const { status, reason } = await audit.fn();
    if (status !== 'ok') throw new Error(`${status}: ${reason}`);
  });
}
