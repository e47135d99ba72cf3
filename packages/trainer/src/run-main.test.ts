import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { ConfigError, exitCodeOf, NonFiniteError, stopOnNonFinite } from './errors';

const program = fileURLToPath(new URL('./testing/program.ts', import.meta.url));

/** Runs the program in a process of its own; sends signals when it says it is ready. */
function run(
  what: string,
  { signals = [], pause = 0, debug = '' }: { signals?: NodeJS.Signals[]; pause?: number; debug?: string } = {},
) {
  return new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
    const env = { ...process.env, MEDALIGN_DEBUG: debug };
    const child = spawn(process.execPath, ['--conditions=@medalign/source', '--import', 'tsx', program, what], { env });
    let [stdout, stderr] = ['', ''];
    let sent = 0;
    const send = () => {
      if (sent < signals.length) child.kill(signals[sent++]);
    };
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
      if (stdout.endsWith('ready\n')) send();
    });
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
      if (stderr.includes('stopping after this step')) setTimeout(send, pause);
    });
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

describe('runMain', () => {
  it.concurrent('prints one short line and exits with the code of the error', async () => {
    expect(await run('config')).toEqual({ code: 2, stdout: '', stderr: 'error: train.steps: expected number\n' });
  });

  it.concurrent('says an error of the command line once, and exits with 2; help is none', async () => {
    const stderr = "error: unknown option '--sett' (Did you mean --set?). --help lists the options\n";
    expect(await run('usage')).toEqual({ code: 2, stdout: '', stderr });
    expect(await run('help')).toEqual({ code: 0, stdout: 'Usage:\n', stderr: '' });
  });

  it.concurrent('shows the stack only on request', async () => {
    const { code, stderr } = await run('internal');
    expect(code).toBe(1);
    expect(stderr).toBe('error: oops\nThis looks like a bug: MEDALIGN_DEBUG=1 shows where it happened.\n');
    expect((await run('internal', { debug: '1' })).stderr).toMatch(/error: oops\nError: oops\n {4}at /);
  });

  it.concurrent('exits 0 when all is well', async () => {
    expect(await run('ok')).toEqual({ code: 0, stdout: 'done\n', stderr: '' });
  });

  it.concurrent.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s lets the step end and the checkpoint be saved, then exits %i', async (signal, expected) => {
    const { code, stdout, stderr } = await run('loop', { signals: [signal] });
    expect(code).toBe(expected);
    expect(stdout).toBe('ready\nsaved\n');
    expect(stderr).toContain(`${signal}: stopping after this step`);
  });

  it.concurrent('one Ctrl-C that arrives twice is one', async () => {
    const { code, stdout } = await run('echo', { signals: ['SIGINT', 'SIGINT'] });
    expect([code, stdout]).toEqual([130, 'ready\nsaved\n']);
  });

  it.concurrent('an echo that comes after the end does not kill', async () => {
    const { code, stdout } = await run('late');
    expect([code, stdout]).toEqual([130, 'echo\n']);
  });

  it.concurrent('ends after an error though something is still open', async () => {
    expect(await run('open')).toMatchObject({ code: 2, stderr: 'error: with a timer left open\n' });
  });

  it.concurrent('a second signal ends a main that does not listen', async () => {
    const { code, stdout } = await run('deaf', { signals: ['SIGINT', 'SIGINT'], pause: 600 });
    expect(code).toBe(130);
    expect(stdout).toBe('ready\n');
  });
});

describe('exit codes', () => {
  it('of errors by property, name, code and cause', () => {
    const named = (name: string) => Object.assign(new Error('x'), { name });
    expect(exitCodeOf(new ConfigError('x'))).toBe(2);
    expect(exitCodeOf(named('OptionError'))).toBe(2);
    expect(exitCodeOf(Object.assign(new TypeError('x'), { code: 'ERR_PARSE_ARGS_UNKNOWN_OPTION' }))).toBe(2);
    expect(exitCodeOf(named('SafetensorsError'))).toBe(3);
    expect(exitCodeOf(named('DataError'))).toBe(3);
    expect(exitCodeOf(Object.assign(new Error('x'), { code: 'ENOSPC' }))).toBe(3);
    expect(exitCodeOf(named('EngineError'))).toBe(4);
    expect(exitCodeOf(new Error('x', { cause: new Error('y', { cause: named('BackendError') }) }))).toBe(4);
    expect(exitCodeOf(new NonFiniteError(1, 'loss', Number.NaN, {}))).toBe(5);
    expect(exitCodeOf(new Error('x'))).toBe(1);
    expect(exitCodeOf(undefined)).toBe(1);
  });

  it('stopOnNonFinite names step, term and value, and lets finite terms pass', () => {
    stopOnNonFinite(1, { global: 0, local: -1e30 });
    expect(() => stopOnNonFinite(12, { global: 1.5, local: Number.NaN })).toThrow(
      /^step 12: local is NaN \(global = 1\.5, local = NaN\)/,
    );
    try {
      stopOnNonFinite(3, { loss: Number.POSITIVE_INFINITY });
    } catch (error) {
      expect(error).toMatchObject({ name: 'NonFiniteError', step: 3, term: 'loss', value: Number.POSITIVE_INFINITY });
    }
  });
});
