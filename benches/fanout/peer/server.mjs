// One topic over graphql-transport-ws, as graphql-ws' own guide sets a server up: no credentials, no database. What is
// posted to /publish goes to every subscriber. Prints its port as the first line.
import { createServer } from 'node:http';
import { makeExecutableSchema } from '@graphql-tools/schema';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';

const waiting = new Set();

/** What one subscriber has still to be told. */
class Mailbox {
  #letters = [];
  #wake = null;
  #closed = false;

  constructor() {
    waiting.add(this);
  }

  put(letter) {
    this.#letters.push(letter);
    this.#wake?.();
  }

  async next() {
    while (this.#letters.length === 0 && !this.#closed) {
      await new Promise((wake) => (this.#wake = wake));
      this.#wake = null;
    }
    return this.#closed ? { value: undefined, done: true } : { value: this.#letters.shift(), done: false };
  }

  async return() {
    this.#closed = true;
    waiting.delete(this);
    this.#wake?.();
    return { value: undefined, done: true };
  }

  [Symbol.asyncIterator]() {
    return this;
  }
}

const schema = makeExecutableSchema({
  typeDefs: `
    type Query { ready: Boolean! }
    type UsageEvent { id: ID! meter: String! quantity: String! recordedAt: String! idempotencyKey: String! }
    type UsageUpdate { cursor: String! kind: String! event: UsageEvent! }
    type Subscription { usageUpdates(accountId: ID!): UsageUpdate! }
  `,
  resolvers: { Subscription: { usageUpdates: { subscribe: () => new Mailbox() } } },
});

let position = 0;

function publish(idempotencyKey) {
  position += 1;
  const event = {
    id: `evt_${String(position).padStart(26, '0')}`,
    meter: 'call_minutes',
    quantity: '1',
    recordedAt: new Date().toISOString(),
    idempotencyKey,
  };
  const update = { usageUpdates: { cursor: `v1:${position}`, kind: 'RECORDED', event } };
  for (const mailbox of waiting) mailbox.put(update);
}

const http = createServer((request, response) => {
  let body = '';
  request.on('data', (part) => (body += part));
  request.on('end', () => {
    publish(body);
    response.end();
  });
});
useServer({ schema }, new WebSocketServer({ server: http, path: '/graphql/ws' }));
http.listen(0, '127.0.0.1', () => console.log(http.address().port));
