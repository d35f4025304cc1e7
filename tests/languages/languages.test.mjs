// From an empty folder to a price with a receipt that replays, in each language, by commands alone: what
// docs/rules/README.md tells a person to type, against a running `canopy demo`. LANGUAGES names some of them.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';

import { startDemo } from '../clients/demo.mjs';

// Compilers of the development profile are slow, most of all with an interpreter in the rule.
const LIMIT = 15 * 60_000;
const run = promisify(execFile);
const languages = (process.env.LANGUAGES ?? 'rust,c,js,ts,python').split(',');

let demo;
let folder;

before(async () => {
  demo = await startDemo();
  folder = await mkdtemp(join(tmpdir(), 'canopy-languages-'));
});

after(async () => {
  await demo?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Runs `canopy rules …` and answers the JSON that it prints. */
async function rules(directory, ...parameters) {
  const env = { ...process.env, CANOPY_URL: demo.url, CANOPY_TOKEN: demo.apiKeys['itellico.live'] };
  const options = { cwd: directory, env, timeout: LIMIT, maxBuffer: 1 << 26 };
  const { stdout } = await run(process.env.CANOPY_BIN, ['rules', ...parameters], options);
  return JSON.parse(stdout);
}

async function graphql(query, variables) {
  const response = await fetch(demo.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${demo.apiKeys['itellico.live']}` },
    body: JSON.stringify({ query, variables }),
  });
  const answer = await response.json();
  assert.equal(answer.errors, undefined, JSON.stringify(answer.errors));
  return answer.data;
}

const RECORD = `mutation Record($input: RecordUsageInput!) { recordUsage(input: $input) {
  results { status event { ratingStatus ratings { id ruleVersion price { amount } } } userErrors { message } }
  userErrors { message } } }`;

for (const language of languages) {
  test(`a rule in ${language} goes from an empty folder to a price that can be replayed`, { timeout: LIMIT }, async () => {
    const account = demo.accounts.itellico;
    const project = join(folder, `retail-${language}`);
    await rules(folder, 'new', 'pricing', `retail-${language}`, '--lang', language);
    const tested = await rules(project, 'test');
    assert.deepEqual([tested.passed, tested.failed], [4, 0]);
    assert.ok(tested.fixtures.every(({ fuel, memoryBytes }) => fuel > 0 && memoryBytes > 0));
    const checked = await rules(project, 'check');
    assert.equal(checked.class, ['rust', 'c'].includes(language) ? 'SMALL' : 'INTERPRETER');

    const pushed = await rules(project, 'push', '--account', account);
    assert.deepEqual([pushed.status, pushed.digest], ['CHECKED', checked.digest]);
    const live = await rules(project, 'activate', pushed.id, '--reason', `in ${language}`);
    assert.equal(live.status, 'ACTIVE');

    const event = {
      idempotencyKey: `in-${language}`,
      meter: 'call_minutes',
      quantity: '12.5',
      occurredAt: new Date().toISOString(),
    };
    const data = await graphql(RECORD, { input: { accountId: demo.accounts['itellico.acme'], events: [event] } });
    const [result] = data.recordUsage.results;
    assert.equal(result.event?.ratingStatus, 'RATED', JSON.stringify(data));
    const rating = result.event.ratings.find(({ ruleVersion }) => ruleVersion === pushed.id);
    assert.ok(Number(rating.price.amount) >= 1, rating.price.amount);

    const replayed = await rules(project, 'replay', rating.id);
    assert.equal(replayed.equal, true);
    const [call] = await rules(project, 'logs', pushed.id);
    assert.equal(call.rating.id, rating.id);
    assert.match(call.logs[0], /^call_minutes /);
  });
}

for (const language of languages.filter((language) => ['js', 'ts'].includes(language))) {
  test(`the types and unit tests of a rule in ${language} are checked, and a wrong type is found`, { timeout: LIMIT }, async () => {
    for (const kind of ['pricing', 'limits']) {
      const project = join(folder, `typed-${kind}-${language}`);
      await rules(folder, 'new', kind, `typed-${kind}-${language}`, '--lang', language);
      await rules(project, 'build');
      await run('npm', ['test'], { cwd: project, timeout: LIMIT });
      await run('npm', ['run', 'types'], { cwd: project, timeout: LIMIT });
      await appendFile(join(project, `src/rule.${language}`), '\nmoney.add(1, true);\n');
      const types = run('npm', ['run', 'types'], { cwd: project, timeout: LIMIT });
      await assert.rejects(types, ({ stdout }) => stdout.includes('TS2345'));
      if (language === 'ts') {
        await assert.rejects(rules(project, 'build'), ({ code, stderr }) => code === 4 && stderr.includes('TS2345'));
      }
    }
  });
}
