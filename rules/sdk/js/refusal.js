/** Why a rule has no answer. Any other error that is thrown counts as a crash of the rule. */
export class Refusal extends Error {
  /**
   * `configuration`: the configuration cannot be used; say which key is wrong, and how. `unsupported`: the rule has
   * no answer for this input. `failed`: anything else.
   */
  constructor(kind, message) {
    super(message);
    this.name = 'Refusal';
    this.kind = kind;
  }
}
