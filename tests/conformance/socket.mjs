// A WebSocket that does exactly what a test says, wrong things included: no client of the protocol would.

import WebSocket from 'ws';

import { within } from '../clients/demo.mjs';
import { bearer, demo, owner } from './support.mjs';

const LIMIT = 20_000;
const SUBPROTOCOL = 'graphql-transport-ws';

/** One socket: what came in waits in order, and `closed` resolves with the server's close. */
export class Socket {
  #waiting = [];
  #arrived = [];

  constructor(protocols, options) {
    this.socket = new WebSocket(demo.wsUrl, protocols, options);
    this.opened = new Promise((resolve, reject) => {
      this.socket.once('open', resolve).once('error', reject);
    });
    this.closed = new Promise((resolve) => {
      this.socket.once('close', (code, reason) => resolve({ code, reason: reason.toString() }));
    });
    this.opened.catch(() => {});
    this.socket.on('message', (data) => {
      const message = JSON.parse(data);
      const reader = this.#waiting.shift();
      if (reader) reader(message);
      else this.#arrived.push(message);
    });
  }

  /** Sends an object as JSON, and anything else as it is. */
  send(message) {
    const plain = Object.getPrototypeOf(message) === Object.prototype;
    this.socket.send(plain ? JSON.stringify(message) : message);
  }

  /** The next message of the server. */
  async next() {
    const message =
      this.#arrived.shift() ?? (await within(LIMIT, 'a message', new Promise((resolve) => this.#waiting.push(resolve))));
    return message;
  }

  /** Reads on to the first message that `matches`. */
  async until(matches) {
    for (;;) {
      const message = await this.next();
      if (matches(message)) return message;
    }
  }

  /** Runs one operation to its end and answers with its messages. */
  async run(id, payload) {
    this.send({ id, type: 'subscribe', payload });
    const messages = [];
    await this.until((message) => {
      if (message.id === id) messages.push(message);
      return message.id === id && ['complete', 'error'].includes(message.type);
    });
    return messages;
  }

  async close() {
    this.socket.close(1000);
    return this.closed;
  }
}

/** A socket on which nothing was said yet. */
export async function connect(options = {}, protocols = SUBPROTOCOL) {
  const socket = new Socket(protocols, options);
  await within(LIMIT, 'the socket to open', socket.opened);
  return socket;
}

/** A socket of the agency's owner, acknowledged. */
export async function acknowledged(options) {
  const socket = await connect(options);
  socket.send({ type: 'connection_init', payload: { authorization: bearer(owner) } });
  const { type } = await socket.next();
  if (type !== 'connection_ack') throw new Error(`connection_init was answered with ${type}`);
  return socket;
}
