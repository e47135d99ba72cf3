/** Exit codes of the commands; scripts and schedulers can rely on them. */
export const exitCodes = { ok: 0, internal: 1, config: 2, data: 3, engine: 4, nonFinite: 5, SIGINT: 130, SIGTERM: 143 };

/** A wrong command line, setting or configuration file. The message names the setting, what was expected and what came. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly exitCode = exitCodes.config;
}

/** Data that is missing, unreadable or not what it should be. The message names the file. */
export class DataError extends Error {
  override readonly name = 'DataError';
  readonly exitCode = exitCodes.data;
}

/** A checkpoint that could not be written or read. The message names the file and the fix. */
export class CheckpointError extends Error {
  override readonly name = 'CheckpointError';
  readonly exitCode = exitCodes.data;
}

/** A replica of a data-parallel training stopped, did not answer, or did something else than the others. */
export class ReplicaError extends Error {
  override readonly name = 'ReplicaError';
}

/** A loss term became NaN or infinite. */
export class NonFiniteError extends Error {
  override readonly name = 'NonFiniteError';
  readonly exitCode = exitCodes.nonFinite;

  constructor(
    /** The step at which it was seen. */
    readonly step: number,
    /** The first term that is not finite. */
    readonly term: string,
    /** NaN, Infinity or −Infinity. */
    readonly value: number,
    all: Record<string, number>,
  ) {
    const listed = Object.entries(all).map(([name, v]) => `${name} = ${v}`);
    super(
      `step ${step}: ${term} is ${value} (${listed.join(', ')}). The last checkpoint is untouched. ` +
        'Try a smaller learning rate, gradient clipping, or a larger temperature, and look at the batch of this step.',
    );
  }
}

// Names under which errors of libraries that do not know this package arrive; any error may also carry `exitCode`.
const codeByName: Record<string, number> = {
  OptionError: exitCodes.config,
  ZodError: exitCodes.config,
  YAMLParseError: exitCodes.config,
  SafetensorsError: exitCodes.data,
  DatasetError: exitCodes.data,
  DataError: exitCodes.data,
  EngineError: exitCodes.engine,
  BackendError: exitCodes.engine,
};

/**
 * The exit code that an error stands for.
 *
 * In this order: an error of commander → 2 (0 where it only ends `--help`); a numeric `exitCode` on the error; its `name` (OptionError, ZodError, YAMLParseError → 2;
 * SafetensorsError, DataError, DatasetError → 3; EngineError, BackendError → 4); a `code` of Node's argument parser → 2; of the file
 * system (`ENOENT`, `EACCES`, `ENOSPC`, …) → 3; the same for its `cause`; otherwise 1. So a library need not import this
 * package to be understood by it.
 *
 * @example
 * exitCodeOf(new ConfigError('bad')) // 2
 * exitCodeOf(Object.assign(new Error('gone'), { code: 'ENOENT' })) // 3
 * exitCodeOf(new Error('wrapped', { cause: Object.assign(new Error('gpu'), { exitCode: 4 }) })) // 4
 * exitCodeOf('anything else') // 1
 */
export function exitCodeOf(error: unknown): number {
  for (let current = error, depth = 0; current instanceof Error && depth < 8; current = current.cause, depth++) {
    const { exitCode, code } = current as { exitCode?: unknown; code?: unknown };
    if (isCommander(current)) return exitCode === 0 ? exitCodes.ok : exitCodes.config;
    if (typeof exitCode === 'number') return exitCode;
    const byName = codeByName[current.name];
    if (byName !== undefined) return byName;
    if (typeof code !== 'string') continue;
    if (code.startsWith('ERR_PARSE_ARGS')) return exitCodes.config;
    if (/^(ENOENT|EACCES|EPERM|EISDIR|ENOTDIR|ENOSPC|EDQUOT|EROFS|EIO|EMFILE|EEXIST)$/.test(code))
      return exitCodes.data;
  }
  return exitCodes.internal;
}

/** Whether it comes from the command-line parser commander. */
export const isCommander = (error: unknown): boolean =>
  error instanceof Error && String((error as { code?: unknown }).code).startsWith('commander.');

/**
 * Stops training at the first loss that is NaN or infinite, before it spoils the weights and the checkpoint.
 *
 * @param step the present step, for the message.
 * @param terms loss terms by name, as numbers.
 * @throws {NonFiniteError} naming the step, the term and its value (exit code 5 under `runMain`).
 * @example
 * stopOnNonFinite(3, { global: 1.5, local: 0.2 });
 */
export function stopOnNonFinite(step: number, terms: Record<string, number>): void {
  for (const [term, value] of Object.entries(terms)) {
    if (!Number.isFinite(value)) throw new NonFiniteError(step, term, value, terms);
  }
}
