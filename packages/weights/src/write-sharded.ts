import { checkItems, type Item, planItems, type SafetensorsInput, type SafetensorsOptions, sizeOf } from './encode';
import { SafetensorsError } from './error';
import { fileSystem, named, paths } from './node';
import { listed } from './sharded';
import { type Job, writePlan, writeWhole } from './write-file';

/** How sharded weights are written: `maxShardBytes` of tensors per file, `metadata` strings for each file. */
export type ShardedOptions = SafetensorsOptions & { maxShardBytes?: number };

/**
 * Writes tensors as several safetensors files with an index (Node), named and split as Hugging Face does:
 * `model-00001-of-00003.safetensors`, …, `model.safetensors.index.json`. What fits into one file becomes `model.safetensors`.
 *
 * All files are written beside their places first and flushed, then renamed, the index last: readers see all or nothing. On an
 * error everything is removed.
 *
 * @param folder where; it must exist, and hold no weights under these names yet.
 * @param tensors as for {@link encodeSafetensors}; files are filled in this order.
 * @param options `maxShardBytes` (5e9): a tensor that is larger has a file of its own. `metadata`: Hugging Face's
 *   transformers ask for `{ format: 'pt' }`.
 * @returns the names of the files, the index last.
 * @throws {SafetensorsError} as {@link encodeSafetensors}; if the folder is missing or holds weights already; if the system
 *   cannot write (`code`).
 * @example
 * const { mkdtemp } = await import('node:fs/promises');
 * const folder = await mkdtemp('weights-');
 * const tensors = new Map([['a', { shape: [2], data: Float32Array.of(1, 2) }], ['b', { shape: [1], data: Int8Array.of(3) }]]);
 * (await writeSafetensorsSharded(folder, tensors, { maxShardBytes: 8 })).length; // 3
 * (await readWeights(folder)).get('b')!.data; // [3]
 * @see https://huggingface.co/docs/huggingface_hub/package_reference/serialization
 */
export async function writeSafetensorsSharded(
  folder: string,
  tensors: ReadonlyMap<string, SafetensorsInput>,
  options: ShardedOptions = {},
): Promise<string[]> {
  try {
    const { maxShardBytes = 5e9, metadata } = options;
    if (!(maxShardBytes > 0)) {
      throw new SafetensorsError(`maxShardBytes: expected a number above 0, got ${maxShardBytes}. Fix: 5e9, say`);
    }
    const items = checkItems(tensors);
    const shards = split(items, maxShardBytes);
    const names = shards.map((_, i) => shardName(i + 1, shards.length));
    const { join } = paths();
    const jobs: Job[] = shards.map((shard, i) => {
      const planned = planItems(shard, { metadata });
      return { path: join(folder, names[i]!), write: (file) => writePlan(file, planned) };
    });
    if (shards.length > 1) {
      const text = indexText(shards, names);
      names.push('model.safetensors.index.json');
      jobs.push({ path: join(folder, names.at(-1)!), write: (file) => file.writeFile(text) });
    }
    await checkFree(folder);
    await writeWhole(jobs, () => checkFree(folder));
    return names;
  } catch (error) {
    throw named(`${folder}: cannot be written`, error, SafetensorsError);
  }
}

/** Fills one file after the other; what is too large for any goes to a file of its own, before the one that is being filled. */
function split(items: Item[], most: number): Item[][] {
  const shards: Item[][] = [];
  let open: Item[] = [];
  let bytes = 0;
  for (const item of items) {
    const size = sizeOf(item);
    if (size > most) {
      shards.push([item]);
      continue;
    }
    if (bytes + size > most) {
      shards.push(open);
      [open, bytes] = [[], 0];
    }
    open.push(item);
    bytes += size;
  }
  if (open.length > 0 || shards.length === 0) shards.push(open);
  return shards;
}

function shardName(number: number, of: number): string {
  const digits = (value: number) => String(value).padStart(5, '0');
  return of === 1 ? 'model.safetensors' : `model-${digits(number)}-of-${digits(of)}.safetensors`;
}

function indexText(shards: Item[][], files: string[]): string {
  const total = shards.flat().reduce((sum, item) => sum + sizeOf(item), 0);
  const places = shards.flatMap((shard, i) => shard.map(({ name }) => ({ name, file: files[i]! })));
  places.sort((a, b) => (a.name < b.name ? -1 : 1));
  const lines = places.map(({ name, file }) => `    ${JSON.stringify(name)}: ${JSON.stringify(file)}`);
  return `{\n  "metadata": {\n    "total_size": ${total}\n  },\n  "weight_map": {\n${lines.join(',\n')}\n  }\n}\n`;
}

/** Weights that are there already would be neither the old nor the new ones while files are replaced one by one. */
async function checkFree(folder: string): Promise<void> {
  const there = await fileSystem().readdir(folder);
  const weights = there.filter((name) => /^model(-\d+-of-\d+)?\.safetensors(\.index\.json)?$/.test(name));
  if (weights.length === 0) return;
  throw new SafetensorsError(
    `the folder holds weights already: ${listed(weights.sort())}. Fix: another folder, or remove them first`,
  );
}
