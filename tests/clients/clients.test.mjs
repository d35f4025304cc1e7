// What Canopy is for, done by clients that we did not write: the nested query (graphql-http), usage
// arriving live (graphql-ws and graphql-sse), and a changed price rule.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startDemo } from './demo.mjs';
import { codesOf, untilLive } from './inbox.mjs';
import { EVENT_FIELDS, USAGE_UPDATES, execute, micros, mutate, nodesOf, recordUsage, succeed } from './operations.mjs';
import { transports } from './streams.mjs';

const LEVELS = 5;

let demo;
let owner;
let stranger;
/** The deepest chain of accounts that the nested query returned, from the agency down. */
let chain = [];
let meter;
let counter = 0;

before(async () => {
  demo = await startDemo();
  owner = demo.tokens['itellico.owner'];
  stranger = demo.tokens['bolna.owner'];
});

after(async () => {
  await demo?.stop();
});

function nextEvent(quantity = '1') {
  counter += 1;
  return { idempotencyKey: `client-test-${counter}`, meter, quantity };
}

function longestChain(account) {
  const children = account.subaccounts ? nodesOf(account.subaccounts) : [];
  const chains = children.map(longestChain);
  return [account, ...chains.reduce((longest, one) => (one.length > longest.length ? one : longest), [])];
}

function allOf(account) {
  return [account, ...(account.subaccounts ? nodesOf(account.subaccounts).flatMap(allOf) : [])];
}

/** Ends only after all streams deliver. */
async function allLive(accountId, streams) {
  const record = async () => (await recordUsage(demo, owner, accountId, nextEvent())).event;
  return untilLive(streams.map(({ inbox }) => inbox), record);
}

function recorded(inbox) {
  return inbox.updates.map((data) => data.usageUpdates).filter((update) => update.kind === 'RECORDED');
}

function idsAfter(inbox, id) {
  const ids = recorded(inbox).map((update) => update.event.id);
  return ids.slice(ids.indexOf(id) + 1);
}

test('one request reads the whole hierarchy, with everything at each level', async () => {
  const data = await succeed(demo, owner, demo.queries.hierarchy, { id: demo.accounts.itellico });
  chain = longestChain(data.account);
  assert.ok(chain.length >= LEVELS, `the answer is ${chain.length} levels deep`);
  for (const account of allOf(data.account)) {
    assert.match(account.id, /^acc_/);
    assert.ok(nodesOf(account.members).length >= 0, `${account.name}: members`);
    assert.ok(account.permissionSet.permissions.length > 0, `${account.name}: permission set`);
    assert.ok(account.limits.resources.length > 0, `${account.name}: limits`);
    assert.ok(Array.isArray(account.usage.totals), `${account.name}: usage`);
  }
  assert.ok(chain.every((account) => account.usage.totals.length > 0), 'each level of the chain has usage');
  assert.ok(chain.some((account) => nodesOf(account.members).length > 0), 'somebody is a member');
  meter = chain.at(-1).usage.totals[0].meter;
});

test('another tenant reads nothing of it', async () => {
  const id = chain.at(-1).id;
  for (const one of [demo.accounts.itellico, id, 'acc_00000000000000000000000000', 'nonsense']) {
    const hidden = await execute(demo, stranger, 'query ($id: ID!) { account(id: $id) { id name } }', { id: one });
    assert.equal(hidden.data?.account ?? null, null);
    assert.deepEqual(hidden.errors.map((error) => error.extensions.code), ['NOT_FOUND']);
    assert.equal(hidden.errors[0].message, 'There is no such account.');
  }
  const nodes = await execute(demo, stranger, 'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', {
    ids: [demo.accounts.itellico, id],
  });
  assert.deepEqual([nodes.data, nodes.errors], [{ nodes: [null, null] }, undefined]);
  for (const subscribe of Object.values(transports(demo))) {
    const { inbox, close } = subscribe(stranger, { query: USAGE_UPDATES, variables: { accountId: id } });
    assert.deepEqual(codesOf(await inbox.refusal()), ['NOT_FOUND']);
    await close();
  }
});

