import { codecs, order, type SafetensorsDtype } from './dtypes';
import { isSizes } from './error';
import { describe } from './pickle-machine';
import { numpyGlobals } from './pickle-numpy';
import { Callable, type Fail, Foreign, type Tools } from './pickle-values';
import { Storage, TensorView, tensorView } from './tensor-view';

/** The element type that a storage class or a dtype of PyTorch stands for; undefined where this package has none. */
class TorchType {
  constructor(
    readonly kind: string,
    readonly dtype: SafetensorsDtype | undefined,
  ) {}
}

const storageTypes: Record<string, SafetensorsDtype> = {
  Double: 'F64',
  Float: 'F32',
  Half: 'F16',
  BFloat16: 'BF16',
  Long: 'I64',
  Int: 'I32',
  Short: 'I16',
  Char: 'I8',
  Byte: 'U8',
  Bool: 'BOOL',
};

const dtypes: Record<string, SafetensorsDtype | undefined> = {
  float64: 'F64',
  float32: 'F32',
  float16: 'F16',
  bfloat16: 'BF16',
  int64: 'I64',
  int32: 'I32',
  int16: 'I16',
  int8: 'I8',
  uint8: 'U8',
  bool: 'BOOL',
};
for (const name of ['uint16', 'uint32', 'uint64', 'complex32', 'complex64', 'complex128']) dtypes[name] = undefined;
for (const name of ['e4m3fn', 'e4m3fnuz', 'e5m2', 'e5m2fnuz', 'e8m0fnu']) dtypes[`float8_${name}`] = undefined;

const typeFix = `Fix: save it as one of ${order.join(', ')}`;

/** `(storage, offset, size, stride, …)`; further arguments are about gradients. */
function rebuildTensor([storage, offset, size, stride, , , flags]: unknown[], { fail, charge }: Tools): unknown {
  if (storage instanceof Foreign) return storage;
  if (!(storage instanceof Storage)) return fail(`a tensor of ${describe(storage)} instead of a storage`);
  charge(flags instanceof Map ? flags.size : 0);
  if (flags instanceof Map && [...flags.values()].includes(true)) {
    return fail('a tensor that is conjugated or negated lazily', 'Fix: resolve_conj().resolve_neg() before saving');
  }
  return tensorView(storage, offset, size, stride, fail);
}

/** With a type of its own over untyped bytes: `(storage, offset, size, stride, requires_grad, hooks, dtype, …)`. */
function rebuildTyped(args: unknown[], tools: Tools): unknown {
  const [storage, offset, size, stride, , , type] = args;
  if (storage instanceof Foreign) return storage;
  if (!(storage instanceof Storage) || !(type instanceof TorchType))
    return tools.fail('a tensor without storage or type');
  if (!type.dtype) return tools.fail(`a tensor of ${type.kind}, which this package does not read`, typeFix);
  const ratio = codecs[type.dtype].bytes / codecs[storage.dtype].bytes;
  const [length, begin, total] = [storage.length / ratio, storage.begin / ratio, storage.total / ratio];
  if (!isSizes([length, begin, total])) return tools.fail('a storage of parts of elements');
  const typed = new Storage(storage.key, type.dtype, length, begin, total);
  return tensorView(typed, offset, size, stride, tools.fail);
}

/** `(tensor, …)`: a Parameter is its tensor. */
function rebuildParameter([tensor]: unknown[], { fail }: Tools): unknown {
  if (tensor instanceof TensorView || tensor instanceof Foreign) return tensor;
  return fail(`a Parameter of ${describe(tensor)} instead of a tensor`);
}

/** `(function, type, arguments, attributes)`: a tensor with attributes of Python's, which are left out. */
function rebuildFromType([rebuild, type, args]: unknown[], tools: Tools): unknown {
  if (rebuild instanceof Foreign || type instanceof Foreign) return new Foreign(describe(type));
  if (!tensorTypes.includes(type) || !(rebuild instanceof Callable) || !rebuilders.includes(rebuild)) {
    return tools.fail(`a tensor of ${describe(type)} made by ${describe(rebuild)}`);
  }
  return rebuild.call(Array.isArray(args) ? args : [], tools);
}

/** A dict from a list of pairs, as older pickles write an OrderedDict. */
function dict([pairs = []]: unknown[], { fail, charge }: Tools): unknown {
  const isPair = (pair: unknown): pair is [unknown, unknown] => Array.isArray(pair) && pair.length === 2;
  if (pairs instanceof Map) {
    charge(pairs.size);
    return new Map(pairs);
  }
  if (!Array.isArray(pairs)) return fail(`a dict of ${describe(pairs)}`);
  charge(pairs.length);
  return pairs.every(isPair) ? new Map(pairs) : fail('a dict of something else than pairs');
}

function set([items = []]: unknown[], { fail, charge }: Tools): unknown {
  if (!Array.isArray(items)) return fail(`a set of ${describe(items)}`);
  charge(items.length);
  return new Set(items);
}

