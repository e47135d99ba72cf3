import type { FileEntry } from '@zip.js/zip.js';
import { codecs } from './dtypes';
import { CheckpointError, quoted } from './error';
import { unpickle } from './pickle';
import { allSteps } from './pickle-machine';
import { findGlobal, findStorage } from './pickle-torch';
import { Foreign } from './pickle-values';
import type { Source } from './source';

/** A checkpoint whose pickle was read: its content, and the bytes of a storage by key. */
export type Checkpoint = { root: unknown; record(key: string): Promise<Uint8Array<ArrayBuffer>> };

/** A pickle is read whole; beside it, only single storages are. */
export const largestPickle = 2 ** 28;

const mostEntries = 100_000;
const largestDirectory = 2 ** 25;
const again = 'Fix: download or save it again';

/**
 * Opens the zip form of torch.save. Its entries are stored, not compressed, so that nothing can grow while it is read:
 * a compressed entry is refused, and so are entries that overlap, leave the archive or fail their checksum.
 */
export async function openZip(source: Source, skipForeign: boolean): Promise<Checkpoint> {
  const entries = await readDirectory(source);
  const root = findRoot([...entries.keys()]);
  const read = async (name: string, limit: number) => readEntry(entries.get(name)!, limit);
  if (entries.has(`${root}byteorder`)) {
    const byteorder = new TextDecoder().decode(await read(`${root}byteorder`, 16));
    if (byteorder !== 'little') {
      throw new CheckpointError(
        `its byte order is ${quoted(byteorder)}, expected 'little'. Fix: torch.save it on a little-endian machine`,
      );
    }
  }
  const pickle = await read(`${root}data.pkl`, largestPickle);
  const { value } = unpickle(pickle, 0, {
    size: pickle.length,
    budget: { steps: allSteps },
    global: (name, fail) => findGlobal(name, skipForeign, fail),
    persistent(id, fail) {
      const storage = findStorage(id, fail);
      if (storage instanceof Foreign) return storage;
      const entry = entries.get(`${root}data/${storage.key}`);
      const bytes = storage.total * codecs[storage.dtype].bytes;
      if (!entry) return fail(`storage ${quoted(storage.key)} is not in the archive`, again);
      if (entry.uncompressedSize !== bytes) {
        fail(`storage ${quoted(storage.key)} takes ${bytes} bytes, the archive has ${entry.uncompressedSize}`, again);
      }
      return storage;
    },
  });
  return { root: value, record: (key) => read(`${root}data/${key}`, source.size) };
}

/** The files of the archive by name. zip.js checks the names, the directory and, on reading, checksum and overlaps. */
async function readDirectory(source: Source): Promise<Map<string, FileEntry>> {
  // Only a zip needs it: who reads safetensors in a browser does not load it.
  const { Reader, ZipReader } = await import('@zip.js/zip.js/lib/zip-core-custom.js');
  class SourceReader extends Reader<Source> {
    override size = source.size;
    override async readUint8Array(begin: number, length: number) {
      if (length > largestDirectory) throw new CheckpointError(`its directory claims ${length} bytes. ${again}`);
      return source.read(Math.min(begin, source.size), Math.min(begin + length, source.size));
    }
  }
  const zip = new ZipReader(new SourceReader(source), {
    filenameValidation: 'strict',
    checkOverlappingEntry: true,
    checkCrc32: true,
    useWebWorkers: false,
    maxAppendedDataSize: 0,
  });
  const entries = new Map<string, FileEntry>();
  try {
    for await (const entry of zip.getEntriesGenerator()) {
      if (entries.size >= mostEntries) throw new CheckpointError(`more than ${mostEntries} files in it. ${again}`);
      if (entry.directory) continue;
      if (entries.has(entry.filename)) throw new CheckpointError(`${quoted(entry.filename)} is in it twice. ${again}`);
      entries.set(entry.filename, entry);
    }
  } catch (error) {
    throw damaged(error);
  }
  for (const [name, entry] of entries) checkStored(name, entry, source.size);
  return entries;
}

function checkStored(name: string, entry: FileEntry, size: number): void {
  const fail = (why: string, fix: string) => {
    throw new CheckpointError(`${quoted(name)} in the archive ${why}. ${fix}`);
  };
  if (entry.encrypted) fail('is encrypted', 'Fix: decrypt it first');
  if (entry.compressionMethod !== 0) {
    fail('is compressed; torch.save only stores', 'Fix: load it with PyTorch and torch.save it again');
  }
  if (entry.uncompressedSize !== entry.compressedSize || !(entry.uncompressedSize <= size)) {
    fail(`claims ${entry.uncompressedSize} bytes of a file of ${size}`, again);
  }
}

async function readEntry(entry: FileEntry, limit: number): Promise<Uint8Array<ArrayBuffer>> {
  const size = entry.uncompressedSize;
  if (size > limit)
    throw new CheckpointError(`${quoted(entry.filename)} has ${size} bytes, more than ${limit}. ${again}`);
  const bytes = new Uint8Array(size);
  let at = 0;
  const into = new WritableStream<Uint8Array>({
    write(part) {
      bytes.set(part, at);
      at += part.length;
    },
  });
  try {
    await entry.getData(into);
  } catch (error) {
    throw damaged(error, entry.filename);
  }
  return bytes;
}

/** What zip.js says, as an error of this package. */
function damaged(error: unknown, name?: string): CheckpointError {
  if (error instanceof CheckpointError) return error;
  const { message, reason, filename } = error as Error & { reason?: string; filename?: string };
  const which = name ?? filename;
  const where = which === undefined ? 'the archive' : `${quoted(which)} in the archive`;
  const what = reason === undefined ? message : `${message}, ${reason}`;
  return new CheckpointError(`${where} is damaged or not safe to read (${what}). ${again}`, { cause: error });
}

/** The folder in the archive that holds the pickle, with its slash. */
function findRoot(names: string[]): string {
  const roots = names.flatMap((name) => /^([^/]+\/)data\.pkl$/.exec(name)?.[1] ?? []);
  const [root] = roots;
  if (names.some((name) => /^[^/]+\/(constants\.pkl|code\/)/.test(name))) {
    throw new CheckpointError(
      'this is a TorchScript program, not a checkpoint. Fix: torch.save(torch.jit.load(path).state_dict(), other)',
    );
  }
  if (root === undefined || roots.length > 1) {
    const there = names.slice(0, 10).map(quoted).join(', ') || 'nothing';
    throw new CheckpointError(
      `this zip is not of torch.save: expected one <name>/data.pkl, it holds ${there}. Fix: another file`,
    );
  }
  return root;
}
