import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readWeights, WeightsError, type WeightsMap } from './index';
import { dict, legacy, pickle, tensor, text, torchZip } from './testing/torch-file';

const golden = (name: string) => new Uint8Array(readFileSync(new URL(`../goldens/${name}`, import.meta.url)));

/** What happens to a file on a bad disk or line, or in bad hands. */
type Change = { cut?: number; flips: [number, number][]; moved?: [number, number, number] };

const changes: fc.Arbitrary<Change> = fc.record(
  {
    flips: fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { maxLength: 4 }),
    cut: fc.option(fc.nat(), { freq: 4, nil: undefined }),
    moved: fc.option(fc.tuple(fc.nat(), fc.nat(), fc.nat(40)), { freq: 3, nil: undefined }),
  },
  { requiredKeys: ['flips'] },
);

function changed(original: Uint8Array, { cut, flips, moved }: Change): Uint8Array {
  const bytes = original.slice(0, cut === undefined ? undefined : cut % (original.length + 1));
  if (bytes.length === 0) return bytes;
  for (const [at, mask] of flips) bytes[at % bytes.length]! ^= mask;
  if (moved) {
    const [from, to, length] = moved;
    bytes.copyWithin(to % bytes.length, from % bytes.length, (from % bytes.length) + length);
  }
  return bytes;
}

/** Tensors that fit their shapes and are no larger than allowed, or an error of this package. */
async function outcome(bytes: Uint8Array): Promise<WeightsMap | undefined> {
  const result = await readWeights(bytes).catch((error: unknown) => error);
  if (result instanceof WeightsError) {
    expect(result.message.length).toBeLessThan(2000);
    return undefined;
  }
  if (!(result instanceof Map)) throw result;
  let size = 0;
  for (const { shape, data } of result.values()) {
    expect(data.length).toBe(shape.reduce((a: number, b: number) => a * b, 1));
    size += data.byteLength;
  }
  // widening doubles at most
  expect(size).toBeLessThanOrEqual(2 * (4 * bytes.length + 2 ** 24));
  return result as WeightsMap;
}

const small = dict({ w: tensor({ shape: [2, 2], stride: [1, 2] }), n: text('x') });

describe('changed at random', () => {
  it.each<[string, () => Promise<Uint8Array> | Uint8Array]>([
    ['a zip of PyTorch', () => golden('checkpoints/wrapped.pt')],
    ['a zip of protocol 5', () => golden('checkpoints/zip-5.pt')],
    ['a small zip', () => torchZip(pickle(small))],
  ])('%s gives the same tensors or an error: it has checksums', async (_, make) => {
    const bytes = await make();
    const original = (await outcome(bytes))!;
    await fc.assert(
      fc.asyncProperty(changes, async (change) => {
        const read = await outcome(changed(bytes, change));
        if (read) expect(new Map(read)).toEqual(new Map(original));
      }),
      { numRuns: 100 },
    );
  });

  it.each<[string, () => Uint8Array]>([
    ['an old stream', () => golden('checkpoints/legacy-2.pt')],
    ['an old stream of protocol 4', () => golden('checkpoints/legacy-4.pt')],
    ['a small old stream', () => legacy(small)],
    ['safetensors', () => golden('reference.safetensors')],
  ])('%s gives tensors that fit or an error', async (_, make) => {
    const bytes = make();
    expect(await outcome(bytes)).toBeDefined();
    await fc.assert(
      fc.asyncProperty(changes, async (change) => void (await outcome(changed(bytes, change)))),
      { numRuns: 200 },
    );
  });

  it('random opcodes in place of the pickle', async () => {
    const opcodes = fc.oneof(
      fc.constantFrom(...'()]}.0125NQRTUXabceghjlqrstu'.split('').map((c) => c.charCodeAt(0))),
      fc.constantFrom(0x80, 0x81, 0x85, 0x86, 0x87, 0x88, 0x8a, 0x8c, 0x8f, 0x90, 0x91, 0x92, 0x93, 0x94, 0x95),
      fc.integer({ min: 0, max: 255 }),
    );
    const pieces = fc.oneof(
      opcodes.map((opcode) => [opcode]),
      fc.constantFrom(text('state_dict'), tensor(), dict({}), dict({ w: tensor() }), [0x68, 0], [0x71, 0], [0x28]),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(pieces, { maxLength: 30 }), async (parts) => {
        await outcome(legacy(parts.flat()));
      }),
      { numRuns: 300 },
    );
  });
});
