// The transport of both explorers: one request by POST, a subscription over graphql-transport-ws.
"use strict";

const canopy = (() => {
  const isSubscription = (query, name) => {
    const text = query.replace(/"""[\s\S]*?"""|"(?:\\.|[^"\\\n])*"|#[^\n]*/g, "");
    const operations = [...text.matchAll(/\b(query|mutation|subscription)\b\s*([_A-Za-z][_0-9A-Za-z]*)?\s*(?=[({@])/g)];
    const wanted = name ? operations.find((found) => found[2] === name) : operations[0];
    return wanted?.[1] === "subscription";
  };

  // Without headers that say nothing: an empty credential is a wrong one.
  const told = (headers) =>
    Object.fromEntries(Object.entries(headers).filter(([, value]) => !["", "Bearer"].includes(String(value).trim())));

  const run = async (payload, headers, signal) => {
    const response = await fetch("/graphql", {
      method: "POST",
      headers: {
        "content-type": "application/json",
        accept: "application/graphql-response+json, application/json;q=0.9",
        ...told(headers),
      },
      body: JSON.stringify(payload),
      signal,
    });
    return response.json();
  };

  // Calls sink.next, then sink.complete or sink.error. Returns a function that ends it.
  const subscribe = (payload, headers, sink) => {
    const url = new URL("/graphql/ws", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url, "graphql-transport-ws");
    const send = (message) => socket.send(JSON.stringify(message));
    let ended = false;
    const end = (report) => {
      if (ended) return;
      ended = true;
      socket.close(1000);
      report?.();
    };
    socket.onopen = () => send({ type: "connection_init", payload: told(headers) });
    socket.onmessage = (event) => {
      const message = JSON.parse(event.data);
      if (message.type === "connection_ack") send({ type: "subscribe", id: "1", payload });
      else if (message.type === "ping") send({ type: "pong" });
      else if (message.type === "next") sink.next(message.payload);
      else if (message.type === "error") end(() => sink.error({ errors: message.payload }));
      else if (message.type === "complete") end(() => sink.complete());
    };
    socket.onclose = (event) => end(() => sink.error({ closed: event.code, reason: event.reason }));
    return () => end();
  };

  return { isSubscription, run, subscribe };
})();
