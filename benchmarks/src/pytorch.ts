import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** The Python process beside ours. */
export class PyTorch {
  readonly #answers: AsyncIterator<string>;

  private constructor(
    readonly child: ChildProcessWithoutNullStreams,
    lines: AsyncIterator<string>,
  ) {
    this.#answers = lines;
  }

  /** Starts it, and waits for its versions. Fails where `python` has no torch. */
  static async start(python: string, device: string): Promise<{ pytorch: PyTorch; version: string; threads: number }> {
    const script = fileURLToPath(new URL('../pytorch/cases.py', import.meta.url));
    const child = spawn(python, [script, device], { stdio: ['pipe', 'pipe', 'inherit'] }) as never;
    const lines = createInterface({ input: (child as ChildProcessWithoutNullStreams).stdout });
    const pytorch = new PyTorch(child, lines[Symbol.asyncIterator]());
    const { version, threads } = (await pytorch.#answer()) as { version: string; threads: number };
    return { pytorch, version, threads };
  }

  async prepare(name: string): Promise<void> {
    await this.#ask({ case: name });
  }

  async seconds(iterations: number): Promise<number> {
    return ((await this.#ask({ iterations })) as { seconds: number }).seconds;
  }

  stop(): void {
    this.child.stdin.end();
  }

  async #ask(command: object): Promise<unknown> {
    this.child.stdin.write(`${JSON.stringify(command)}\n`);
    return this.#answer();
  }

  async #answer(): Promise<unknown> {
    const { value, done } = await this.#answers.next();
    if (done) throw new Error('the Python process ended: is PyTorch installed there? --python names another one');
    return JSON.parse(value);
  }
}
