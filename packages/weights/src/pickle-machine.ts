import { CheckpointError, quoted } from './error';
import { Callable, type Fail, Foreign } from './pickle-values';

/** What a pickle may reach outside of itself. Both throw through `fail` for what is not allowed. */
export type Host = {
  /** Bytes that there are in all: `bytes` may be only their beginning. */
  size: number;
  /** What a global name stands for. */
  global(name: string, fail: Fail): unknown;
  /** What a persistent id (of a storage) stands for. */
  persistent(id: unknown, fail: Fail): unknown;
  /** Steps that are left, counted down over all pickles of a file: work and memory stay bounded, whatever a pickle repeats. */
  budget: { steps: number };
};

/** Thrown where a pickle goes on behind the bytes that were given, but not behind the file. */
export class NeedsMore extends Error {
  constructor(readonly bytes: number) {
    super(`needs ${bytes} bytes`);
  }
}

/** Steps for a whole file: some hundred thousand tensors, or ten million numbers. */
export const allSteps = 16_000_000;

/** Values that may lie on the stack at once: the longest tuple. */
export const mostValues = 4_000_000;

export const saveAgain = 'Fix: download it again, or load it with PyTorch and torch.save it again';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The stack, the memo, and the reading of operands. */
export class Machine {
  readonly stack: unknown[] = [];
  readonly marks: number[] = [];
  readonly memo = new Map<number, unknown>();
  opcodeAt: number;
  private readonly view: DataView;

  constructor(
    readonly bytes: Uint8Array,
    public at: number,
    readonly host: Host,
  ) {
    this.opcodeAt = at;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  readonly fail: Fail = (why, fix = saveAgain) => {
    throw new CheckpointError(`the pickle, byte ${this.opcodeAt}${this.near()}: ${why}. ${fix}`);
  };

  charge(steps: number): void {
    this.host.budget.steps -= steps;
    if (this.host.budget.steps < 0) {
      this.fail(`it takes more than ${allSteps} steps, which no checkpoint of tensors needs`);
    }
  }

  /** Moves over `length` bytes that are there. @returns where they begin. */
  take(length: number): number {
    const begin = this.at;
    const end = begin + length;
    if (!(end <= this.bytes.length)) {
      if (!(end <= this.host.size)) this.fail(`it ends in the middle (${length} bytes at ${begin}): truncated`);
      throw new NeedsMore(end);
    }
    this.at = end;
    return begin;
  }

  /** A whole number of 1, 2, 4 or 8 bytes, little endian, from 0. */
  uint(width: 1 | 2 | 4 | 8): number {
    const at = this.take(width);
    if (width === 1) return this.bytes[at]!;
    if (width === 2) return this.view.getUint16(at, true);
    if (width === 4) return this.view.getUint32(at, true);
    return Number(this.view.getBigUint64(at, true));
  }

  int32 = (): number => this.view.getInt32(this.take(4), true);
  float64 = (): number => this.view.getFloat64(this.take(8), false);

  slice(length: number): Uint8Array {
    const at = this.take(length);
    return this.bytes.subarray(at, at + length);
  }

  text(length: number): string {
    const bytes = this.slice(length);
    try {
      return utf8.decode(bytes);
    } catch {
      return this.fail('a text that is not UTF-8');
    }
  }

  /** Up to the next line break: module and name of a global. */
  line(): string {
    for (let length = 0; length <= 512; length++) {
      const at = this.at + length;
      if (this.bytes[at] !== 0x0a && at < this.bytes.length) continue;
      const text = this.text(length);
      this.take(1);
      return text;
    }
    return this.fail('a name of more than 512 bytes');
  }

  push(value: unknown): void {
    this.stack.push(value);
  }

  pop(): unknown {
    this.atLeast(1);
    return this.stack.pop();
  }

  top(): unknown {
    this.atLeast(1);
    return this.stack.at(-1);
  }

  popMany(count: number): unknown[] {
    this.atLeast(count);
    return this.stack.splice(this.stack.length - count, count);
  }

  mark(): void {
    this.charge(16);
    this.marks.push(this.stack.length);
  }

  /** What lies above the last mark. */
  popMark(): unknown[] {
    const mark = this.marks.pop();
    if (mark === undefined) return this.fail('a mark is missing');
    return this.stack.splice(mark);
  }

  /** A container that is new. */
  create<T>(value: T): T {
    this.charge(16);
    this.stack.push(value);
    return value;
  }

  remember(index: number): void {
    this.charge(4);
    this.memo.set(index, this.top());
  }

  recall(index: number): void {
    if (!this.memo.has(index)) this.fail(`memo ${index} was never set`);
    this.push(this.memo.get(index));
  }

  /** A call of something on the list; what is foreign stays foreign. */
  call(callee: unknown, args: unknown, how: 'REDUCE' | 'NEWOBJ'): unknown {
    if (callee instanceof Foreign) return callee;
    if (!(callee instanceof Callable) || (how === 'NEWOBJ' && !callee.isClass)) {
      return this.fail(`${how} of ${describe(callee)}, which is not called`);
    }
    if (!Array.isArray(args)) return this.fail(`${callee.name} gets ${describe(args)} instead of its arguments`);
    this.charge(16);
    return callee.call(args, { fail: this.fail, charge: (steps) => this.charge(steps) });
  }

  private atLeast(count: number): void {
    if (this.stack.length - count < (this.marks.at(-1) ?? 0)) this.fail('the stack is empty where a value is needed');
  }

  /** The last text in each open container: as a rule the names on the way to what is being read. */
  private near(): string {
    const names: string[] = [];
    const starts = [0, ...this.marks].slice(-8);
    starts.forEach((start, i) => {
      const end = Math.min(starts[i + 1] ?? this.stack.length, start + 10_000);
      const name = this.stack.slice(start, end).findLast((value) => typeof value === 'string');
      if (name !== undefined) names.push(quoted(name as string));
    });
    return names.length ? `, near ${names.join(' → ')}` : '';
  }
}

/** What a value is, for messages; the classes of this package say it themselves, in `kind`. */
export function describe(value: unknown): string {
  if (value === null) return 'None';
  if (typeof value === 'string') return `the text ${quoted(value)}`;
  if (value instanceof Map) return 'a dict';
  if (Array.isArray(value)) return 'a list or tuple';
  if (value instanceof Set) return 'a set';
  if (value instanceof Uint8Array) return 'bytes';
  if (typeof value === 'object') return (value as { kind: string }).kind;
  return String(value).slice(0, 40);
}
