// Where things lie, and how a program of the locked packages is run.

import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

export const folder = fileURLToPath(new URL('.', import.meta.url));
export const root = fileURLToPath(new URL('../..', import.meta.url));
export const sdl = `${root}schema/schema.graphql`;
export const released = `${root}schema/released.graphql`;

/** Runs a program of this folder's packages; rejects with all that it wrote if it fails. */
export async function program(name, ...parameters) {
  const path = `${folder}node_modules/.bin/${name}`;
  return new Promise((resolve, reject) => {
    execFile(path, parameters, { cwd: folder, maxBuffer: 16 * 1024 * 1024 }, (error, stdout, stderr) => {
      const output = `${stdout}${stderr}`;
      if (error) reject(new Error(`${name} ${parameters.join(' ')}\n${output || error.message}`));
      else resolve(output);
    });
  });
}

/** Removes what a generator wrote before, so that nothing old is taken for new. */
export async function clean(path) {
  await rm(`${folder}frontends/${path}/__generated__`, { recursive: true, force: true });
}
