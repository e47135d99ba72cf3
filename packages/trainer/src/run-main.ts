import { exitCodeOf, exitCodes, isCommander } from './errors';

/** How long the same signal is still taken for the one that came, in ms. */
const echoes = 500;

/**
 * Runs a command's main function and turns what happens into an exit code.
 *
 * An error (one of commander too, under `exitOverride`) is printed to stderr in one short line (with the stack if `MEDALIGN_DEBUG` is set) and becomes its code, see
 * `exitCodeOf`: 0 ok, 1 internal, 2 usage or configuration, 3 data, 4 engine, 5 non-finite loss. Ctrl-C (SIGINT) or SIGTERM aborts the `signal` that
 * main was given: main looks at `signal.aborted` after each step, saves a checkpoint and returns; the code is then 130 or
 * 143. A second signal ends the process at once. After an error, whatever is still open (workers, timers) is given two
 * seconds.
 *
 * @param main gets the signal; a number it returns is the exit code, anything else means 0.
 * @returns the exit code, also set as `process.exitCode`.
 * @example
 * const previous = process.exitCode;
 * await runMain(async (signal) => { if (signal.aborted) return; }); // 0
 * process.exitCode = previous;
 */
export async function runMain(main: (signal: AbortSignal) => Promise<unknown>): Promise<number> {
  const controller = new AbortController();
  let received: 'SIGINT' | 'SIGTERM' | undefined;
  let receivedAt = 0;
  const sinceReceived = () => performance.now() - receivedAt;
  const onSignal = (signal: 'SIGINT' | 'SIGTERM') => {
    if (received) {
      // One Ctrl-C arrives several times: from the terminal, and passed on by npm and other parents.
      if (sinceReceived() > echoes) process.exit(exitCodes[signal]);
      return;
    }
    received = signal;
    receivedAt = performance.now();
    process.stderr.write(`\n${signal}: stopping after this step; once more to stop at once\n`);
    controller.abort(new DOMException(`stopped by ${signal}`, 'AbortError'));
  };
  // `… --help | head`: who reads has read enough
  process.stdout.once('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit();
    throw error;
  });
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  let code: number;
  try {
    const result = await main(controller.signal);
    code = received ? exitCodes[received] : typeof result === 'number' ? result : exitCodes.ok;
  } catch (error) {
    // An error that only says "aborted" is the signal arriving; any other still has to be told.
    const aborted = received !== undefined && error instanceof Error && error.name === 'AbortError';
    if (!aborted && exitCodeOf(error) !== exitCodes.ok) printError(error);
    code = aborted ? exitCodes[received!] : exitCodeOf(error);
  } finally {
    // After a signal the handlers stay, and the process with them (Node takes handlers away while it exits): echoes may
    // still be on the way, and must not kill what has ended well.
    if (received) setTimeout(() => {}, echoes - sinceReceived());
    else {
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
    }
  }
  process.exitCode = code;
  // Does not hold the process by itself: it fires only if something else does.
  if (code !== exitCodes.ok) setTimeout(() => process.exit(), 2000).unref();
  return code;
}

function printError(error: unknown): void {
  const message = error instanceof Error ? error.message || error.name : String(error);
  const usage = isCommander(error) ? `${message.replace(/^error: /, '').replaceAll('\n', ' ').replace(/\.$/, '')}. --help lists the options` : message; // biome-ignore format: one line
  process.stderr.write(`error: ${usage}\n`);
  const internal = exitCodeOf(error) === exitCodes.internal;
  if (process.env.MEDALIGN_DEBUG && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  else if (internal) process.stderr.write('This looks like a bug: MEDALIGN_DEBUG=1 shows where it happened.\n');
}
