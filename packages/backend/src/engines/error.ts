/** An engine cannot be used. The message says which, what was tried, why it failed and the command that fixes it. */
export class EngineError extends Error {
  override readonly name = 'EngineError';
  /** The engine asked for. */
  readonly engine: string;
  /** A few words for a list of reasons: `not installed`. */
  readonly reason: string;

  constructor(engine: string, reason: string, fix: string, options?: ErrorOptions) {
    super(`Engine '${engine}': ${reason}. Fix: ${fix}`, options);
    this.engine = engine;
    this.reason = reason;
  }
}
