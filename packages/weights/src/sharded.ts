import type { SafetensorsEntry } from './decode';
import { duplicateName } from './duplicates';
import { quoted, shown, WeightsError } from './error';
import { largestHeader } from './header';
import type { Source } from './source';

/** An index: which file of its folder holds each tensor, and the texts and numbers beside it. */
export type ShardIndex = { shards: Map<string, Set<string>>; metadata: Record<string, string> };

const again = 'Fix: download or write the index again';

/** Reads and checks `*.index.json`, as Hugging Face writes it. Its files must lie beside it. */
export async function readIndex(source: Source): Promise<ShardIndex> {
  if (source.size > largestHeader) throw new WeightsError(`an index of ${source.size} bytes. ${again}`);
  const text = new TextDecoder().decode(await source.read(0, source.size));
  const { weight_map: map, metadata = {} } = parse(text);
  if (!isRecord(map))
    throw new WeightsError(`expected file names by tensor in weight_map, got ${shown(map)}. ${again}`);
  const shards = new Map<string, Set<string>>();
  for (const [name, file] of Object.entries(map)) {
    const names = shards.get(checkFile(name, file)) ?? new Set();
    shards.set(file as string, names.add(name));
  }
  const scalars = isRecord(metadata) ? Object.entries(metadata) : [];
  const kept = scalars.filter(
    ([name, value]) => name !== 'total_size' && ['string', 'number', 'boolean'].includes(typeof value),
  );
  return { shards, metadata: Object.fromEntries(kept.map(([name, value]) => [name, String(value)])) };
}

function parse(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new WeightsError(`the index is not JSON (${(error as Error).message}). ${again}`, { cause: error });
  }
  const twice = duplicateName(text);
  if (twice !== undefined) throw new WeightsError(`${quoted(twice)} appears twice in the index. ${again}`);
  return isRecord(value) ? value : {};
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A plain name: an index must not lead out of its folder. */
function checkFile(name: string, file: unknown): string {
  if (typeof file === 'string' && /^[^/\\:\0]+$/.test(file) && file !== '.' && file !== '..') return file;
  throw new WeightsError(
    `the index says that tensor ${quoted(name)} is in ${shown(file)}, expected the name of a file beside the index. ${again}`,
  );
}

/** Whether a shard holds what the index says, no less and no more. */
export function checkShard(
  file: string,
  wanted: ReadonlySet<string>,
  got: ReadonlyMap<string, SafetensorsEntry>,
): void {
  const missing = [...wanted].filter((name) => !got.has(name));
  const strangers = [...got.keys()].filter((name) => !wanted.has(name));
  const fix = 'Fix: the index and its files are not of one model; download all of them again, or read the file alone';
  if (missing.length > 0) throw new WeightsError(`${quoted(file)} lacks ${listed(missing)} of the index. ${fix}`);
  if (strangers.length > 0) {
    throw new WeightsError(`${quoted(file)} holds ${listed(strangers)}, which the index does not place there. ${fix}`);
  }
}

/** Names for a message: a few of them. */
export function listed(names: string[], most = 5): string {
  const rest = names.length > most ? ` and ${names.length - most} more` : '';
  return names.slice(0, most).map(quoted).join(', ') + rest;
}
