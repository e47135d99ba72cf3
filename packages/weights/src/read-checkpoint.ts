import { openLegacy } from './checkpoint-legacy';
import { openZip } from './checkpoint-zip';
import { type SafetensorsEntry, SafetensorsMap, toEntry } from './decode';
import { CheckpointError, quoted, shown } from './error';
import { formOf, strange } from './forms';
import { withSource } from './source';
import { commonPrefix, findState } from './state-dict';
import { contiguous, type TensorView } from './tensor-view';

/** How a PyTorch checkpoint is read. */
export type CheckpointOptions = {
  /** The name in the outermost dict under which the weights are; `''` is that dict itself. Found by itself where it is clear. */
  key?: string;
  /** What happens where the pickle asks for classes of other programs: an error, or (outside of the weights) nothing. */
  foreign?: 'error' | 'skip';
  /** Most bytes that all tensors together may take, by their types in the file; 4 × the file and 16 MiB by default. */
  maxBytes?: number;
};

/** What {@link readPyTorchCheckpoint} and {@link readWeights} return: tensors by name, and where they come from. */
export class WeightsMap extends SafetensorsMap {
  /** The files that were read; none for bytes. */
  source: string[] = [];
  /** Where in the checkpoint the weights were: `'state_dict'`, or `''` for the outermost dict. */
  key = '';
  /** What was taken off the beginning of every name: `'module.'`, `'_orig_mod.'`, both, or nothing. */
  prefix = '';
  /** What the checkpoint holds beside tensors, numbers and texts, by name: optimizer states, say. */
  skipped: string[] = [];
}

/**
 * Reads what `torch.save` wrote: the zip form, and the stream of PyTorch before 1.6; pickle protocols 2 to 5. The pickle is
 * read by a list of what rebuilds tensors and plain containers. **Nothing in it is executed**; any other name is an error.
 *
 * The state dict is found at the top or under `state_dict` (Lightning), `model`, `model_state_dict` or `module`. The prefix of
 * DataParallel and of torch.compile is taken off if every name has it. Parameters are tensors; transposed, sliced and expanded
 * tensors come out contiguous; tensors that share all their values (tied) share one array.
 *
 * @param pathOrBytes a path (Node; storages are read one by one), or the file's bytes (anywhere).
 * @param options `key` where the file holds several state dicts; `foreign: 'skip'` for a file whose other parts hold classes of
 *   other programs; `maxBytes`, a bound for tensors that are larger than what is stored of them.
 * @returns names → `{ dtype, shape, data }` as {@link decodeSafetensors}; `metadata` has the numbers and texts beside the
 *   tensors (`epoch`), `key`, `prefix` and `skipped` say what was done. {@link writeSafetensors} takes it as it is.
 * @throws {CheckpointError} naming the tensor, class or entry and the fix: a name that is not on the list, no or several state
 *   dicts, a tensor that reaches outside of its storage, a truncated or damaged file, a compressed or TorchScript
 *   archive, other than little-endian numbers, an I64 that needs more than 32 bits.
 * @example
 * // torch.save({'w': torch.tensor([1., 2.])}, path), in the form of PyTorch before 1.6.
 * const saved =
 *   'gAKKCmz8nEb5IGqoUBkugAJN6QMugAJ9LoACfVUBd2N0b3JjaC5fdXRpbHMKX3JlYnVpbGRfdGVuc29yCigoVQdzdG9yYWdlY3RvcmNoCkZs' +
 *   'b2F0U3RvcmFnZQpVATBVA2NwdUsCTnRRSwBLAoVLAYV0UnMugAJdVQEwYS4CAAAAAAAAAAAAgD8AAABA';
 * const tensors = await readPyTorchCheckpoint(Buffer.from(saved, 'base64'));
 * tensors.get('w')!.data; // [1, 2]
 * tensors.prefix; // ""
 * @see https://docs.pytorch.org/docs/stable/notes/serialization.html
 */
