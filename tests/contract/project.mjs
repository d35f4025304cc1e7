// Where things lie, and how a program of the locked packages is run.

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
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

/** The documents of a generated manifest that the gateway would take: each named by the SHA-256 of its text, as it is or
 * behind `sha256:`. */
export async function manifest(path) {
  const documents = JSON.parse(await readFile(`${folder}frontends/${path}`, 'utf8'));
  for (const [id, text] of Object.entries(documents)) {
    const hash = createHash('sha256').update(text).digest('hex');
    if (id.replace(/^sha256:/, '') !== hash) throw new Error(`${path} names a document ${id}, but the SHA-256 of its text is ${hash}`);
  }
  return Object.values(documents).map((text) => /(?:query|mutation|subscription) (\w+)/.exec(text)[1]).sort();
}
