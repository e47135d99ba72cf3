import { CheckpointError, quoted } from './error';
import { describe } from './pickle-machine';
import { Foreign } from './pickle-values';
import { TensorView } from './tensor-view';

/** Names under which training programs keep the weights. */
const usual = ['state_dict', 'model', 'model_state_dict', 'module'];

/** The tensors of a checkpoint's state dict, its numbers and texts, and what was left out. */
export type State = {
  key: string;
  tensors: Map<string, TensorView>;
  metadata: Record<string, string>;
  skipped: string[];
};

/**
 * Finds the state dict in what a checkpoint holds: the dict itself, or what lies under one of the usual names (also one
 * below the other), or under `key`.
 *
 * @throws {CheckpointError} if there is none or more than one, listing what there is.
 */
export function findState(root: unknown, key?: string): State {
  if (!(root instanceof Map)) {
    throw new CheckpointError(
      `expected a dict of tensors, got ${describe(root)}. Fix: torch.save(model.state_dict(), path)`,
    );
  }
  const [dict, path] = key === undefined ? unwrap(root, []) : pick(root, key);
  const scalars: [string, string][] = [];
  const skipped: string[] = [];
  const tensors = new Map<string, TensorView>();
  const seen = new Set<unknown>();
  if (dict !== root) {
    for (const [name, value] of root) {
      if (name !== path[0]) keep(label(name), value, scalars, skipped);
    }
  }
  for (const [name, value] of dict) {
    if (value instanceof TensorView) tensors.set(checkName(name), value);
    else {
      if (value instanceof Foreign) {
        throw new CheckpointError(`${quoted(label(name))} is a ${value.name}, not a tensor. Fix: save it without`);
      }
      if (key === undefined) checkNoTensors(label(name), value, seen);
      keep(label(name), value, scalars, skipped);
    }
  }
  return { key: path.join('.'), tensors, metadata: Object.fromEntries(scalars), skipped };
}

type Dict = Map<unknown, unknown>;

/** Found once per dict: a pickle may show the same one under many names. */
const known = new WeakMap<Dict, boolean>();

function holdsTensors(dict: Dict): boolean {
  const before = known.get(dict);
  if (before !== undefined) return before;
  const holds = [...dict.values()].some((value) => value instanceof TensorView);
  known.set(dict, holds);
  return holds;
}

/** A name in a dict as text; not through String(), which follows lists to any depth. */
const label = (name: unknown) => (typeof name === 'string' ? name : describe(name));

function unwrap(dict: Dict, path: string[]): [Dict, string[]] {
  const inner = path.length < 4 ? usual.filter((name) => leadsToTensors(dict.get(name), 3 - path.length)) : [];
  const own = holdsTensors(dict);
  if (own && inner.length === 0) return [dict, path];
  if (!own && inner.length === 1) return unwrap(dict.get(inner[0]) as Dict, [...path, inner[0]!]);
  if (dict.size === 0 && path.length === 0) return [dict, path];
  const found = candidates(dict, own);
  const why = own || inner.length > 1 ? 'it holds more than one state dict' : 'no state dict was found';
  throw new CheckpointError(`${why}. ${found}`);
}

function leadsToTensors(value: unknown, depth: number): boolean {
  if (!(value instanceof Map)) return false;
  return holdsTensors(value) || (depth > 0 && usual.some((name) => leadsToTensors(value.get(name), depth - 1)));
}

function pick(root: Dict, key: string): [Dict, string[]] {
  if (key === '') return [root, []];
  const value = root.get(key);
  if (!(value instanceof Map)) {
    const got = root.has(key) ? describe(value) : 'nothing';
    throw new CheckpointError(
      `key ${quoted(key)}: expected a dict, got ${got}. ${candidates(root, holdsTensors(root))}`,
    );
  }
  return holdsTensors(value) || value.size === 0 ? [value, [key]] : unwrap(value, [key]);
}

/** What `key` can be, or at least what is there. */
function candidates(dict: Dict, own: boolean): string {
  const names = [...dict.keys()].filter((name) => typeof name === 'string');
  const fitting = names.filter((name) => leadsToTensors(dict.get(name), 3));
  const keys = [...(own ? [''] : []), ...fitting].slice(0, 20).map(quoted);
  if (keys.length > 0)
    return `Fix: the option key, one of ${keys.join(', ')}${own ? " ('' is the outermost dict)" : ''}`;
  const there = names.slice(0, 20).map(quoted).join(', ') || 'nothing by name';
  return `It holds ${there}. Fix: torch.save(model.state_dict(), path)`;
}

function checkName(name: unknown): string {
  if (typeof name === 'string') return name;
  throw new CheckpointError(`a tensor named by ${describe(name)}. Fix: names that are text`);
}

/** Numbers and texts become metadata; what else there is, is left out by name. */
function keep(name: string, value: unknown, scalars: [string, string][], skipped: string[]): void {
  if (['string', 'number', 'bigint', 'boolean'].includes(typeof value)) scalars.push([name, String(value)]);
  else if (value !== null) skipped.push(name);
}

/** Tensors below the first level of a state dict would be lost in silence. Each object is looked at once. */
function checkNoTensors(name: string, value: unknown, seen: Set<unknown>): void {
  const waiting = [value];
  while (waiting.length > 0) {
    const next = waiting.pop();
    if (next instanceof TensorView) {
      throw new CheckpointError(
        `${quoted(name)} is not a tensor but holds some. Fix: the option key: ${quoted(name)} to read these, or the dict around it by its own key ('' is the outermost) to leave them out`,
      );
    }
    if (!(next instanceof Map || next instanceof Set || Array.isArray(next)) || seen.has(next)) continue;
    seen.add(next);
    for (const item of next.values()) waiting.push(item);
  }
}

const wrappers = ['module.', '_orig_mod.'];

/** What DataParallel (`module.`) and torch.compile (`_orig_mod.`) put before every name, if it is every name. */
export function commonPrefix(names: Iterable<string>): string {
  const all = [...names];
  let prefix = '';
  for (;;) {
    const more = wrappers.map((wrapper) => prefix + wrapper);
    const next = more.find((start) => all.every((name) => name.startsWith(start) && name.length > start.length));
    if (next === undefined || all.length === 0) return prefix;
    prefix = next;
  }
}
