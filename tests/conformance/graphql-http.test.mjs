// GraphQL over HTTP, as the specification's own audits see it.

import { test } from 'node:test';

import { serverAudits } from 'graphql-http';

import { demo } from './support.mjs';

for (const audit of serverAudits({ url: demo.url })) {
  test(`${audit.id} ${audit.name}`, async () => {
    const { status, reason } = await audit.fn();
    if (status !== 'ok') throw new Error(`${status}: ${reason}`);
  });
}
