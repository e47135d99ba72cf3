import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const script = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** What a worker says of itself when it has started. */
export interface Versions {
  version: string;
  device: string;
  threads?: number;
}

/** What reading images took: by the clock on the wall, and of all threads of the process. */
export interface Reading {
  seconds: number;
  cpuSeconds: number;
}

const node = ['--conditions=@medalign/source', '--import', 'tsx', '--max-semi-space-size=64'];

/**
 * A process that runs the cases one by one: ours on one engine (worker.ts), PyTorch (pytorch/cases.py), or a way of
 * reading images (loader-worker.ts, pytorch/pillow_loader.py).
 */
export class Column {
  private constructor(
    readonly name: string,
    readonly versions: Versions,
    private readonly child: ChildProcessWithoutNullStreams,
    private readonly answers: AsyncIterator<string>,
  ) {}

  /** Our library on one of its engines. */
  static ours(engine: string): Promise<Column> {
    return Column.#start(engine, process.execPath, [...node, script('./worker.ts'), engine]);
  }

  static pytorch(python: string, device: string): Promise<Column> {
    return Column.#start('pytorch', python, [script('../pytorch/cases.py'), device]);
  }

  /** `batches`, `sharp` or `sharp-full`. */
  static loader(way: string): Promise<Column> {
    return Column.#start(way, process.execPath, [...node, script('./loader-worker.ts'), way]);
  }

  static pillow(python: string): Promise<Column> {
    return Column.#start('pillow', python, [script('../pytorch/pillow_loader.py')]);
  }

  static async #start(name: string, command: string, args: string[]): Promise<Column> {
    const child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'inherit'],
    }) as never as ChildProcessWithoutNullStreams;
    child.on('error', (error) => child.stdout.destroy(error));
    child.stdin.on('error', () => {}); // a process that has ended says so by its missing answer
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return new Column(name, (await answer(name, lines)) as Versions, child, lines);
  }

  /** Makes the inputs and, unless told not to, runs one iteration to warm up. */
  prepare(name: string, { run = true } = {}): Promise<unknown> {
    return this.#ask({ case: name, run });
  }
  /** Seconds of so many iterations. */
  async seconds(iterations: number): Promise<number> {
    return ((await this.#ask({ iterations })) as { seconds: number }).seconds;
  }
  /** Bytes that the next iteration needs at its highest, above what is there before it. */
  async peakBytes(): Promise<number> {
    return ((await this.#ask({ peak: true })) as { bytes: number }).bytes;
  }
  /** Reads these images; a column of the loader group only. */
  async read(command: { paths: string[]; channels: number; exposure: boolean }): Promise<Reading> {
    return (await this.#ask(command)) as Reading;
  }
  stop(): void {
    this.child.stdin.end();
  }

  #ask(command: object): Promise<unknown> {
    this.child.stdin.write(`${JSON.stringify(command)}\n`);
    return answer(this.name, this.answers);
  }
}

async function answer(name: string, lines: AsyncIterator<string>): Promise<unknown> {
  const { value, done } = await lines.next();
  if (done) {
    const needed = { pytorch: 'PyTorch', pillow: 'Pillow' }[name];
    const hint = needed ? `: is ${needed} installed there? --python names another Python` : '';
    throw new Error(`the process of '${name}' ended, what it said is above${hint}`);
  }
  const said = JSON.parse(value) as { error?: string };
  if (said.error) throw new Error(said.error);
  return said;
}
