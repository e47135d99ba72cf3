import * as tf from '@tensorflow/tfjs-core';
import { fromEcosystem, type Layout, type StateDict, StateDictError, type StateEntry, toEcosystem } from './state';

type Entry = { variable: tf.Variable; layout: Layout; trainable: boolean };

/**
 * A model part with named variables. Names are those of the ecosystem's checkpoints; arrays lie as tfjs wants them, and
 * only `stateDict` and `loadStateDict` speak the ecosystem's layout.
 *
 * @example
 * const layer = new Linear(2, 3, { seed: 1 });
 * [...layer.parameters().keys()]; // ["weight", "bias"]
 * layer.stateDict().get('weight').shape; // [3, 2]
 * layer.dispose();
 */
export abstract class Module {
  private readonly own = new Map<string, Entry>();
  private readonly children = new Map<string, Module>();

  /** Adds a variable under the ecosystem's name. `shape` and `values` are in tfjs layout. */
  protected add(
    name: string,
    values: ArrayLike<number>,
    shape: number[],
    {
      layout = 'same',
      trainable = true,
      dtype = 'float32',
    }: { layout?: Layout; trainable?: boolean; dtype?: 'float32' | 'int32' } = {},
  ): tf.Variable {
    const variable = tf.tidy(() =>
      tf.variable(tf.tensor(values as Float32Array, shape, dtype), trainable, undefined, dtype),
    );
    this.own.set(name, { variable, layout, trainable });
    return variable;
  }

  /** Adds a part; its names get the prefix `name.` */
  protected addChild<M extends Module>(name: string, child: M): M {
    this.children.set(name, child);
    return child;
  }

  private *entries(prefix = ''): Generator<[string, Entry]> {
    for (const [name, entry] of this.own) yield [prefix + name, entry];
    for (const [name, child] of this.children) yield* child.entries(`${prefix}${name}.`);
  }

  private select(trainable: boolean): Map<string, tf.Variable> {
    const chosen = [...this.entries()].filter(([, entry]) => entry.trainable === trainable);
    return new Map(chosen.map(([name, entry]) => [name, entry.variable]));
  }

  /** Trainable variables by name, in tfjs layout: what an optimiser gets. */
  parameters(): Map<string, tf.Variable> {
    return this.select(true);
  }

  /** Variables that are not trained (running statistics) by name, in tfjs layout. */
  buffers(): Map<string, tf.Variable> {
    return this.select(false);
  }

  /** Parameters and buffers in the ecosystem's layout: what a checkpoint holds. Reads them from the engine. */
  stateDict(): Map<string, { dtype: string; shape: number[]; data: Float32Array | Int32Array }> {
    const state = new Map<string, { dtype: string; shape: number[]; data: Float32Array | Int32Array }>();
    for (const [name, { variable, layout }] of this.entries()) {
      const data = variable.dataSync() as Float32Array | Int32Array;
      const { shape, data: laidOut } = toEcosystem({ shape: variable.shape, data }, layout);
      const dtype = variable.dtype === 'int32' ? 'I64' : 'F32';
      state.set(name, { dtype, shape, data: laidOut as Float32Array | Int32Array });
    }
    return state;
  }

  /**
   * Sets parameters and buffers from a checkpoint. Everything is checked before anything is changed.
   *
   * @param state names → arrays in the ecosystem's layout; float16 or bfloat16 arrays already widened.
   * @param options `strict` (default true): missing or unexpected names are an error. `prefix`: only names that start
   *   with it count, and lose it (`'bert.'`, `'module.'`).
   * @returns the names the checkpoint lacks and the ones the model has no place for.
   * @throws StateDictError for a wrong shape always, for missing or unexpected names when strict.
   */
  loadStateDict(
    state: StateDict,
    { strict = true, prefix = '' }: { strict?: boolean; prefix?: string } = {},
  ): { missing: string[]; unexpected: string[] } {
    const given = new Map<string, StateEntry>();
    for (const [name, entry] of state) {
      const known = name.startsWith(prefix) ? this.checkpointName(name.slice(prefix.length)) : undefined;
      if (known !== undefined) given.set(known, entry);
    }
    const entries = [...this.entries()];
    const names = new Set(entries.map(([name]) => name));
    const missing = entries.map(([name]) => name).filter((name) => !given.has(name) && !this.mayBeMissing(name));
    const unexpected = [...given.keys()].filter((name) => !names.has(name));
    if (strict && missing.length + unexpected.length > 0)
      throw new StateDictError(mismatch(missing, unexpected, prefix));
    const wrong = entries.flatMap(([name, { variable, layout }]) => {
      const wanted = toEcosystem({ shape: variable.shape, data: [] }, layout).shape;
      const got = given.get(name);
      const size = wanted.reduce((a, b) => a * b, 1);
      if (!got || (`${got.shape}` === `${wanted}` && got.data.length === size)) return [];
      return [`${name}: expected shape [${wanted}], got [${got.shape}] with ${got.data.length} values`];
    });
    if (wrong.length > 0) {
      throw new StateDictError(
        `the checkpoint has other shapes than the model: ${shorten(wrong, '; ')}. Fix: build the model with the checkpoint's configuration`,
      );
    }
    for (const [name, { variable, layout }] of entries) {
      const entry = given.get(name);
      if (!entry) continue;
      const { shape, data } = fromEcosystem(entry, layout);
      const typed = variable.dtype === 'int32' ? Int32Array : Float32Array;
      tf.tidy(() => variable.assign(tf.tensor(typed.from(Array.from(data, Number)), shape, variable.dtype)));
    }
    return { missing, unexpected };
  }

  /** What a name of a checkpoint is called here; undefined for arrays that are none of this model's business. */
  protected checkpointName(name: string): string | undefined {
    return name;
  }

  /** Old checkpoints lack the batch counter; nothing depends on it. */
  protected mayBeMissing(name: string): boolean {
    return name.endsWith('num_batches_tracked');
  }

  /** Frees every variable. */
  dispose(): void {
    for (const [, { variable }] of this.entries()) variable.dispose();
  }
}

function mismatch(missing: string[], unexpected: string[], prefix: string): string {
  const parts = [
    missing.length > 0 ? `missing in the checkpoint: ${shorten(missing)}` : '',
    unexpected.length > 0 ? `unexpected in the checkpoint: ${shorten(unexpected)}` : '',
  ].filter(Boolean);
  const start = prefix ? ` (looking under the prefix '${prefix}')` : '';
  return `the checkpoint does not fit the model${start}; ${parts.join('; ')}. Fix: another configuration, the prefix option for a wrapped model, or strict: false to load what fits`;
}

const shorten = (lines: string[], separator = ', ') =>
  lines.slice(0, 5).join(separator) + (lines.length > 5 ? `${separator}and ${lines.length - 5} more` : '');
