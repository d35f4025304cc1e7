// Subscriptions over both transports behind one shape: an inbox that keeps what arrived, in order.
// It knows the clients' interfaces, not what the operations mean.

import { createClient as createSse } from 'graphql-sse';
import { createClient as createWs } from 'graphql-ws';
import WebSocket from 'ws';

import { Inbox } from './inbox.mjs';

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