const size = ([sizes = []]: unknown[], { fail }: Tools) =>
  Array.isArray(sizes) ? sizes : fail(`a torch.Size of ${describe(sizes)}`);

const device = ([type, index]: unknown[], { fail }: Tools) =>
  typeof type === 'string'
    ? typeof index === 'number'
      ? `${type}:${index}`
      : type
    : fail('a torch.device without type');

const bytes = (args: unknown[], { fail }: Tools) => {
  const [value = new Uint8Array(0)] = args;
  return value instanceof Uint8Array && args.length < 2 ? value : fail('bytes made of something else than bytes');
};

const notCalled = (_: unknown[], { fail }: Tools) => fail('a tensor type that is called');

const functions = {
  _rebuild_tensor: rebuildTensor,
  _rebuild_tensor_v2: rebuildTensor,
  _rebuild_tensor_v3: rebuildTyped,
  _rebuild_parameter: rebuildParameter,
  _rebuild_parameter_with_state: rebuildParameter,
};

/** Everything that a pickle may name. There is no other way from a name to something that runs. */
const allowed = new Map<string, unknown>(Object.entries(numpyGlobals));
for (const [name, call] of Object.entries(functions)) {
  allowed.set(`torch._utils.${name}`, new Callable(`torch._utils.${name}`, call));
}
const rebuilders = [...allowed.values()].filter(
  (value) => value instanceof Callable && value.name.includes('_rebuild_'),
);
const tensorTypes = ['torch.Tensor', 'torch.nn.parameter.Parameter', 'torch.nn.parameter.Buffer'].map((name) => {
  const type = new Callable(name, notCalled);
  allowed.set(name, type);
  return type as unknown;
});
allowed.set(
  'torch._tensor._rebuild_from_type_v2',
  new Callable('torch._tensor._rebuild_from_type_v2', rebuildFromType),
);
allowed.set('torch.device', new Callable('torch.device', device));
const classes: [string[], Callable['call']][] = [
  [['collections.OrderedDict', 'collections.Counter'], dict],
  [['torch.Size'], size],
  [['__builtin__.set', 'builtins.set', '__builtin__.frozenset', 'builtins.frozenset'], set],
  [['__builtin__.bytes', 'builtins.bytes', '__builtin__.bytearray', 'builtins.bytearray'], bytes],
];
for (const [names, call] of classes) for (const name of names) allowed.set(name, new Callable(name, call, true));
for (const [name, dtype] of Object.entries(storageTypes)) {
  for (const module of ['torch', 'torch.cuda']) {
    allowed.set(`${module}.${name}Storage`, new TorchType(`${module}.${name}Storage`, dtype));
  }
}
allowed.set('torch.storage.UntypedStorage', new TorchType('torch.storage.UntypedStorage', 'U8'));
for (const [name, dtype] of Object.entries(dtypes)) allowed.set(`torch.${name}`, new TorchType(`torch.${name}`, dtype));

/** What a name stands for: something on the list, or an error that names it, or nothing where foreign names are skipped. */
export function findGlobal(name: string, skipForeign: boolean, fail: Fail): unknown {
  const found = allowed.get(name);
  if (found !== undefined) return found;
  if (skipForeign) return new Foreign(name.slice(0, 200));
  return fail(
    `it asks for ${JSON.stringify(name.slice(0, 200)).slice(1, -1)}, which is neither a tensor nor a plain container; nothing of a checkpoint is run`,
    "Fix: save only the state dict, torch.save(model.state_dict(), path); or { foreign: 'skip' } where it lies outside of the weights",
  );
}

/** A storage from its persistent id: `('storage', type, key, place, length)`, in older files with a view. */
export function findStorage(id: unknown, fail: Fail): Storage | Foreign {
  if (!Array.isArray(id) || id[0] !== 'storage') {
    const what = Array.isArray(id) ? describe(id[0]) : describe(id);
    return fail(`a persistent id of ${what}, which is not a storage`);
  }
  const [, type, key, place, length, view] = id;
  if (type instanceof Foreign) return type;
  if (!(type instanceof TorchType) || !type.dtype) return fail(`a storage of type ${describe(type)}`, typeFix);
  if (typeof key !== 'string' && typeof key !== 'number') return fail(`a storage with ${describe(key)} as its key`);
  if (place === 'meta')
    return fail('a storage without data (on the device "meta")', 'Fix: save a model that has weights');
  if (!isLength(length)) return fail(`a storage of ${describe(length)} elements`);
  if (view === undefined || view === null) return new Storage(String(key), type.dtype, length);
  if (!Array.isArray(view) || !isLength(view[1]) || !isLength(view[2]) || view[1] + view[2] > length) {
    return fail(`a view that lies outside of its storage of ${length} elements`);
  }
  return new Storage(String(key), type.dtype, view[2], view[1], length);
}

const isLength = (value: unknown): value is number => isSizes([value]);