test('usage arrives live on WebSocket and SSE, and resumes without gap or duplicate', async () => {
  const accountId = chain.at(-1).id;
  const subscribe = transports(demo);
  const request = (after) => ({ query: USAGE_UPDATES, variables: { accountId, after } });
  const streams = Object.values(subscribe).map((one) => one(owner, request(null)));
  const warm = await allLive(accountId, streams);

  const input = nextEvent('2.5');
  const { event, status } = await recordUsage(demo, owner, accountId, input);
  assert.equal(status, 'ACCEPTED');
  const replay = await recordUsage(demo, owner, accountId, input);
  assert.equal(replay.status, 'REPLAYED');
  assert.equal(replay.event.id, event.id);

  const cursors = [];
  for (const { inbox, close } of streams) {
    const seen = await inbox.first((data) => data.usageUpdates.event.id === event.id, 'the event');
    const update = seen.usageUpdates;
    assert.equal(update.event.idempotencyKey, input.idempotencyKey);
    assert.equal(update.event.meter, meter);
    assert.equal(micros(update.event.quantity), 2_500_000n);
    assert.ok(update.cursor.length > 0);
    assert.deepEqual(idsAfter(inbox, warm.id), [event.id], 'exactly that event, its replay not');
    cursors.push(update.cursor);
    await close();
  }

  const missed = [];
  for (const _ of [1, 2, 3]) missed.push((await recordUsage(demo, owner, accountId, nextEvent())).event.id);
  const resumed = Object.values(subscribe).map((one, index) => one(owner, request(cursors[index])));
  for (const { inbox } of resumed) {
    await inbox.first((data) => data.usageUpdates.event.id === missed.at(-1), 'the missed events');
  }
  const last = (await recordUsage(demo, owner, accountId, nextEvent())).event.id;
  for (const { inbox, close } of resumed) {
    await inbox.first((data) => data.usageUpdates.event.id === last, 'the next event');
    assert.deepEqual(recorded(inbox).map((update) => update.event.id), [...missed, last]);
    await close();
  }
});

test('a changed rule prices the next event and no earlier one', async () => {
  const [seller, buyer] = [demo.accounts.itellico, chain[1].id];
  const saleOf = (event) => {
    const sale = event.ratings.find((rating) => rating.seller === seller && rating.buyer === buyer);
    assert.ok(sale, `no rating of the agency's sale: ${JSON.stringify(event)}`);
    return sale;
  };
  const earlier = (await recordUsage(demo, owner, buyer, nextEvent('2'))).event;
  assert.equal(earlier.ratingStatus, 'RATED');
  assert.match(saleOf(earlier).ruleVersion, /^rul_/);
  assert.match(saleOf(earlier).ruleDigest, /[0-9a-f]{64}/);

  // Above every cost of the demo, so that no plan refuses it.
  const configuration = { meters: { '*': { unit_price: '3.25' } } };
  const { ruleVersion } = await mutate(
    demo,
    owner,
    `mutation ($input: UploadRuleInput!) {
      uploadRule(input: $input) {
        ruleVersion { id name digest status configuration }
        userErrors { field message code }
      }
    }`,
    { accountId: seller, kind: 'PRICING', name: 'spring-prices', source: { builtin: 'tiered-pricing' }, configuration },
  );
  assert.deepEqual(ruleVersion.configuration, configuration);
  const before = (await recordUsage(demo, owner, buyer, nextEvent('2'))).event;
  assert.deepEqual(saleOf(before).price, saleOf(earlier).price, 'an upload alone changes no price');

  const activated = await mutate(
    demo,
    owner,
    `mutation ($input: ActivateRuleInput!) {
      activateRule(input: $input) {
        ruleVersion { id status }
        previous { id }
        userErrors { field message code }
      }
    }`,
    { ruleVersionId: ruleVersion.id },
  );
  assert.deepEqual(activated.ruleVersion, { id: ruleVersion.id, status: 'ACTIVE' });
  assert.equal(activated.previous.id, saleOf(earlier).ruleVersion);

  const next = (await recordUsage(demo, owner, buyer, nextEvent('2'))).event;
  assert.equal(micros(saleOf(next).price.amount), 6_500_000n);
  assert.equal(saleOf(next).ruleVersion, ruleVersion.id);
  assert.equal(saleOf(next).ruleDigest, ruleVersion.digest);

  const again = await succeed(
    demo,
    owner,
    `query ($id: ID!) { node(id: $id) { ...EventFields } } ${EVENT_FIELDS}`,
    { id: earlier.id },
  );
  assert.deepEqual(again.node, earlier, 'the earlier event is as it was');
});

test('SIGTERM ends open subscriptions and the process, with success', async () => {
  const accountId = chain.at(-1).id;
  const request = { query: USAGE_UPDATES, variables: { accountId } };
  const streams = Object.values(transports(demo)).map((one) => one(owner, request));
  await allLive(accountId, streams);
  const end = await demo.stop();
  assert.deepEqual(end, { code: 0, signal: null }, demo.log());
  for (const { close } of streams) await close();
});
