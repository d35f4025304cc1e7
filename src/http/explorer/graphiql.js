// Starts GraphiQL with Canopy's transport. The headers editor holds the token.
"use strict";

(() => {
  const linked = new URLSearchParams(location.hash.slice(1));
  history.replaceState(null, "", location.pathname);

  // A subscription as the async iterator that GraphiQL consumes.
  const stream = (payload, headers) => {
    const waiting = [];
    const arrived = [];
    const give = (item) => (waiting.length ? waiting.shift()(item) : arrived.push(item));
    const stop = canopy.subscribe(payload, headers, {
      next: (value) => give({ value, done: false }),
      error: (value) => { give({ value, done: false }); give({ value: undefined, done: true }); },
      complete: () => give({ value: undefined, done: true }),
    });
    return {
      [Symbol.asyncIterator]() { return this; },
      next: () => (arrived.length ? Promise.resolve(arrived.shift()) : new Promise((resolve) => waiting.push(resolve))),
      return: () => { stop(); return Promise.resolve({ value: undefined, done: true }); },
    };
  };

  const fetcher = (payload, options) => {
    const headers = options?.headers ?? {};
    return canopy.isSubscription(payload.query, payload.operationName)
      ? stream(payload, headers)
      : canopy.run(payload, headers);
  };
  const token = linked.get("token");
  const headers = JSON.stringify({ authorization: "Bearer " + (token ?? "") }, null, 2);
  const props = {
    fetcher,
    defaultEditorToolsVisibility: "headers",
    shouldPersistHeaders: true,
    ...(token ? { headers } : { defaultHeaders: headers }),
    ...(linked.get("query") && { query: linked.get("query") }),
    ...(linked.get("variables") && { variables: linked.get("variables") }),
  };
  const root = document.getElementById("graphiql");
  ReactDOM.createRoot(root).render(React.createElement(GraphiQL, props));
})();
