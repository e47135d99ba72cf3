import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Box, phantomMedRegion, proposeRois, type Raster, randomStream } from './index';

const overlap = (a: Box, b: Box) => {
  const w = Math.max(0, Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x));
  const h = Math.max(0, Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y));
  return (w * h) / (a.width * a.height + b.width * b.height - w * h);
};

/** Noise around a level, with discs of another value. */
function drawn(
  size: number,
  discs: { x: number; y: number; r: number; value: number[] }[],
  level: number[],
  seed: number,
): Raster {
  const random = randomStream(seed);
  const channels = level.length;
  const data = new Uint8Array(size * size * channels);
  for (let i = 0; i < size * size; i++) {
    const disc = discs.find(({ x, y, r }) => Math.hypot((i % size) + 0.5 - x, Math.floor(i / size) + 0.5 - y) < r);
    for (let c = 0; c < channels; c++) data[i * channels + c] = (disc?.value ?? level)[c]! + 6 * random.normal();
  }
  return { data, width: size, height: size, channels };
}

describe('proposeRois', () => {
  it('finds discs that are brighter, darker or of another colour, and no more', () => {
    for (const [value, level] of [
      [[190], [110]],
      [[30], [110]],
      [
        [90, 110, 150],
        [110, 110, 110],
      ],
    ] as const) {
      const discs = [
        { x: 24, y: 20, r: 9, value: [...value] },
        { x: 70, y: 66, r: 6, value: [...value] },
      ];
      const rois = proposeRois(drawn(96, discs, [...level], 1));
      for (const { x, y, r } of discs) {
        const box = { x: x - r, y: y - r, width: 2 * r, height: 2 * r };
        expect(Math.max(...rois.slice(0, 2).map((roi) => overlap(roi, box))), `${value} ${x}`).toBeGreaterThan(0.45);
      }
      expect(rois.every(({ source, score }) => source === 'saliency' && score > 0.3 && score < 1)).toBe(true);
    }
  });

  it('finds a disc wherever it is, and keeps boxes inside the image, apart and in order', () => {
    const place = fc.record({
      x: fc.integer({ min: 8, max: 56 }),
      y: fc.integer({ min: 8, max: 56 }),
      r: fc.integer({ min: 4, max: 8 }),
      seed: fc.integer(),
    });
    fc.assert(
      fc.property(place, ({ x, y, r, seed }) => {
        const image = drawn(64, [{ x, y, r, value: [200] }], [90], seed);
        const rois = proposeRois(image, { count: 6 });
        expect(overlap(rois[0]!, { x: x - r, y: y - r, width: 2 * r, height: 2 * r })).toBeGreaterThan(0.3);
        rois.forEach((roi, i) => {
          expect(roi.x >= 0 && roi.y >= 0 && roi.x + roi.width <= 64 && roi.y + roi.height <= 64).toBe(true);
          if (i > 0) expect(roi.score).toBeLessThanOrEqual(rois[i - 1]!.score);
          for (const other of rois.slice(0, i)) expect(overlap(roi, other)).toBeLessThanOrEqual(0.2);
        });
        const floats = { ...image, data: Float32Array.from(image.data, (v) => v / 255) };
        expect(proposeRois(floats, { count: 6 }).map((roi) => [roi.x, roi.y, roi.width])).toEqual(
          rois.map((roi) => [roi.x, roi.y, roi.width]),
        );
      }),
      { numRuns: 40 },
    );
  });

  it('gives the whole image with score 0 where nothing stands out', () => {
    for (const [width, height] of [
      [64, 48],
      [1, 1],
      [2, 5],
    ] as const) {
      const data = new Uint8Array(width * height).fill(77);
      expect(proposeRois({ data, width, height, channels: 1 })).toEqual([
        { x: 0, y: 0, width, height, source: 'saliency', score: 0 },
      ]);
    }
    expect(proposeRois(drawn(64, [], [120], 3))).toMatchObject([{ width: 64, score: 0 }]);
  });

  it('finds most lesions of the phantom among its boxes, far more than the same boxes in another image', () => {
    const { samples } = phantomMedRegion({ seed: 5, patients: 48, imagesPerPatient: [1, 1], normalRate: 0 });
    let [hits, misplaced, n] = [0, 0, 0];
    samples.forEach(({ image, rois }, i) => {
      const proposed = proposeRois(image as unknown as Raster, { count: 8 });
      const elsewhere = samples[(i + 12) % samples.length]!.rois;
      const near = (list: Box[]) =>
        list.filter((roi) => proposed.some((p) => overlap(p, roi) > 0.3)).length / list.length;
      hits += near(rois);
      misplaced += near(elsewhere);
      n++;
    });
    expect(hits / n).toBeGreaterThan(0.6);
    expect(hits).toBeGreaterThan(2 * misplaced);
  });

  it('names a wrong option', () => {
    const image = { data: new Uint8Array(4), width: 2, height: 2, channels: 1 };
    expect(() => proposeRois(image, { count: 0 })).toThrow(/count: expected a whole number >= 1, got 0/);
    expect(() => proposeRois(image, { sizes: [2] })).toThrow(/sizes: expected parts in 0…1, got \[2\]/);
    expect(() => proposeRois({ ...image, channels: 3 })).toThrow(
      /image: expected width × height × channels values, got \[2,2,3,4\]/,
    );
  });
});
