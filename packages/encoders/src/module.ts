import * as tf from '@tensorflow/tfjs-core';
import { checkReport, type Fit, type LoadPolicy, type LoadReport, matchState } from './load-state';
import { type NameMap, sameNames } from './names';
import { type NamePattern, selectNames } from './patterns';
import { fromEcosystem, type Layout, type StateDict, toEcosystem } from './state';

/** What frozen batch normalisation uses when training: its running statistics, or those of the batch. */
export type FrozenNorm = 'evaluation' | 'training';

type Entry = { variable: tf.Variable; layout: Layout; buffer: boolean; frozen?: FrozenNorm };

/**
 * A model part with named variables. Names are those of the ecosystem's checkpoints; arrays lie as tfjs wants them, and
 * only `stateDict` and `loadStateDict` speak the ecosystem's layout.
 *
 * @example
 * const layer = new Linear(2, 3, { seed: 1 });
 * [...layer.parameters().keys()]; // ["weight", "bias"]
 * layer.stateDict().get('weight')!.shape; // [3, 2]
 * layer.freeze('b*'); // ["bias"]
 * [...layer.parameters().keys()]; // ["weight"]
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
    this.own.set(name, { variable, layout, buffer: !trainable });
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

  private select(chosen: (entry: Entry) => boolean): Map<string, tf.Variable> {
    const entries = [...this.entries()].filter(([, entry]) => chosen(entry));
    return new Map(entries.map(([name, entry]) => [name, entry.variable]));
  }

  /** Trainable variables by name, in tfjs layout: what an optimiser gets. */
  parameters(): Map<string, tf.Variable> {
    return this.select(({ buffer, frozen }) => !buffer && !frozen);
  }

  /** Frozen parameters by name, in tfjs layout. */
  frozenParameters(): Map<string, tf.Variable> {
    return this.select(({ buffer, frozen }) => !buffer && frozen !== undefined);
  }

  /** Variables that are never trained (running statistics) by name, in tfjs layout. */
  buffers(): Map<string, tf.Variable> {
    return this.select(({ buffer }) => buffer);
  }

  /**
   * Takes parameters out of training: they leave `parameters()`, and no gradient is computed for them.
   *
   * Batch normalisation whose weight and bias are both frozen keeps to its running statistics in training by default: a
   * frozen part is then the same function in every step, for small batches too. `'training'` is what PyTorch does when
   * only `requires_grad` is switched off: the batch's statistics are used, and the running ones still move.
   *
   * @param patterns names, `*` for any characters and `?` for one, or regular expressions.
   * @param options `batchNorm`, default 'evaluation'.
   * @returns the names that are frozen now because of this call.
   * @throws OptionError for a pattern that fits no parameter, with the nearest names; nothing is frozen then.
   * @example
   * const encoder = new ResNet({ block: 'basic', layers: [1, 1], widths: [4, 8], stem: 'small' });
   * encoder.freeze(['conv1.*', 'bn1.*', 'layer1.*']).length; // 9
   * encoder.trainable('layer1.*').length; // 6
   * encoder.dispose();
   */
  freeze(
    patterns: NamePattern | readonly NamePattern[],
    { batchNorm = 'evaluation' }: { batchNorm?: FrozenNorm } = {},
  ): string[] {
    return this.mark('freeze', patterns, batchNorm);
  }

  /**
   * Makes parameters trainable again: the opposite of `freeze`, so the last call wins.
   *
   * @param patterns as for `freeze`; `freeze('*')` and then `trainable('head.*')` trains the head alone.
   * @returns the names that are trainable now because of this call.
   * @throws OptionError for a pattern that fits no parameter, with the nearest names.
   */
  trainable(patterns: NamePattern | readonly NamePattern[]): string[] {
    return this.mark('trainable', patterns, undefined);
  }

  private mark(option: string, patterns: NamePattern | readonly NamePattern[], frozen: FrozenNorm | undefined) {
    const entries = new Map([...this.entries()].filter(([, { buffer }]) => !buffer));
    const names = selectNames(option, patterns, [...entries.keys()]);
    for (const name of names) {
      const entry = entries.get(name)!;
      entry.frozen = frozen;
      entry.variable.trainable = frozen === undefined;
    }
    return names;
  }

  /** How this part's own parameters are frozen; undefined while one of them is trained. */
  protected frozenAs(): FrozenNorm | undefined {
    const own = [...this.own.values()].filter(({ buffer }) => !buffer);
    return own.every(({ frozen }) => frozen !== undefined) ? own[0]?.frozen : undefined;
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
   * Sets parameters and buffers from a checkpoint, in any of the namings the model knows and under any prefix
   * (`bert.`, `module.visual.`). Everything is checked before anything is changed.
   *
   * @param state names → arrays in the ecosystem's layout; float16 or bfloat16 arrays already widened.
   * @param options `strict` (default true): missing or unexpected names are an error; false allows both. `prefix`: only
   *   names that start with it count, and lose it. `allowMissing` (patterns of the model's names, or true),
   *   `allowUnexpected` and `ignoreMismatched` allow one thing at a time.
   * @returns what the checkpoint lacks, what the model has no place for, what has another shape, what belongs to heads.
   * @throws StateDictError for whatever is not allowed; the model is as before then.
   */
  loadStateDict(
    state: StateDict,
    { strict = true, prefix = '', ...policy }: { strict?: boolean; prefix?: string } & LoadPolicy = {},
  ): LoadReport {
    const given = new Map(
      [...state].filter(([name]) => name.startsWith(prefix)).map(([name, entry]) => [name.slice(prefix.length), entry]),
    );
    const places = new Map(this.entries());
    const fit: Fit = (name, entry, expected) => this.fit(name, entry, expected);
    const { report, found, lookedFor } = matchState(places, given, this.nameMap(given), fit);
    checkReport(
      report,
      { allowMissing: !strict, allowUnexpected: !strict, ...policy },
      {
        lookedFor,
        where: prefix ? ` (looking under the prefix '${prefix}')` : '',
        fixes: {
          allowMissing: 'the prefix option for a wrapped model, allowMissing: [patterns] for initial values',
          allowUnexpected: 'another configuration, or strict: false to load what fits',
          ignoreMismatched: "build the model with the checkpoint's configuration, or ignoreMismatched: true",
        },
      },
    );
    for (const [name, entry] of found) {
      const { variable, layout } = places.get(name)!;
      const { shape, data } = fromEcosystem(entry, layout);
      const typed = variable.dtype === 'int32' ? Int32Array : Float32Array;
      const values = data instanceof typed ? data : typed.from(Array.from(data, Number));
      tf.tidy(() => variable.assign(tf.tensor(values, shape, variable.dtype)));
    }
    return report;
  }

  /** How this checkpoint names the model's arrays. */
  protected nameMap(_state: StateDict): NameMap {
    return sameNames;
  }

  /** A checkpoint's array in the shape that the model wants, where there is a way. */
  protected fit(_name: string, entry: Parameters<Fit>[1], _expected: number[]): ReturnType<Fit> {
    return { entry };
  }

  /** Frees every variable. */
  dispose(): void {
    for (const [, { variable }] of this.entries()) variable.dispose();
  }
}
