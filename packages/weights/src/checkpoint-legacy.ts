import type { Checkpoint } from './checkpoint-zip';
import { largestPickle } from './checkpoint-zip';
import { codecs } from './dtypes';
import { CheckpointError, quoted } from './error';
import { unpickle } from './pickle';
import { allSteps, describe, NeedsMore } from './pickle-machine';
import { findGlobal, findStorage } from './pickle-torch';
import { Foreign } from './pickle-values';
import type { Source } from './source';
import type { Storage } from './tensor-view';

const magic = 0x1950a86a20f9469cfc6cn;
const again = 'Fix: download or save it again';

/**
 * Opens the form of PyTorch before 1.6: four pickles (magic number, version, system, content), the list of storages, and
 * then each storage with its length before it.
 */
export async function openLegacy(source: Source, skipForeign: boolean): Promise<Checkpoint> {
  const { root, storages, keys, end } = await readPickles(source, skipForeign);
  const places = await findRecords(source, storages, keys, end);
  return {
    root,
    record: (key) => {
      const { begin, end } = places.get(key)!;
      return source.read(begin, end);
    },
  };
}

type Pickles = { root: unknown; storages: Map<string, Storage>; keys: unknown; end: number };

/** Where the pickles end is not known before: more and more of the file is read until they do. */
async function readPickles(source: Source, skipForeign: boolean): Promise<Pickles> {
  for (let length = Math.min(2 ** 20, source.size); ; ) {
    const bytes = await source.read(0, length);
    try {
      return parse(bytes, source.size, skipForeign);
    } catch (error) {
      if (!(error instanceof NeedsMore)) throw error;
      if (error.bytes > largestPickle) {
        throw new CheckpointError(`its pickle is larger than ${largestPickle} bytes. ${again}`, { cause: error });
      }
      length = Math.min(Math.max(2 * length, error.bytes), source.size);
    }
  }
}

function parse(bytes: Uint8Array, size: number, skipForeign: boolean): Pickles {
  const storages = new Map<string, Storage>();
  const budget = { steps: allSteps };
  const plain = {
    size,
    budget,
    global: (name: string): never => notSaved(`it asks for ${quoted(name)}`),
    persistent: (): never => notSaved('it asks for a storage'),
  };
  const first = unpickle(bytes, 0, plain);
  if (first.value !== magic) notSaved('it does not begin with the magic number');
  const version = unpickle(bytes, first.end, plain);
  if (version.value !== 1001)
    throw new CheckpointError(`its version is ${describe(version.value)}, not 1001. ${again}`);
  const system = unpickle(bytes, version.end, plain);
  if (system.value instanceof Map && system.value.get('little_endian') === false) {
    throw new CheckpointError('it was saved on a big-endian machine. Fix: torch.save it on a little-endian one');
  }
  const content = unpickle(bytes, system.end, {
    size,
    budget,
    global: (name, fail) => findGlobal(name, skipForeign, fail),
    persistent(id, fail) {
      const storage = findStorage(id, fail);
      if (storage instanceof Foreign) return storage;
      const same = storages.get(storage.key) ?? storage;
      if (same.dtype !== storage.dtype || same.total !== storage.total) {
        fail(`storage ${quoted(storage.key)} comes with two types or lengths`, again);
      }
      storages.set(storage.key, same);
      return storage;
    },
  });
  const keys = unpickle(bytes, content.end, plain);
  return { root: content.value, storages, keys: keys.value, end: keys.end };
}

function notSaved(why: string): never {
  throw new CheckpointError(`this pickle is not of torch.save: ${why}. Fix: torch.save(model.state_dict(), path)`);
}

/** Walks over the storages behind the pickles; every one must be named, be as long as its tensors say, and be there. */
async function findRecords(source: Source, storages: Map<string, Storage>, keys: unknown, start: number) {
  const places = new Map<string, { begin: number; end: number }>();
  if (!Array.isArray(keys)) throw new CheckpointError(`the list of its storages is missing. ${again}`);
  let at = start;
  for (const key of keys) {
    const storage = storages.get(typeof key === 'number' ? String(key) : key);
    const fail = (why: string): never => {
      throw new CheckpointError(`storage ${storage ? quoted(storage.key) : describe(key)}: ${why}. ${again}`);
    };
    if (!storage) return fail('it is listed, but no tensor uses it');
    if (places.has(storage.key)) fail('it is listed twice');
    if (at + 8 > source.size) fail(`it begins at byte ${at} of ${source.size}: truncated`);
    const head = await source.read(at, at + 8);
    const length = new DataView(head.buffer).getBigUint64(0, true);
    if (length !== BigInt(storage.total)) fail(`it has ${length} elements, its tensors say ${storage.total}`);
    const begin = at + 8;
    at = begin + storage.total * codecs[storage.dtype].bytes;
    if (at > source.size) fail(`it ends at byte ${at} of ${source.size}: truncated`);
    places.set(storage.key, { begin, end: at });
  }
  if (at !== source.size)
    throw new CheckpointError(`${source.size - at} bytes after the last storage belong to none. ${again}`);
  for (const key of storages.keys()) {
    if (!places.has(key)) throw new CheckpointError(`storage ${quoted(key)} is not in the file. ${again}`);
  }
  return places;
}
