/** What went wrong in the native engine: building it, loading it, or in one of its kernels. */
export class TorchError extends Error {
  override readonly name = 'TorchError';

  constructor(
    /** In a few words. */
    readonly reason: string,
    /** What to do about it. */
    readonly fix?: string,
    options?: ErrorOptions,
  ) {
    super(fix ? `${reason}. Fix: ${fix}` : reason, options);
  }
}
