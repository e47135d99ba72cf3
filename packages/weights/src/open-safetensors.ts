import { type SafetensorsEntry, toEntry } from './decode';
import { quoted, SafetensorsError, WeightsError } from './error';
import { type HeaderEntry, headerEnd, readHeader } from './header';
import { named } from './node';
import { openSource, type Source } from './source';

/** A safetensors file that is open: what it holds, and its tensors one by one. */
export type OpenSafetensors = {
  /** In the order of the data. */
  names: string[];
  /** Type and shape of each tensor, without its values. */
  entries: ReadonlyMap<string, Omit<SafetensorsEntry, 'data'>>;
  metadata: Record<string, string>;
  /** The values of one tensor; nothing else is read. */
  read(name: string): Promise<SafetensorsEntry>;
  /** Closes the file; a second time does nothing. */
  close(): Promise<void>;
};

/**
 * Opens a safetensors file to read single tensors of it: only the header is read and checked here, whatever the size of
 * the file.
 *
 * @param pathOrBytes a path (Node), or the file's bytes (anywhere).
 * @returns `names`, `entries` (`{ dtype, shape }` by name), `metadata`, `read(name)` and `close()`.
 * @throws {SafetensorsError} as {@link decodeSafetensors} does for the header; `read` for values that do not fit, a name that
 *   is not there, or a file that is closed or became shorter.
 * @example
 * const tensors = new Map([['a', { shape: [1], data: Float32Array.of(1) }], ['b', { shape: [2], data: Int8Array.of(2, 3) }]]);
 * const file = await openSafetensors(encodeSafetensors(tensors));
 * file.names; // ["a","b"]
 * file.entries.get('b')!.shape; // [2]
 * (await file.read('b')).data; // [2, 3]
 * await file.close();
 */
export async function openSafetensors(pathOrBytes: string | Uint8Array): Promise<OpenSafetensors> {
  const source = await openSource(pathOrBytes, SafetensorsError);
  const fail = (error: unknown) => (source.path ? named(source.path, error, SafetensorsError) : error);
  try {
    const start = await source.read(0, headerEnd(await source.read(0, Math.min(8, source.size)), source.size));
    const { entries, metadata } = readHeader(start, source.size);
    return opened(source, entries, metadata, fail);
  } catch (error) {
    await source.close();
    throw fail(error);
  }
}

function opened(
  source: Source,
  list: HeaderEntry[],
  metadata: Record<string, string>,
  fail: (error: unknown) => unknown,
): OpenSafetensors {
  const places = new Map(list.map((entry) => [entry.name, entry]));
  let open = true;
  return {
    names: [...places.keys()],
    entries: new Map(list.map(({ name, dtype, shape }) => [name, { dtype, shape: [...shape] }])),
    metadata,
    async read(name) {
      try {
        if (!open) throw new WeightsError(`${quoted(name)} cannot be read: the file was closed. Fix: close it later`);
        const entry = places.get(name);
        if (!entry) throw new SafetensorsError(`there is no tensor ${quoted(name)}. Fix: one of its names`);
        const { buffer } = await source.read(entry.begin, entry.end);
        return toEntry({ ...entry, shape: [...entry.shape] }, buffer);
      } catch (error) {
        throw fail(error);
      }
    },
    async close() {
      if (!open) return;
      open = false;
      await source.close();
    },
  };
}
