/** Rules for Canopy in JavaScript. index.d.ts has the types of the contract. */
export { configuration, micros } from './configuration.js';
export { log } from './log.js';
export * as money from './money.js';
export { Refusal } from './refusal.js';
export * as sample from './sample.js';
