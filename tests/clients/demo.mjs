// Starts `canopy demo` as a script would, and stops it. It knows the line of JSON, no GraphQL.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

// The demo makes its tree first; a program of the development profile on a busy machine is slow.
const START_LIMIT = 240_000;
const STOP_LIMIT = 30_000;

/**
 * Starts the program named by CANOPY_BIN in an empty directory and waits for its line of JSON.
 * The database is the one of the environment, or the program's own default; `settings` are more of its environment.
 */
export async function startDemo(settings = {}) {
  const program = process.env.CANOPY_BIN;
  if (!program) {
    throw new Error('CANOPY_BIN must be the path of the canopy program; `cargo xtask test` sets it');
  }
  const directory = await mkdtemp(join(tmpdir(), 'canopy-clients-'));
  const child = spawn(program, ['demo', '--json', '--port', '0'], {
    cwd: directory,
    env: { ...process.env, ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  // Its log is shown only if something goes wrong: it is long.
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    log = (log + text).slice(-20_000);
  });
  const exited = once(child, 'exit').then(([code, signal]) => ({ code, signal }));
  const lines = createInterface({ input: child.stdout });
  const ended = exited.then(({ code, signal }) => {
    throw new Error(`canopy demo ended before it was ready (${signal ?? code}):\n${log}`);
  });

  async function stop() {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    try {
      return await within(STOP_LIMIT, 'canopy demo to end after SIGTERM', exited);
    } finally {
      child.kill('SIGKILL');
      await rm(directory, { recursive: true, force: true });
    }
  }

  try {
    const [line] = await within(START_LIMIT, 'the line of JSON', Promise.race([once(lines, 'line'), ended]));
    ended.catch(() => {});
    return { ...JSON.parse(line), stop, log: () => log };
  } catch (error) {
    await stop().catch(() => {});
    throw new Error(`${error.message}\n${log}`);
  }
}

/** The promise's value, or an error that says what did not come in time. */
export async function within(milliseconds, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${milliseconds} ms for ${what}`)), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