export async function readPyTorchCheckpoint(
  pathOrBytes: string | Uint8Array,
  options: CheckpointOptions = {},
): Promise<WeightsMap> {
  return stripPrefix(await readCheckpoint(pathOrBytes, options));
}

/** The same with the names as they are in the file. */
export async function readCheckpoint(
  pathOrBytes: string | Uint8Array,
  options: CheckpointOptions,
): Promise<WeightsMap> {
  checkOptions(options);
  return withSource(pathOrBytes, CheckpointError, async (source) => {
    const first = await source.read(0, Math.min(512, source.size));
    const form = formOf(first);
    if (form === 'safetensors' || form === 'index') {
      const what = form === 'index' ? 'JSON' : 'a safetensors file';
      throw new CheckpointError(`expected what torch.save writes, got ${what}. Fix: readWeights(path)`);
    }
    if (form === undefined) throw new CheckpointError(strange(first));
    const { root, record } = await (form === 'zip' ? openZip : openLegacy)(source, options.foreign === 'skip');
    const { key, tensors, metadata, skipped } = findState(root, options.key);
    const result = new WeightsMap();
    const read = await readTensors(tensors, record, options.maxBytes ?? 4 * source.size + 2 ** 24);
    for (const name of tensors.keys()) result.set(name, read.get(name)!);
    return Object.assign(result, { key, metadata, skipped, source: source.path ? [source.path] : [] });
  });
}

/** Takes the prefix off that all names share. */
export function stripPrefix(tensors: WeightsMap): WeightsMap {
  const prefix = commonPrefix(tensors.keys());
  if (prefix === '') return tensors;
  const entries = [...tensors];
  tensors.clear();
  for (const [name, entry] of entries) tensors.set(name.slice(prefix.length), entry);
  tensors.prefix = prefix;
  return tensors;
}

type Read = Awaited<ReturnType<typeof openZip>>['record'];

/** Storage by storage, so that no more than one is in memory beside the tensors; views that are the same share their values. */
async function readTensors(tensors: Map<string, TensorView>, record: Read, maxBytes: number) {
  const byStorage = new Map<string, Map<string, { view: TensorView; names: string[] }>>();
  let bytes = 0;
  for (const [name, view] of tensors) {
    const views = byStorage.get(view.storage.key) ?? new Map();
    byStorage.set(view.storage.key, views);
    const { identity } = view;
    if (!views.has(identity)) {
      views.set(identity, { view, names: [] });
      bytes += view.bytes;
    }
    views.get(identity)!.names.push(name);
    if (!(bytes <= maxBytes)) {
      throw new CheckpointError(
        `tensor ${quoted(name)}: shape ${shown(view.shape)} of ${view.storage.dtype} brings all tensors to ${bytes} bytes, more than the ${maxBytes} allowed for this file. Fix: if that is meant, the option maxBytes`,
      );
    }
  }
  const read = new Map<string, SafetensorsEntry>();
  for (const [key, views] of byStorage) {
    const stored = await record(key);
    for (const { view, names } of views.values()) {
      const dtype = view.storage.dtype;
      const buffer = contiguous(view, stored, views.size === 1);
      const { data } = toEntry({ name: names[0]!, dtype, shape: [...view.shape] }, buffer, CheckpointError);
      for (const name of names) read.set(name, { dtype, shape: [...view.shape], data });
    }
  }
  return read;
}

function checkOptions({ key, foreign, maxBytes }: CheckpointOptions): void {
  if (key !== undefined && typeof key !== 'string')
    throw new CheckpointError(`key: expected a text, got ${shown(key)}`);
  if (foreign !== undefined && foreign !== 'error' && foreign !== 'skip') {
    throw new CheckpointError(`foreign: expected 'error' or 'skip', got ${shown(foreign)}`);
  }
  if (maxBytes !== undefined && !(maxBytes >= 0)) {
    throw new CheckpointError(`maxBytes: expected a number from 0, got ${shown(maxBytes)}`);
  }
}
