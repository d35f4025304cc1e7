// What a subscription delivered, in order, whichever client delivered it.
// It knows the shape of a sink (next, error, complete), no client.

import { within } from './demo.mjs';

/** What one subscription has delivered so far. */
export class Inbox {
  updates = [];
  failure = null;
  ended = false;
  #waiting = new Set();

  constructor(name) {
    this.name = name;
  }

  /** Resolves with the first update that `matches`, received already or within the limit. */
  async first(matches, what, limit = 20_000) {
    const found = new Promise((resolve, reject) => {
      const look = () => {
        const update = this.updates.find(matches);
        if (update === undefined && this.failure === null) return;
        this.#waiting.delete(look);
        if (update === undefined) reject(new Error(`${this.name} failed: ${describe(this.failure)}`));
        else resolve(update);
      };
      this.#waiting.add(look);
      look();
    });
    return within(limit, `${what} on ${this.name}`, found);
  }

  /** Resolves with the errors that end the subscription. */
  async refusal(limit = 20_000) {
    const refused = new Promise((resolve) => {
      const look = () => {
        if (this.failure === null) return;
        this.#waiting.delete(look);
        resolve(this.failure);
      };
      this.#waiting.add(look);
      look();
    });
    return within(limit, `a refusal on ${this.name}`, refused);
  }

  sink() {
    return {
      next: (result) => {
        if (result.errors) this.failure = result.errors;
        else this.updates.push(result.data);
        this.#wake();
      },
      error: (error) => {
        this.failure = error;
        this.#wake();
      },
      complete: () => {
        this.ended = true;
        this.#wake();
      },
    };
  }

  #wake() {
    for (const look of [...this.#waiting]) look();
  }
}

/**
 * Records usage until the inboxes have all delivered one event, and answers with that event: a subscription has no
 * sign of its own that it has begun. `record` records one and answers with it.
 */
export async function untilLive(inboxes, record) {
  for (let attempt = 0; attempt < 20; attempt += 1) {
    const event = await record();
    const arrivals = inboxes.map((inbox) =>
      inbox.first((update) => update.usageUpdates.event.id === event.id, 'a first event', 1_500),
    );
    const outcomes = await Promise.allSettled(arrivals);
    if (outcomes.every(({ status }) => status === 'fulfilled')) return event;
    const failed = inboxes.find((inbox) => inbox.failure !== null);
    if (failed) throw new Error(`${failed.name}: ${codesOf(failed.failure)}`);
  }
  throw new Error('a subscription delivered nothing');
}

/** The codes of an error in any of the forms that the clients hand over. */
export function codesOf(failure) {
  const errors = Array.isArray(failure) ? failure : [failure];
  return errors.map((error) => error.extensions?.code ?? describe(error));
}

function describe(failure) {
  return failure instanceof Error ? failure.message : JSON.stringify(failure);
}
