import * as tf from '@tensorflow/tfjs-core';
import { sameShape, TorchData } from './data';
import { TorchError } from './error';
import { CAPACITY, DTYPES, type Native, type NativeDType } from './native';

// Instead of a slot: no tensor, or a rank-0 value that follows with its dtype.
const [NOTHING, HOST_NUMBER] = [-1, -2];

/** Writes a kernel call's arguments for the addon and reads its results: `call.begin().tensor(a).tensor(b).one(op)`. */
export class Call {
  readonly input = new Float64Array(CAPACITY);
  readonly output = new Float64Array(CAPACITY);
  readonly #numbers: Map<string, number>;
  /** Data of dataIds that other engines made. */
  readonly #foreign = new WeakMap<object, TorchData>();
  /** Data that was made and not freed. */
  live = 0;
  #at = 0;

  constructor(
    readonly native: Native,
    { device }: { device: string },
  ) {
    const names = native.start(device, this.input, this.output);
    this.#numbers = new Map(names.map((name, number) => [name, number]));
  }

  /** A kernel's number in the addon. */
  op(name: string): number {
    const number = this.#numbers.get(name);
    if (number === undefined) throw new TorchError(`the addon has no kernel ${name}; rebuild it`);
    return number;
  }

  dataOf(dataId: tf.DataId): TorchData {
    const held = this.#held(dataId);
    if (held) return held;
    // Another engine has it: tfjs brings it over, through `move` of our backend.
    tf.engine().moveData(tf.findBackend('torch'), dataId);
    return this.#held(dataId)!;
  }

  holds(dataId: tf.DataId): boolean {
    return this.#held(dataId) !== undefined;
  }

  /** Data that is here; nothing is brought over. */
  held(dataId: tf.DataId): TorchData {
    const data = this.#held(dataId);
    if (!data) throw new TorchError('a tensor that was disposed, or belongs to another engine');
    return data;
  }

  #held(dataId: tf.DataId): TorchData | undefined {
    if (dataId instanceof TorchData && !dataId.freed) return dataId;
    const data = this.#foreign.get(dataId);
    return data && !data.freed ? data : undefined;
  }

  adopt(dataId: tf.DataId, data: TorchData): void {
    this.#foreign.set(dataId, data);
  }

  begin(): this {
    this.#at = 0;
    return this;
  }
  number(value: number): this {
    if (this.#at >= CAPACITY) throw new TorchError(`more than ${CAPACITY} numbers in one call`);
    this.input[this.#at++] = value;
    return this;
  }
  flag(value: boolean): this {
    return this.number(value ? 1 : 0);
  }
  ints(list: ArrayLike<number>): this {
    this.number(list.length);
    for (let i = 0; i < list.length; i++) this.number(list[i]!);
    return this;
  }
  text(value: string): this {
    return this.ints([...new TextEncoder().encode(value)]);
  }
  /** A tensor under its own shape or another one with as many values. */
  tensor({ dataId, shape }: tf.TensorInfo, as: number[] = shape): this {
    const data = this.dataOf(dataId);
    if (data.value !== undefined && as.length === 0) return this.#hostNumber(data);
    return this.number(sameShape(data.shape, as) ? data.slot : this.#view(data, as));
  }
  optional(tensor: tf.TensorInfo | undefined | null): this {
    return tensor ? this.tensor(tensor) : this.number(NOTHING);
  }
  tensors(list: readonly tf.TensorInfo[]): this {
    this.number(list.length);
    for (const tensor of list) this.tensor(tensor);
    return this;
  }

  /** How many of the addon's tensors lie in this one's memory, 0 if others than its holder may look at it. */
  users({ dataId }: tf.TensorInfo): number {
    const data = this.dataOf(dataId);
    return data.refCount === 1 && data.slot >= 0 ? 1 + (data.views?.length ?? 0) : 0;
  }

  /** Runs a kernel; its results belong to the caller. */
  run(op: number): tf.TensorInfo[] {
    const { output } = this;
    const count = this.native.run(op);
    this.live += count;
    const results: tf.TensorInfo[] = [];
    let at = 0;
    for (let i = 0; i < count; i++) {
      const slot = output[at++]!;
      const dtype = DTYPES[output[at++]!]!;
      const shape = new Array<number>(output[at++]!);
      for (let axis = 0; axis < shape.length; axis++) shape[axis] = output[at++]!;
      results.push({ dataId: new TorchData(slot, shape, dtype), shape, dtype });
    }
    return results;
  }
  one(op: number): tf.TensorInfo {
    return this.run(op)[0]!;
  }

  /** The slot of the same values under another shape; kept, because who asks once asks again. */
  #view(data: TorchData, shape: number[]): number {
    if (data.slot < 0 && data.value === undefined) throw new TorchError(`a kernel that takes no ${data.dtype} tensors`);
    data.views ??= [];
    for (const view of data.views) if (sameShape(view.shape, shape)) return view.slot;
    // In the middle of another call's arguments: what is written so far is put back.
    const written = this.input.slice(0, this.#at);
    this.compact(data);
    this.begin();
    if (data.value === undefined) this.number(data.slot);
    else this.#hostNumber(data);
    const slot = this.ints(shape).#rawOne(this.op('View'));
    this.input.set(written);
    this.#at = written.length;
    data.views.push({ shape: shape.slice(), slot });
    return slot;
  }

  #hostNumber({ value, dtype }: TorchData): this {
    return this.number(HOST_NUMBER)
      .number(value!)
      .number(DTYPES.indexOf(dtype as NativeDType));
  }

  #rawOne(op: number): number {
    this.native.run(op);
    return this.output[0]!;
  }

  /** Brings values into the order of their shape, so that every other shape is a view. */
  compact(data: TorchData): void {
    if (data.compact || data.slot < 0) return;
    this.native.compact(data.slot);
    data.compact = true;
  }

  release(data: TorchData): void {
    if (data.slot >= 0) this.native.release(data.slot);
    for (const { slot } of data.views ?? []) this.native.release(slot);
  }
}
