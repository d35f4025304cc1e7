// Subscriptions over both transports behind one shape: an inbox that keeps what arrived, in order.
// It knows the clients' interfaces, not what the operations mean.

import { createClient as createSse } from 'graphql-sse';
import { createClient as createWs } from 'graphql-ws';
import WebSocket from 'ws';

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

/** One function per transport: subscribes and answers with the inbox and a way to end it. */
export function transports(demo) {
  return {
    'graphql-ws': (token, request) => {
      const client = createWs({
        url: demo.wsUrl,
        webSocketImpl: WebSocket,
        connectionParams: { authorization: `Bearer ${token}` },
        retryAttempts: 0,
      });
      return open('graphql-ws', client, request);
    },
    'graphql-sse': (token, request) => {
      const client = createSse({
        url: demo.sseUrl,
        headers: { authorization: `Bearer ${token}` },
        retryAttempts: 0,
      });
      return open('graphql-sse', client, request);
    },
  };
}

function open(name, client, request) {
  const inbox = new Inbox(name);
  const unsubscribe = client.subscribe(request, inbox.sink());
  const close = async () => {
    unsubscribe();
    await client.dispose();
  };
  return { inbox, close };
}

/** The codes of an error in any of the forms that the clients hand over. */
export function codesOf(failure) {
  const errors = Array.isArray(failure) ? failure : [failure];
  return errors.map((error) => error.extensions?.code ?? describe(error));
}

function describe(failure) {
  return failure instanceof Error ? failure.message : JSON.stringify(failure);
}
