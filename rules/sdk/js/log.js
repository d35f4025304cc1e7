/** What a rule says about a call, for its owner to read. It is no part of the answer. */
let write = (message) => console.error(`log: ${message}`);

/** Logs a text. At most 64 of 200 bytes are kept per call. Natively, in tests, it goes to standard error. */
export function log(message) {
  write(String(message));
}

/** For the component: where the texts go. */
export function logTo(sink) {
  write = sink;
}
