import { OptionError } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';
import { ReplicaError } from './errors';

/** The memory that the replicas of one training exchange numbers through; any thread can be given it. */
export interface SharedReplicas {
  memory: SharedArrayBuffer;
  size: number;
  /** float32 values that one replica can give in one exchange. */
  capacity: number;
  /** How long a replica waits for the others before it gives up. */
  timeoutSeconds: number;
}

// The memory: what all replicas wait on, how much each has given, why one has stopped, and what each has given. What is
// given is there twice: see #exchange.
const arrivedAt = 0;
const roundAt = 1;
const stoppedAt = 2;
const claimedAt = 3;
const countsAt = 4;
const reasonBytes = 2048;

/**
 * Memory for `size` replicas of a model.
 *
 * @param capacity float32 values that one replica gives at most in one exchange: the model's parameters and a few terms.
 * @param options `timeoutSeconds` a replica waits for the others before it gives up, 600; more than the slowest step.
 * @throws {OptionError} if `size` or `capacity` is not a whole number of at least 1, or the timeout not positive.
 * @example
 * shareReplicas(2, 1000).size // 2
 */
export function shareReplicas(
  size: number,
  capacity: number,
  { timeoutSeconds = 600 }: { timeoutSeconds?: number | undefined } = {},
): SharedReplicas {
  for (const [name, value] of Object.entries({ size, capacity })) {
    if (!Number.isInteger(value) || value < 1) {
      throw new OptionError(`shareReplicas: ${name}: expected a whole number of at least 1, got ${value}`);
    }
  }
  if (!(timeoutSeconds > 0))
    throw new OptionError(`shareReplicas: timeoutSeconds: expected a positive number, got ${timeoutSeconds}`);
  return { memory: new SharedArrayBuffer(slotsAt(size) + 2 * size * capacity * 4), size, capacity, timeoutSeconds };
}

const reasonAt = (size: number) => (countsAt + 2 * size) * 4;
const slotsAt = (size: number) => reasonAt(size) + reasonBytes;

/**
 * One replica's view of a data-parallel training: what `torch.distributed` calls a process group, for threads.
 *
 * Every replica holds the whole model and takes its share of every batch. All of them call the same methods in the same
 * order; each call waits for the others and gives every replica the same bits, so that their parameters stay equal.
 *
 * With L = L_global(all vectors) + mean over replicas of L_local(own share), each replica differentiates L_global of the
 * gathered vectors + its own L_local, and `allMean` of the gradients is the gradient of L: `allGather`'s gradient is
 * `size` times the rows of the own share, as open_clip's `gather_with_grad`.
 *
 * @param shared the same for all replicas, from {@link shareReplicas}.
 * @param rank which of them this is, 0 … size − 1.
 * @example
 * const alone = new ReplicaGroup(shareReplicas(1, 8), 0);
 * alone.allGather(tf.tensor2d([[1, 2]])) // [[1, 2]]
 * alone.allMean(new Map([['w', tf.tensor1d([3])]])).get('w') // [3]
 */
export class ReplicaGroup {
  readonly size: number;
  readonly #control: Int32Array;
  readonly #reason: Uint8Array;
  #round = 0;

  constructor(
    readonly shared: SharedReplicas,
    readonly rank: number,
  ) {
    const { memory, size } = shared;
    if (!Number.isInteger(rank) || rank < 0 || rank >= size) {
      throw new OptionError(`ReplicaGroup: rank: expected a whole number from 0 to ${size - 1}, got ${rank}`);
    }
    this.size = size;
    this.#control = new Int32Array(memory, 0, countsAt + 2 * size);
    this.#reason = new Uint8Array(memory, reasonAt(size), reasonBytes);
  }

  /**
   * The rows of all replicas, in the order of their ranks. Differentiable.
   *
   * @param local `[n, …]` float32; n may differ between replicas, the rest of the shape may not.
   * @returns `[Σn, …]`, the same on every replica.
   * @throws {ReplicaError} if another replica has stopped, or does not answer in time.
   */
  allGather<T extends tf.Tensor>(local: T): T {
    if (this.size === 1) return tf.clone(local);
    const gather = tf.customGrad((x) => {
      const [rows, ...rest] = (x as tf.Tensor).shape as [number, ...number[]];
      const rowSize = tf.util.sizeFromShape(rest);
      const parts = this.#exchange([x as tf.Tensor]);
      const counts = parts.map((part) => part.length / rowSize);
      if (!counts.every(Number.isInteger)) {
        throw new ReplicaError(
          `allGather: replicas gave ${parts.map((part) => part.length).join(', ')} values, not all of them rows of ${rowSize}`,
        );
      }
      const first = counts.slice(0, this.rank).reduce((sum, count) => sum + count, 0);
      const value = tf.tensor(concatenated(parts), [counts.reduce((sum, count) => sum + count, 0), ...rest]);
      const gradFunc = (dy: tf.Tensor) =>
        tf.mul(tf.slice(dy, [first, ...rest.map(() => 0)], [rows, ...rest]), this.size);
      return { value, gradFunc };
    });
    return gather(local) as T;
  }

