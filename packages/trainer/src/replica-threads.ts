import { parentPort, Worker, workerData } from 'node:worker_threads';
import { ReplicaGroup, type SharedReplicas, shareReplicas } from './replica-group';

interface ThreadData<Setup> {
  shared: SharedReplicas;
  rank: number;
  setup: Setup;
}

/** Options of {@link ReplicaThreads.start}. */
export interface ReplicaThreadsOptions<Setup> {
  /** Replicas, this thread's included. */
  size: number;
  /** float32 values that one replica gives at most in one exchange, see {@link shareReplicas}. */
  capacity: number;
  /** What every thread is given at the start (structured clone). */
  setup: Setup;
  /** Node's options for the threads; this process's own by default. */
  execArgv?: string[];
  /** How long replicas wait for each other, a thread that has died included; 600. */
  timeoutSeconds?: number;
}

/**
 * The other replicas of a data-parallel training, each in a thread of its own; the caller's thread is replica 0.
 *
 * A thread runs a module that calls {@link serveReplica}. Send it its share of every step, then compute your own; the
 * collectives of `group` wait for each other.
 *
 * @example
 * // with size 2, one thread runs replica.js, which calls serveReplica; alone there is none, and the same code runs
 * const entry = new URL('file:///somewhere/replica.js');
 * const replicas = await ReplicaThreads.start(entry, { size: 1, capacity: 8, setup: { seed: 1 } });
 * for (let rank = 1; rank < replicas.group.size; rank++) replicas.send(rank, { share: rank });
 * replicas.group.allMean(new Map([['w', tf.tensor1d([3])]])).get('w') // [3]
 * await replicas.stop();
 */
export class ReplicaThreads<Share> {
  private constructor(
    /** Replica 0's view. */
    readonly group: ReplicaGroup,
    readonly threads: Worker[],
  ) {}

  /**
   * Starts `size` − 1 threads and waits until each is ready. `size` 1 starts none.
   *
   * @param entry the module that each thread runs.
   * @throws whatever a thread threw before it was ready.
   */
  static async start<Setup, Share>(
    entry: URL,
    { size, capacity, setup, execArgv, timeoutSeconds }: ReplicaThreadsOptions<Setup>,
  ): Promise<ReplicaThreads<Share>> {
    const shared = shareReplicas(size, capacity, { timeoutSeconds });
    const group = new ReplicaGroup(shared, 0);
    const threads = Array.from({ length: size - 1 }, (_, i) => {
      const data: ThreadData<Setup> = { shared, rank: i + 1, setup };
      return new Worker(entry, { workerData: data, ...(execArgv && { execArgv }) });
    });
    const replicas = new ReplicaThreads<Share>(group, threads);
    try {
      await Promise.all(threads.map(ready));
    } catch (error) {
      await replicas.stop();
      throw error;
    }
    // From here on a failure reaches replica 0 through the group, which may be waiting in it.
    for (const [i, thread] of threads.entries()) {
      thread.on('error', (error) => new ReplicaGroup(shared, i + 1).abort(error));
      thread.unref();
    }
    return replicas;
  }

  /** Gives a replica its share of the next step. */
  send(rank: number, share: Share): void {
    this.threads[rank - 1]!.postMessage(share);
  }

  /** Ends the threads, wherever they are. */
  async stop(): Promise<void> {
    await Promise.all(this.threads.map((thread) => thread.terminate()));
  }
}

const ready = (thread: Worker): Promise<void> =>
  new Promise((resolve, reject) => {
    thread.once('message', () => {
      thread.removeAllListeners();
      resolve();
    });
    thread.once('error', reject);
    thread.once('exit', (code) => reject(new Error(`a replica ended with code ${code} before it was ready`)));
  });

/**
 * The other side of {@link ReplicaThreads}: a thread's whole program.
 *
 * @param start builds the replica from what it was given, and returns what it does with its share of a step. Shares are
 *   worked through one after the other; an error stops all replicas, with its message.
 * @throws {Error} outside such a thread.
 * @example
 * // in replica.js
 * const program = () => serveReplica<{ seed: number }, { share: number }>(async ({ seed }, group) => {
 *   const w = tf.variable(tf.scalar(seed));
 *   return ({ share }) => tf.tidy(() => w.assign(group.allMean(new Map([['w', tf.mul(w, share)]])).get('w')! as tf.Scalar));
 * });
 */
export async function serveReplica<Setup, Share>(
  start: (setup: Setup, group: ReplicaGroup) => Promise<(share: Share) => Promise<void> | void>,
): Promise<void> {
  const port = parentPort;
  if (!port) throw new Error('serveReplica runs in a thread that ReplicaThreads.start has started');
  const { shared, rank, setup } = workerData as ThreadData<Setup>;
  const group = new ReplicaGroup(shared, rank);
  const work = await start(setup, group);
  let last: Promise<void> = Promise.resolve();
  port.on('message', (share: Share) => {
    last = last
      .then(() => work(share))
      .catch((error) => {
        group.abort(error);
        port.close();
      });
  });
  port.postMessage('ready');
}
