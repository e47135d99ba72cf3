import { StateDictError, type StateEntry } from './state';

/** The file's names that one array of the model is made of, and how, where it is not one array as it is. */
export type Source = { names: string[]; join?: (entries: StateEntry[]) => StateEntry };

/** How a checkpoint names the arrays of a model. */
export type NameMap = {
  /** Where the model's array of this name comes from. */
  source: (name: string) => Source;
  /** Arrays that belong to a head, another tower or are constants: reported as unused, not as unexpected. */
  unused: (name: string) => boolean;
};

/** The checkpoint names the arrays as the model does. */
export const sameNames: NameMap = { source: (name) => ({ names: [name] }), unused: () => false };

/**
 * The prefix under which a model lies in a checkpoint (`'bert.'`, `'module.visual.'`), from one name that it must have.
 *
 * @returns undefined if no name ends with it.
 * @throws StateDictError if several parts of the checkpoint could be meant.
 */
export function findPrefix(names: Iterable<string>, known: string): string | undefined {
  const prefixes = [...names]
    .filter((name) => name === known || name.endsWith(`.${known}`))
    .map((name) => name.slice(0, name.length - known.length));
  if (prefixes.length <= 1) return prefixes[0];
  if (prefixes.includes('')) return '';
  throw new StateDictError(
    `the checkpoint has ${prefixes.length} parts that could be loaded, under ${prefixes.map((prefix) => `'${prefix}'`).join(', ')}. Fix: the prefix option`,
  );
}

/** What lies around a prefix: `'module.visual.trunk.'` → `'module.visual.'`, `'module.'`, `''`. */
export function ancestors(prefix: string): string[] {
  const parts = prefix.split('.').slice(0, -1);
  return parts.map((_, i) => parts.slice(0, parts.length - 1 - i).join('.')).map((path) => (path ? `${path}.` : ''));
}

/** Whether the rest of a name, behind one of the prefixes, looks like this. */
export const fitsBehind = (name: string, prefixes: string[], rest: RegExp): boolean =>
  prefixes.some((prefix) => name.startsWith(prefix) && rest.test(name.slice(prefix.length)));

/** Rows under rows: `[a, …]` and `[b, …]` become `[a + b, …]`, as PyTorch lays out a fused projection. */
export function stackRows(entries: StateEntry[]): StateEntry {
  const [first] = entries;
  const shape = [entries.reduce((rows, entry) => rows + (entry.shape[0] ?? 0), 0), ...first!.shape.slice(1)];
  const data = new Float32Array(entries.reduce((size, entry) => size + entry.data.length, 0));
  let at = 0;
  for (const entry of entries) {
    data.set(entry.data as ArrayLike<number>, at);
    at += entry.data.length;
  }
  return { shape, data };
}