  /**
   * The mean over replicas of each tensor: gradients, and the terms of the loss beside them.
   *
   * @param tensors float32, the same names and shapes on every replica; not disposed.
   * @returns new tensors by name; the caller's.
   * @throws {ReplicaError} if the replicas gave different amounts, or another has stopped or does not answer in time.
   */
  allMean(tensors: Map<string, tf.Tensor>): Map<string, tf.Tensor> {
    if (this.size === 1) return new Map([...tensors].map(([name, tensor]) => [name, tf.clone(tensor)]));
    const parts = this.#exchange([...tensors.values()]);
    if (parts.some((part) => part.length !== parts[0]!.length)) {
      throw new ReplicaError(`allMean: replicas gave ${parts.map((part) => part.length).join(', ')} values`);
    }
    const mean = new Float32Array(parts[0]!.length);
    for (let i = 0; i < mean.length; i++) {
      let sum = 0;
      for (const part of parts) sum += part[i]!;
      mean[i] = sum / this.size;
    }
    let at = 0;
    const means = new Map<string, tf.Tensor>();
    for (const [name, { shape, size }] of tensors) {
      means.set(name, tf.tensor(mean.slice(at, at + size), shape));
      at += size;
    }
    return means;
  }

  /** Makes every other replica throw instead of waiting for this one. */
  abort(error: unknown): void {
    if (Atomics.exchange(this.#control, claimedAt, 1)) return; // the first reason is the one that is told
    const message = error instanceof Error ? error.message : String(error);
    this.#reason.set(new TextEncoder().encode(message).subarray(0, reasonBytes));
    Atomics.store(this.#control, stoppedAt, this.rank + 1);
    Atomics.notify(this.#control, roundAt);
  }

  /**
   * Writes this replica's values, waits for all, and shows what each has written. The halves alternate: nobody can be
   * two exchanges ahead of a replica that still reads.
   */
  #exchange(tensors: tf.Tensor[]): Float32Array[] {
    const { capacity } = this.shared;
    const count = tensors.reduce((sum, { size }) => sum + size, 0);
    if (count > capacity) {
      throw new OptionError(
        `ReplicaGroup: ${count} values in one exchange, but shareReplicas(${this.size}, ${capacity}) has room for ${capacity}`,
      );
    }
    const half = this.#round++ % 2;
    const slot = (rank: number, length: number) =>
      new Float32Array(this.shared.memory, slotsAt(this.size) + (half * this.size + rank) * capacity * 4, length);
    const own = slot(this.rank, count);
    let at = 0;
    for (const tensor of tensors) {
      own.set(tensor.dataSync(), at);
      at += tensor.size;
    }
    const counts = this.#control.subarray(countsAt + half * this.size);
    counts[this.rank] = count;
    this.#arrive();
    return Array.from({ length: this.size }, (_, rank) => slot(rank, counts[rank]!));
  }

  #arrive(): void {
    const control = this.#control;
    const round = Atomics.load(control, roundAt);
    if (Atomics.add(control, arrivedAt, 1) === this.size - 1) {
      Atomics.store(control, arrivedAt, 0);
      Atomics.add(control, roundAt, 1);
      Atomics.notify(control, roundAt);
    }
    const { timeoutSeconds } = this.shared;
    const deadline = performance.now() + timeoutSeconds * 1000;
    while (Atomics.load(control, roundAt) === round) {
      const stopped = Atomics.load(control, stoppedAt);
      if (stopped) throw new ReplicaError(`replica ${stopped - 1} stopped: ${this.#stoppedBecause()}`);
      const left = deadline - performance.now();
      if (left <= 0)
        throw new ReplicaError(`the other replicas of ${this.size} did not answer within ${timeoutSeconds} s`);
      Atomics.wait(control, roundAt, round, Math.min(left, 1000));
    }
  }

  #stoppedBecause(): string {
    const bytes = this.#reason.slice(); // a decoder takes no shared memory
    const end = bytes.indexOf(0);
    return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
  }
}

function concatenated(parts: Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
