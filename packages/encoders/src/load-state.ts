import type * as tf from '@tensorflow/tfjs-core';
import type { NameMap } from './names';
import { matches, type NamePattern } from './patterns';
import { type Layout, type StateDict, StateDictError, type StateEntry, toEcosystem } from './state';

/** What a checkpoint had for a model. Names of the model are those of `parameters()`; others are the file's. */
export type LoadReport = {
  /** Arrays of the model that the checkpoint lacks; they keep their initial values. */
  missing: string[];
  /** Arrays of the checkpoint that the model has no place for. */
  unexpected: string[];
  /** Arrays of the model whose shape is another one in the checkpoint; they keep their initial values. */
  mismatched: { name: string; expected: number[]; got: number[] }[];
  /** Arrays of the checkpoint that belong to a head or another tower, or are constants. */
  unused: string[];
  /** Arrays that were resampled to the model's size (position embeddings). */
  resized: string[];
};

/** What may differ between a model and a checkpoint without an error. */
export type LoadPolicy = {
  /** Names of the model that may be missing: `true` for any, or patterns. */
  allowMissing?: boolean | readonly NamePattern[];
  /** Whether names that the model has no place for are only reported. */
  allowUnexpected?: boolean;
  /** Whether arrays of another shape are left at their initial values. */
  ignoreMismatched?: boolean;
};

/** One array of a model: its layout, and its shape in tfjs. */
export type Place = { layout: Layout; variable: Pick<tf.Tensor, 'shape'> };

/** An array as the model wants it, and what was done to it, if anything. */
export type Fit = (name: string, entry: StateEntry, expected: number[]) => { entry: StateEntry; resized?: string };

/** Finds every array of a model in a checkpoint; changes nothing. */
export function matchState(
  places: ReadonlyMap<string, Place>,
  state: StateDict,
  map: NameMap,
  fit: Fit,
): { report: LoadReport; found: Map<string, StateEntry>; lookedFor: Map<string, string[]> } {
  const report: LoadReport = { missing: [], unexpected: [], mismatched: [], unused: [], resized: [] };
  const found = new Map<string, StateEntry>();
  const lookedFor = new Map<string, string[]>();
  const taken = new Set<string>();
  for (const [name, { layout, variable }] of places) {
    const { names, join } = map.source(name);
    for (const source of names) if (state.has(source)) taken.add(source);
    const absent = names.filter((source) => !state.has(source));
    if (absent.length > 0) {
      // Old checkpoints lack the batch counter; nothing depends on it.
      if (!name.endsWith('num_batches_tracked')) report.missing.push(name);
      lookedFor.set(name, absent);
      continue;
    }
    const expected = toEcosystem({ shape: variable.shape, data: [] }, layout).shape;
    const given = names.map((source) => state.get(source)!);
    const { entry, resized } = fit(name, join ? join(given) : given[0]!, expected);
    if (`${entry.shape}` !== `${expected}` || entry.data.length !== expected.reduce((a, b) => a * b, 1)) {
      report.mismatched.push({ name, expected, got: [...entry.shape] });
      continue;
    }
    if (resized) report.resized.push(`${name}: ${resized}`);
    found.set(name, entry);
  }
  for (const name of state.keys()) {
    if (!taken.has(name)) (map.unused(name) ? report.unused : report.unexpected).push(name);
  }
  return { report, found, lookedFor };
}

/** @throws StateDictError listing what the policy does not allow, and how to allow it. */
export function checkReport(
  { missing, unexpected, mismatched }: LoadReport,
  { allowMissing = false, allowUnexpected = false, ignoreMismatched = false }: LoadPolicy,
  {
    lookedFor,
    where,
    fixes,
  }: { lookedFor: Map<string, string[]>; where: string; fixes: Record<keyof LoadPolicy, string> },
): void {
  const allowed = (name: string) =>
    typeof allowMissing === 'boolean' ? allowMissing : allowMissing.some((pattern) => matches(pattern, name));
  const absent = missing.filter((name) => !allowed(name));
  const parts: string[] = [];
  const remedies: string[] = [];
  if (absent.length > 0) {
    const described = absent.map((name) => {
      const sources = lookedFor.get(name) ?? [];
      return sources.length === 0 || `${sources}` === name ? name : `${name} (there ${sources.join(', ')})`;
    });
    parts.push(`missing in the checkpoint: ${shorten(described)}`);
    remedies.push(fixes.allowMissing);
  }
  if (!allowUnexpected && unexpected.length > 0) {
    parts.push(`unexpected in the checkpoint: ${shorten(unexpected)}`);
    remedies.push(fixes.allowUnexpected);
  }
  if (!ignoreMismatched && mismatched.length > 0) {
    const described = mismatched.map(
      ({ name, expected, got }) => `${name}: expected shape [${expected}], got [${got}]`,
    );
    parts.push(`of other shapes than the model: ${shorten(described, '; ')}`);
    remedies.push(fixes.ignoreMismatched);
  }
  if (parts.length === 0) return;
  throw new StateDictError(
    `the checkpoint does not fit the model${where}; ${parts.join('; ')}. Fix: ${[...new Set(remedies)].join('; ')}`,
  );
}

const shorten = (lines: string[], separator = ', ') =>
  lines.slice(0, 8).join(separator) + (lines.length > 8 ? `${separator}and ${lines.length - 8} more` : '');
