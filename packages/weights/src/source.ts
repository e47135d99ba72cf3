import { checkBytes } from './decode';
import { type ErrorKind, WeightsError } from './error';
import { fileSystem, named } from './node';

/** Where bytes are read from: an open file, or the bytes themselves. `path` is empty for bytes. */
export type Source = {
  path: string;
  size: number;
  /** Bytes from `begin` to `end` in a buffer of their own; both must lie inside. */
  read(begin: number, end: number): Promise<Uint8Array<ArrayBuffer>>;
  close(): Promise<void>;
};

/** Opens a path (Node), or takes bytes (anywhere); errors are of the kind given. */
export async function openSource(pathOrBytes: string | Uint8Array, Kind: ErrorKind): Promise<Source> {
  if (typeof pathOrBytes === 'string') return openFile(pathOrBytes, Kind);
  const bytes: unknown = pathOrBytes;
  checkBytes(bytes, Kind);
  return {
    path: '',
    size: bytes.length,
    read: async (begin, end) => new Uint8Array(bytes.subarray(begin, end)),
    close: async () => {},
  };
}

/** Opens, uses and closes whatever happens; errors carry the path and are of the kind given. */
export async function withSource<T>(
  pathOrBytes: string | Uint8Array,
  Kind: ErrorKind,
  use: (source: Source) => Promise<T>,
): Promise<T> {
  const source = await openSource(pathOrBytes, Kind);
  try {
    return await use(source);
  } catch (error) {
    throw source.path === '' ? error : named(source.path, error, Kind);
  } finally {
    await source.close();
  }
}

async function openFile(path: string, Kind: ErrorKind): Promise<Source> {
  try {
    const file = await fileSystem().open(path);
    try {
      const { size } = await file.stat();
      return { path, size, read: (begin, end) => readRange(file, begin, end), close: () => file.close() };
    } catch (error) {
      await file.close();
      throw error;
    }
  } catch (error) {
    throw named(path, error, Kind);
  }
}

type Readable = { read(bytes: Uint8Array, at: number, length: number, from: number): Promise<{ bytesRead: number }> };

/** What the system reads at once: its calls end at 2 GiB. */
const chunk = 2 ** 30;

async function readRange(file: Readable, begin: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(end - begin);
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, done, Math.min(chunk, bytes.length - done), begin + done);
    if (bytesRead === 0) throw new WeightsError('it became shorter while it was read. Fix: read it again');
    done += bytesRead;
  }
  return bytes;
}
