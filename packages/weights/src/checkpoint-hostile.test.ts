import { describe, expect, it } from 'vitest';
import { CheckpointError, readPyTorchCheckpoint } from './index';
import {
  call,
  dict,
  four,
  global,
  int,
  le,
  legacy,
  oldText,
  pickle,
  storage,
  tensor,
  text,
  torchZip,
  tuple,
  zip,
} from './testing/torch-file';

const one = dict({ w: tensor() });
const utf8 = (value: string) => new TextEncoder().encode(value);

async function refusal(bytes: Uint8Array, options = {}): Promise<string> {
  const result = await readPyTorchCheckpoint(bytes, options).catch((error) => error);
  expect(result).toBeInstanceOf(CheckpointError);
  expect(result.message).toMatch(/Fix: /);
  expect(result.message.length).toBeLessThan(1500);
  return result.message;
}

/** Each place of some bytes in others. */
function places(bytes: Uint8Array, wanted: Uint8Array): number[] {
  return Array.from(bytes.keys()).filter((at) => wanted.every((byte, i) => bytes[at + i] === byte));
}

function patched(bytes: Uint8Array, at: number, values: number[]): Uint8Array {
  const copy = bytes.slice();
  copy.set(values, at);
  return copy;
}

const local = Uint8Array.of(0x50, 0x4b, 3, 4);
const central = Uint8Array.of(0x50, 0x4b, 1, 2);
const ending = Uint8Array.of(0x50, 0x4b, 5, 6);

