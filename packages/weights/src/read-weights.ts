import { quoted, WeightsError } from './error';
import { formOf, strange } from './forms';
import { fileSystem, named, paths } from './node';
import { type CheckpointOptions, readCheckpoint, stripPrefix, WeightsMap } from './read-checkpoint';
import { readSafetensors } from './read-file';
import { checkShard, listed, readIndex, type ShardIndex } from './sharded';
import { type Source, withSource } from './source';

/** What a folder is searched for, in this order. */
const usual = [
  'model.safetensors',
  'model.safetensors.index.json',
  'pytorch_model.bin',
  'pytorch_model.bin.index.json',
  'open_clip_model.safetensors',
  'open_clip_pytorch_model.bin',
];

/**
 * Reads weights in whatever form they are: safetensors, a PyTorch checkpoint, or the index of either in several files. The
 * form is found from the content, not from the name.
 *
 * @param pathOrBytes a file, or a folder as Hugging Face lays it out (Node): the first of `model.safetensors`,
 *   `model.safetensors.index.json`, `pytorch_model.bin`, `pytorch_model.bin.index.json`, `open_clip_model.safetensors` and
 *   `open_clip_pytorch_model.bin` is read. Or a file's bytes (anywhere).
 * @param options for checkpoints, as {@link readPyTorchCheckpoint}.
 * @returns names → `{ dtype, shape, data }`; `source` names the files that were read, `prefix` what DataParallel or
 *   torch.compile had put before every name.
 * @throws {WeightsError} naming the file and the fix: nothing in the folder (with what was looked for and what is there), a Git
 *   LFS pointer or web page in place of the file, a shard that is missing, outside of the folder, or not what
 *   the index says; {@link SafetensorsError} and {@link CheckpointError} for what is wrong in a file.
 * @example
 * const { mkdtemp } = await import('node:fs/promises');
 * const folder = await mkdtemp('weights-');
 * await writeSafetensors(`${folder}/model.safetensors`, new Map([['w', { shape: [1], data: Float32Array.of(7) }]]));
 * const weights = await readWeights(folder);
 * weights.get('w')!.data; // [7]
 * weights.source.length; // 1
 */
export async function readWeights(
  pathOrBytes: string | Uint8Array,
  options: CheckpointOptions = {},
): Promise<WeightsMap> {
  if (typeof pathOrBytes !== 'string') return stripPrefix(await readOne(pathOrBytes, options));
  const file = await findFile(pathOrBytes);
  const index = await withSource(file, WeightsError, async (source) =>
    formOf(await beginning(source)) === 'index' ? readIndex(source) : undefined,
  );
  return stripPrefix(index ? await readShards(file, index, options) : await readOne(file, options));
}

const beginning = (source: Source) => source.read(0, Math.min(512, source.size));

/** The file itself, or the one of a folder. */
async function findFile(path: string): Promise<string> {
  const { readdir, stat } = fileSystem();
  let there: string[];
  try {
    if (!(await stat(path)).isDirectory()) return path;
    there = await readdir(path);
  } catch (error) {
    throw named(path, error, WeightsError);
  }
  const found = usual.find((name) => there.includes(name));
  if (found !== undefined) return paths().join(path, found);
  throw new WeightsError(
    `${path}: no weights in this folder. Looked for ${usual.join(', ')}; there is ${listed(there.sort(), 20) || 'nothing'}. Fix: the path of the file`,
  );
}

/** One file of any form but an index, with the names as they are. */
async function readOne(pathOrBytes: string | Uint8Array, options: CheckpointOptions): Promise<WeightsMap> {
  const form = await withSource(pathOrBytes, WeightsError, async (source) => {
    const first = await beginning(source);
    const found = formOf(first);
    if (found === 'index')
      throw new WeightsError('an index where a file with tensors is expected. Fix: the path of the index');
    if (found === undefined) throw new WeightsError(strange(first));
    return found;
  });
  if (form !== 'safetensors') return readCheckpoint(pathOrBytes, options);
  const read = await readSafetensors(pathOrBytes);
  const result = new WeightsMap(read);
  return Object.assign(result, {
    metadata: read.metadata,
    source: typeof pathOrBytes === 'string' ? [pathOrBytes] : [],
  });
}

async function readShards(file: string, index: ShardIndex, options: CheckpointOptions): Promise<WeightsMap> {
  const { dirname, join } = paths();
  const shards = [...index.shards].map(([name, wanted]) => ({ name, wanted, path: join(dirname(file), name) }));
  await Promise.all(shards.map(({ name, path }) => checkThere(file, name, path)));
  const result = new WeightsMap();
  const metadata: [string, string][] = [];
  for (const { name, wanted, path } of shards) {
    const shard = await readOne(path, options);
    try {
      checkShard(name, wanted, shard);
    } catch (error) {
      throw named(file, error, WeightsError);
    }
    for (const [tensor, entry] of shard) result.set(tensor, entry);
    metadata.push(...Object.entries(shard.metadata));
    result.key = shard.key;
    result.skipped.push(...shard.skipped);
  }
  metadata.push(...Object.entries(index.metadata));
  const source = [file, ...shards.map(({ path }) => path)];
  return Object.assign(result, { source, metadata: Object.fromEntries(metadata) });
}

/** All shards are looked for before the first is read: they are large. */
async function checkThere(file: string, name: string, path: string): Promise<void> {
  try {
    await fileSystem().stat(path);
  } catch (error) {
    const why = `it names ${quoted(name)}, which cannot be read (${(error as Error).message}). Fix: download that file too`;
    throw named(
      file,
      Object.assign(new Error(why, { cause: error }), { code: (error as { code?: string }).code }),
      WeightsError,
    );
  }
}
