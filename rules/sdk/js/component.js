/** For the component that `canopy rules build` makes: how a rule's function becomes an export. */
import { log, logTo } from './log.js';
import { Refusal } from './refusal.js';

/** The export of a rule's function: a refusal becomes the contract's error, anything else is logged and crashes. */
export function exported(rule, write) {
  logTo(write);
  return (input) => {
    try {
      return rule(input);
    } catch (error) {
      if (error instanceof Refusal) {
        throw { tag: error.kind, val: error.message };
      }
      log(`${error}`);
      throw error;
    }
  };
}