describe('zip archives', () => {
  it('written here as torch.save does are read', async () => {
    const tensors = await readPyTorchCheckpoint(await torchZip(pickle(one)));
    expect(Array.from(tensors.get('w')!.data)).toEqual([1, 2, 3, 4]);
  });

  it('that are compressed are refused before anything grows', async () => {
    const zeros = new Uint8Array(20_000_000);
    const bomb = await torchZip(pickle(dict({ w: tensor({ length: 5_000_000 }) })), { 'data/0': zeros }, { level: 9 });
    expect(bomb.length).toBeLessThan(100_000);
    expect(await refusal(bomb)).toMatch(/'a\/data\.pkl' in the archive is compressed; torch\.save only stores/);
  });

  it.each([
    ['names that lead out', { '../data.pkl': pickle(one) }, /'\.\.\/data\.pkl' in the archive .*Unsafe filename/],
    ['deeper names that lead out', { 'a/data.pkl': pickle(one), 'a/data/../../x': four }, /Unsafe filename/],
    ['absolute names', { '/a/data.pkl': pickle(one) }, /Unsafe filename/],
    ['names of Windows', { 'a\\..\\..\\x': pickle(one) }, /Unsafe filename/],
    ['names with a drive', { 'C:/data.pkl': pickle(one) }, /Unsafe filename/],
    ['no pickle', { 'word/document.xml': four }, /not of torch\.save: expected one <name>\/data\.pkl, it holds 'word/],
    ['two pickles', { 'a/data.pkl': pickle(one), 'b/data.pkl': pickle(one) }, /expected one <name>\/data\.pkl/],
    ['nothing', {}, /it holds nothing/],
    [
      'a program',
      { 'a/data.pkl': pickle(one), 'a/constants.pkl': four },
      /a TorchScript program.*Fix: torch\.save\(torch\.jit/,
    ],
    ['code', { 'a/data.pkl': pickle(one), 'a/code/__torch__.py': four }, /a TorchScript program/],
    [
      'big-endian numbers',
      { 'a/data.pkl': pickle(one), 'a/byteorder': utf8('big') },
      /byte order is 'big', expected 'little'/,
    ],
    ['a storage that is missing', { 'a/data.pkl': pickle(one) }, /storage '0' is not in the archive/],
    [
      'a storage of another length',
      { 'a/data.pkl': pickle(one), 'a/data/0': four.subarray(4) },
      /storage '0' takes 16 bytes, the archive has 12/,
    ],
    [
      'a key that leads out',
      { 'a/data.pkl': pickle(dict({ w: tensor({ key: '../../../etc/passwd' }) })), 'a/data/0': four },
      /storage '\.\.\/\.\.\/\.\.\/etc\/passwd' is not in the archive/,
    ],
    ['a pickle that is cut', { 'a/data.pkl': pickle(one).subarray(0, 60), 'a/data/0': four }, /byte \d+.*truncated/],
    ['an empty pickle', { 'a/data.pkl': new Uint8Array(0) }, /truncated/],
  ] as [string, Record<string, Uint8Array>, RegExp][])('with %s', async (_, files, message) => {
    expect(await refusal(await zip(files))).toMatch(message);
  });

  it('that are encrypted', async () => {
    const bytes = await torchZip(pickle(one), { 'data/0': four }, { password: 'secret' });
    expect(await refusal(bytes)).toMatch(/'a\/data\.pkl' in the archive is encrypted/);
  });

  it('with a file twice', async () => {
    const bytes = await torchZip(pickle(one), { 'data/0': four, 'data/1': four });
    const renamed = bytes.slice();
    for (const at of places(bytes, utf8('a/data/1'))) renamed.set(utf8('a/data/0'), at);
    expect(await refusal(renamed)).toMatch(/'a\/data\/0' is in it twice/);
  });

  it('that claim sizes beyond the file, entries on top of each other, a directory that is huge', async () => {
    const bytes = await torchZip(pickle(one));
    const [first, second] = places(bytes, central);
    const claimed = patched(bytes, second! + 20, [...le(2 ** 31, 4), ...le(2 ** 31, 4)]);
    expect(await refusal(claimed)).toMatch(/'a\/data\/0' in the archive claims 2147483648 bytes of a file of \d+/);
    expect(await refusal(patched(bytes, first! + 20, le(7, 4)))).toMatch(/claims \d+ bytes|damaged/);
    const moved = patched(bytes, second! + 42, le(places(bytes, local)[0]!, 4));
    expect(await refusal(moved)).toMatch(/'a\/data\/0' in the archive is damaged or not safe to read/);
    const [end] = places(bytes, ending);
    expect(await refusal(patched(bytes, end! + 12, le(2 ** 31, 4)))).toMatch(/archive|directory/);
    expect(await refusal(patched(bytes, end! + 8, [...le(60_000, 2), ...le(60_000, 2)]))).toMatch(/archive/);
  });

  it('cut anywhere, or with something behind', async () => {
    const bytes = await torchZip(pickle(one));
    for (let length = 0; length < bytes.length; length += 3) await refusal(bytes.subarray(0, length));
    expect(await refusal(Uint8Array.from([...bytes, 0]))).toMatch(/damaged/);
  });

  it('with a damaged value fail their checksum', async () => {
    const bytes = await torchZip(pickle(one));
    const [at] = places(bytes, four);
    expect(await refusal(patched(bytes, at!, [1]))).toMatch(/'a\/data\/0' in the archive is damaged.*CRC/i);
  });
});

describe('tensors larger than what is stored', () => {
  const expanded = (size: number) => dict({ w: tensor({ shape: [size], stride: [0] }) });

  it('are bounded by the size of the file', async () => {
    const small = await readPyTorchCheckpoint(await torchZip(pickle(expanded(1_000_000))));
    const { data } = small.get('w')!;
    expect([data.length, data.every((value) => value === 1)]).toEqual([1_000_000, true]);
    for (const size of [1e9, 2 ** 31, 2 ** 52]) {
      const bytes = await torchZip(pickle(expanded(size)));
      expect(await refusal(bytes)).toMatch(/tensor 'w': shape \[\d+\] of F32 brings all tensors to .* Fix: .*maxBytes/);
      expect(await refusal(legacy(expanded(size)))).toMatch(/brings all tensors to/);
    }
  });

  it('also where each alone is not, and tied ones count once', async () => {
    const many = (sizes: number[]) =>
      dict(Object.fromEntries(sizes.map((n, i) => [`w${i}`, tensor({ shape: [n], stride: [0] })])));
    expect(await refusal(legacy(many([2e6, 2e6 + 1, 2e6 + 2])))).toMatch(/tensor 'w2'/);
    const tied = await readPyTorchCheckpoint(legacy(many([2e6, 2e6, 2e6])));
    expect(tied.get('w2')!.data).toBe(tied.get('w0')!.data);
    expect(tied.get('w0')!.shape).not.toBe(tied.get('w2')!.shape);
  });

  it('as far as maxBytes allows', async () => {
    const bytes = legacy(expanded(6_000_000));
    expect(await refusal(bytes)).toMatch(/24000000 bytes/);
    expect((await readPyTorchCheckpoint(bytes, { maxBytes: 24e6 })).get('w')!.data.length).toBe(6e6);
    expect(await refusal(bytes, { maxBytes: 24e6 - 1 })).toMatch(/more than the 23999999 allowed/);
  });
});

describe('the stream of old PyTorch', () => {
  it('of Python 2, with texts as bytes and a view of a storage', async () => {
    const view = tuple(oldText('v'), int(1), int(2));
    const w = tensor({ more: view, length: 4, shape: [2] });
    const bytes = legacy([0x7d, ...oldText('w'), ...w, 0x73], { system: [0x7d] });
    expect(Array.from((await readPyTorchCheckpoint(bytes)).get('w')!.data)).toEqual([2, 3]);
    const whole = legacy(dict({ w: tensor({ more: [0x4e] }) }));
    expect((await readPyTorchCheckpoint(whole)).get('w')!.shape).toEqual([4]);
  });

  it('with a pickle larger than what is read first', async () => {
    const start = legacy(dict({ note: text('x'), w: tensor() }));
    const at = places(start, Uint8Array.from(text('x')))[0]!;
    const length = 3_000_000;
    const bytes = new Uint8Array(start.length + length - 1).fill(0x78);
    bytes.set(start.subarray(0, at));
    bytes.set([0x58, ...le(length, 4)], at);
    bytes.set(start.subarray(at + 6), at + 5 + length);
    const tensors = await readPyTorchCheckpoint(bytes);
    expect(tensors.metadata.note).toBe('x'.repeat(length));
    expect(Array.from(tensors.get('w')!.data)).toEqual([1, 2, 3, 4]);
  });

  it.each<[string, Uint8Array, RegExp]>([
    ['another pickle', pickle(one), /not of torch\.save: it asks for 'torch\._utils/],
    ['a pickle of plain data', pickle(dict({ a: int(1) })), /does not begin with the magic number/],
    ['a pickle of ids', pickle(text('x'), 0x51), /it asks for a storage/],
    ['another version', legacy(one, { version: int(1002) }), /version is 1002, not 1001/],
    ['big-endian numbers', legacy(one, { system: dict({ little_endian: [0x89] }) }), /saved on a big-endian machine/],
    ['no list of storages', legacy(one, { keys: int(1) }), /list of its storages is missing/],
    ['a storage twice', legacy(one, { keys: tuple(text('0'), text('0')) }), /storage '0': it is listed twice/],
    [
      'a storage too many',
      legacy(one, { keys: tuple(text('1')) }),
      /storage the text '1': it is listed, but no tensor/,
    ],
    ['a storage that is a dict', legacy(one, { keys: tuple(0x7d) }), /storage a dict: it is listed/],
    ['a storage too few', legacy(one, { keys: [0x5d], tail: [] }), /storage '0' is not in the file/],
    ['another length', legacy(one, { tail: [le(3, 8), [...four]] }), /it has 3 elements, its tensors say 4/],
    ['a huge length', legacy(one, { tail: [le(2n ** 63n, 8)] }), /it has 9223372036854775808 elements/],
    [
      'too few bytes',
      legacy(one, { tail: [le(4, 8), [1, 2, 3]] }),
      /storage '0': it ends at byte \d+ of \d+: truncated/,
    ],
    ['no bytes', legacy(one, { tail: [] }), /it begins at byte \d+ of \d+: truncated/],
    ['bytes too many', legacy(one, { tail: [le(4, 8), [...four, 0]] }), /1 bytes after the last storage/],
    [
      'a storage of two types',
      legacy(dict({ a: tensor(), b: tensor({ type: 'Int' }) })),
      /storage '0' comes with two types or lengths/,
    ],
    [
      'a storage of 2^50 floats',
      legacy(dict({ w: tensor({ length: 2 ** 50 }) }), { tail: [le(2 ** 50, 8), [...four]] }),
      /ends at byte \d+ of \d+: truncated/,
    ],
  ])('with %s', async (_, bytes, message) => {
    expect(await refusal(bytes)).toMatch(message);
  });

  it('cut anywhere', async () => {
    const bytes = legacy(one);
    for (let length = 0; length < bytes.length; length++) await refusal(bytes.subarray(0, length));
  });
});

describe('state dicts', () => {
  const reads = (content: readonly number[], options = {}) => readPyTorchCheckpoint(legacy(content), options);
  const refused = (content: readonly number[], options = {}) => refusal(legacy(content), options);
  const inner = dict({ w: tensor() });

  it.each(['state_dict', 'model', 'model_state_dict', 'module'])('are found under %s', async (name) => {
    const read = await reads(dict({ [name]: inner, epoch: int(3), rest: dict({}) }));
    expect([read.key, [...read.keys()], read.metadata, read.skipped]).toEqual([name, ['w'], { epoch: '3' }, ['rest']]);
  });

  it('are found two levels down', async () => {
    expect((await reads(dict({ model: dict({ state_dict: inner }), n: int(1) }))).key).toBe('model.state_dict');
  });

  it.each<[string, readonly number[], RegExp]>([
    [
      'two',
      dict({ model: inner, state_dict: inner }),
      /more than one state dict\. Fix: .*one of 'model', 'state_dict'/,
    ],
    ['inside and outside', dict({ w: tensor(), model: inner }), /more than one .*one of '', 'model' \(''/],
    ['under a name of its own', dict({ teacher: inner, epoch: int(1) }), /no state dict was found\. Fix: .*'teacher'/],
    [
      'none',
      dict({ epoch: int(1), model: int(2), s: storage({}) }),
      /no state dict was found\. It holds 'epoch', 'model', 's'\. Fix/,
    ],
    [
      'below the first level',
      dict({ w: tensor(), more: [0x5d, ...inner, 0x61] }),
      /'more' is not a tensor but holds some/,
    ],
    ['a tensor', tensor(), /expected a dict of tensors, got a tensor/],
    ['names that are numbers', [0x7d, ...int(3), ...tensor(), 0x73], /a tensor named by 3/],
  ])('%s', async (_, content, message) => {
    expect(await refused(content)).toMatch(message);
  });

  it('are picked by key, with what lies beside left out by name', async () => {
    const outer = dict({ w: tensor(), model: inner, n: int(5) });
    const read = await reads(outer, { key: '' });
    expect([[...read.keys()], read.skipped, read.metadata]).toEqual([['w'], ['model'], { n: '5' }]);
    expect((await reads(dict({ teacher: inner }), { key: 'teacher' })).key).toBe('teacher');
  });

  it('of nothing', async () => {
    expect((await readPyTorchCheckpoint(legacy(dict({}), { keys: [0x5d], tail: [] }))).size).toBe(0);
  });

  it('lose the prefix only if every name has it, and is longer', async () => {
    const names = async (...list: string[]) => {
      const read = await reads(dict(Object.fromEntries(list.map((name) => [name, tensor()]))));
      return [read.prefix, ...read.keys()];
    };
    expect(await names('module.a', 'module.b')).toEqual(['module.', 'a', 'b']);
    expect(await names('_orig_mod.module.a')).toEqual(['_orig_mod.module.', 'a']);
    expect(await names('module.a', 'b')).toEqual(['', 'module.a', 'b']);
    expect(await names('module.', 'module.b')).toEqual(['', 'module.', 'module.b']);
  });

  it('with something foreign in them are refused even where foreign names are skipped', async () => {
    const foreign = call(global('fairscale', 'Sharded'), tensor());
    expect(await refused(dict({ w: tensor(), x: foreign }), { foreign: 'skip' })).toMatch(
      /'x' is a fairscale\.Sharded, not a tensor/,
    );
    const made = call(global('torch._utils', '_rebuild_parameter'), foreign);
    expect(await refused(dict({ w: tensor(), x: made }), { foreign: 'skip' })).toMatch(/fairscale\.Sharded/);
    expect((await reads(dict({ model: inner, x: foreign }), { foreign: 'skip' })).skipped).toEqual(['x']);
  });

  it('that hold themselves, and shared parts that unfold to 2^60', async () => {
    const self = [0x7d, 0x71, 0, ...text('model'), 0x68, 0, 0x73, ...text('w'), ...tensor(), 0x73];
    expect(await refused(self)).toMatch(/more than one state dict/);
    const folded = [0x29, ...Array(60).fill([0x32, 0x86]).flat()];
    expect((await reads(dict({ w: tensor(), x: folded }))).skipped).toEqual(['x']);
    const deep = [...Array(100_000).fill(0x5d), ...Array(99_999).fill(0x61)];
    expect((await reads(dict({ w: tensor(), x: deep }))).skipped).toEqual(['x']);
  });

  it('with names of JavaScript', async () => {
    const read = await reads(
      dict({ constructor: tensor() })
        .slice(0, -1)
        .concat([...text('__proto__'), ...text('x'), 0x75]),
    );
    expect([...read.keys()]).toEqual(['constructor']);
    expect(Object.entries(read.metadata)).toEqual([['__proto__', 'x']]);
  });

  it('values that do not fit are named', async () => {
    const long = legacy(dict({ n: tensor({ type: 'Long', length: 2, shape: [2] }) }), { tail: [le(2, 8), [...four]] });
    expect(await refusal(long)).toMatch(/tensor 'n': value \d+ at 0 does not fit into 32 bits/);
    const bool = legacy(dict({ b: tensor({ type: 'Bool', length: 16, shape: [16] }) }), {
      tail: [le(16, 8), [...four]],
    });
    expect(await refusal(bool)).toMatch(/tensor 'b': value 128 at 2 is not 0 or 1/);
  });

  it('a storage by itself is not a tensor', async () => {
    expect((await reads(dict({ w: tensor(), s: storage({}) }))).skipped).toEqual(['s']);
  });
});
