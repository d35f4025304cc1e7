// Runs suites and counts their tests, a file for each suite. It does not know what they test.

import { writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { run } from 'node:test';
import { spec as Spec } from 'node:test/reporters';

/** So long may one suite take. */
const LIMIT = 600_000;
const ENDING = '.test.mjs';

/**
 * Runs the files one after the other, shows them as `node --test` does, and makes the process fail if a test does.
 * With a path, `scoreboard` gets the score of each file: suite, version, passed, of. `versionOf` tells the version of
 * what a suite stands for.
 */
export async function runSuites(files, { scoreboard, versionOf }) {
  const events = run({ files, concurrency: 1, timeout: LIMIT });
  const scores = count(events, files.map((file) => basename(file, ENDING)));
  const shown = events.compose(new Spec());
  shown.pipe(process.stdout);
  await new Promise((resolve, reject) => shown.once('end', resolve).once('error', reject));
  if (!scoreboard) return;
  const board = [];
  for (const [suite, { passed, of }] of scores) board.push({ suite, version: await versionOf(suite), passed, of });
  await writeFile(scoreboard, `${JSON.stringify(board, null, 2)}\n`);
}

/** A suite whose cases are not tests says its score as a diagnostic: `score: 525 of 525`. */
function count(events, suites) {
  const scores = new Map(suites.map((suite) => [suite, { passed: 0, of: 0, own: false }]));
  const scoreOf = (file) => scores.get(basename(file ?? '', ENDING));
  const add = (data, passed) => {
    // The test of a whole file, named by its path, comes only when the file could not be run.
    const score = scoreOf(data.file) ?? scoreOf(data.name);
    if (!score || score.own || data.skip !== undefined) return;
    score.of += 1;
    score.passed += passed;
  };
  events.on('test:pass', (data) => add(data, 1));
  events.on('test:fail', (data) => {
    process.exitCode = 1;
    add(data, 0);
  });
  events.on('test:diagnostic', ({ file, message }) => {
    const own = /^score: (\d+) of (\d+)$/.exec(message);
    if (own) scores.set(basename(file, ENDING), { passed: Number(own[1]), of: Number(own[2]), own: true });
  });
  return scores;
}
