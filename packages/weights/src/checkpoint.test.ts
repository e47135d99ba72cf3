import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import golden from '../goldens/checkpoints/expected.json';
import { CheckpointError, decodeSafetensors, encodeSafetensors, readPyTorchCheckpoint, type WeightsMap } from './index';

const path = (name: string) => new URL(`../goldens/checkpoints/${name}`, import.meta.url).pathname;
const lightning = path('lightning-2.pt');

/** As the generator writes what PyTorch has: numbers, and text where JSON has no number; zeros without sign. */
const plain = (tensors: WeightsMap) =>
  [...tensors].map(([name, { dtype, shape, data }]) => ({
    name,
    dtype,
    shape,
    data: Array.from(data, (v) => (Number.isFinite(v) ? v + 0 : String(v).replace('Infinity', 'inf'))),
  }));

describe.each(['zip', 'legacy'])('the %s form', (form) => {
  it.each([2, 3, 4, 5])('of protocol %i gives what PyTorch has: types, parameters, views, ties', async (protocol) => {
    const file = path(`${form}-${protocol}.pt`);
    const tensors = await readPyTorchCheckpoint(file);
    expect(plain(tensors)).toEqual(golden.types);
    expect(tensors.get('f32')!.data[1]).toBe(-0);
    expect(tensors.get('tied')!.data).toBe(tensors.get('parameter')!.data);
    expect(tensors).toMatchObject({ source: [file], key: '', prefix: '', metadata: {}, skipped: [] });
    const fromBytes = await readPyTorchCheckpoint(new Uint8Array(await readFile(file)));
    expect(fromBytes.source).toEqual([]);
    expect(plain(fromBytes)).toEqual(golden.types);
  });
});

describe('what training programs save', () => {
  it.each([lightning, path('lightning-4.pt')])(
    'Lightning: weights, numbers and texts; the rest by name',
    async (file) => {
      const tensors = await readPyTorchCheckpoint(file);
      expect(plain(tensors)).toEqual(golden.head);
      expect(tensors.key).toBe('state_dict');
      expect(tensors.metadata).toEqual({
        epoch: '3',
        global_step: String(2 ** 40),
        'pytorch-lightning_version': '2.5.0',
        best: '0.5',
      });
      expect(tensors.skipped).toEqual(['loops', 'callbacks', 'optimizer_states', 'lr_schedulers', 'hyper_parameters']);
    },
  );

  it('DataParallel and torch.compile: the prefix of every name goes, and is told', async () => {
    const tensors = await readPyTorchCheckpoint(path('wrapped.pt'));
    expect(plain(tensors)).toEqual(golden.head);
    expect(tensors).toMatchObject({ key: 'model', prefix: 'module._orig_mod.', metadata: { step: '9' } });
  });

  it('tensors and parameters with attributes of Python', async () => {
    const tensors = await readPyTorchCheckpoint(path('attributes.pt'));
    expect(plain(tensors)).toEqual([
      { name: 'attributed', dtype: 'F32', shape: [2], data: [1, 2] },
      { name: 'noted', dtype: 'F32', shape: [1], data: [3] },
    ]);
  });

  it('is written as safetensors as it is', async () => {
    const tensors = await readPyTorchCheckpoint(path('zip-2.pt'));
    const written = decodeSafetensors(encodeSafetensors(tensors, { metadata: tensors.metadata }));
    expect(written.size).toBe(tensors.size);
    for (const [name, entry] of tensors) expect(written.get(name)).toEqual(entry);
  });

  it('classes of other programs are an error that names them and where, and are skipped only if asked', async () => {
    const refused = readPyTorchCheckpoint(path('foreign.pt'));
    await expect(refused).rejects.toBeInstanceOf(CheckpointError);
    await expect(refused).rejects.toThrow(
      /foreign\.pt: the pickle, byte \d+.*'hyper_parameters'.* asks for argparse\.Namespace, .*Fix: .*foreign: 'skip'/,
    );
    const tensors = await readPyTorchCheckpoint(path('foreign.pt'), { foreign: 'skip' });
    expect(plain(tensors)).toEqual(golden.head);
    expect(tensors.skipped).toContain('hyper_parameters');
  });

  it.each([
    ['module.pt', /asks for torch\.nn\.modules\.linear\.Linear, .*Fix: save only the state dict/],
    ['uint16.pt', /a tensor of torch\.uint16, which this package does not read.*Fix: save it as one of I64/],
    ['complex.pt', /asks for torch\.ComplexFloatStorage/],
    ['sparse.pt', /asks for torch\._utils\._rebuild_sparse_tensor/],
    ['meta.pt', /asks for torch\._utils\._rebuild_meta_tensor_no_storage/],
    ['list.pt', /expected a dict of tensors, got a list or tuple\. Fix: torch\.save\(model\.state_dict/],
  ])('%s is refused by name', async (file, message) => {
    await expect(readPyTorchCheckpoint(path(file))).rejects.toThrow(message);
    await expect(readPyTorchCheckpoint(path(file))).rejects.toBeInstanceOf(CheckpointError);
  });
});

describe('the option key', () => {
  it('picks a dict; what is not there is refused with what is', async () => {
    expect(plain(await readPyTorchCheckpoint(lightning, { key: 'state_dict' }))).toEqual(golden.head);
    await expect(readPyTorchCheckpoint(lightning, { key: 'ema' })).rejects.toThrow(
      /key 'ema': expected a dict, got nothing\. Fix: the option key, one of 'state_dict'/,
    );
    await expect(readPyTorchCheckpoint(lightning, { key: 'epoch' })).rejects.toThrow(/expected a dict, got 3/);
    expect((await readPyTorchCheckpoint(path('zip-2.pt'), { key: '' })).size).toBe(golden.types.length);
    const outer = await readPyTorchCheckpoint(lightning, { key: '' });
    expect([outer.size, outer.skipped.includes('state_dict')]).toEqual([0, true]);
  });

  it('and the others are checked', async () => {
    await expect(readPyTorchCheckpoint(lightning, { key: 3 as never })).rejects.toThrow(/key: expected a text, got 3/);
    await expect(readPyTorchCheckpoint(lightning, { foreign: 'yes' as never })).rejects.toThrow(/'error' or 'skip'/);
    await expect(readPyTorchCheckpoint(lightning, { maxBytes: Number.NaN })).rejects.toThrow(/maxBytes: expected/);
    await expect(readPyTorchCheckpoint(lightning, { maxBytes: 20 })).rejects.toThrow(
      /'head.bias': shape \[2\] of F32 brings all tensors to 24 bytes, more than the 20 allowed/,
    );
  });
});
