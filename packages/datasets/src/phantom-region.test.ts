import { describe, expect, it } from 'vitest';
import { type MedRegionSample, medRegionModalities, phantomMedRegion } from './index';
import { placeFinding } from './phantom-region';
import { randomStream } from './random';

const size = 96;
const set = phantomMedRegion({ seed: 3, patients: 216, size });
const found = set.samples.filter(({ regionCaption }) => regionCaption !== 'No Finding');
const normal = set.samples.filter(({ regionCaption }) => regionCaption === 'No Finding');

interface Shown {
  sample: MedRegionSample;
  meta: Record<string, string> & { zones: string[] };
  /** Pixels of one lesion: x, y and value of each channel in 0…1. */
  points: { x: number; y: number; v: number[] }[];
  box: { x: number; y: number; width: number; height: number };
}
/** Every region with the pixels of its mask. */
const lesions: Shown[] = found.flatMap((sample) => {
  const { data, channels } = sample.image as unknown as { data: Uint8Array; channels: number };
  const mask = (sample.mask as unknown as { data: Uint8Array }).data;
  return sample.rois.map((box) => {
    const points: Shown['points'] = [];
    for (let y = box.y; y < box.y + box.height; y++) {
      for (let x = box.x; x < box.x + box.width; x++) {
        const i = y * size + x;
        if (mask[i])
          points.push({ x, y, v: Array.from({ length: channels }, (_, c) => data[i * channels + c]! / 255) });
      }
    }
    return { sample, meta: sample.meta as Shown['meta'], points, box };
  });
});
const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
const only = (name: string, value: string) => lesions.filter(({ meta }) => meta[name] === value);

describe('phantomMedRegion', () => {
  it('has twelve modalities, about 15 % normal images, one to four regions, four kinds of text', () => {
    expect(new Set(set.samples.map(({ modality }) => modality))).toEqual(new Set(medRegionModalities));
    expect(normal.length / set.samples.length).toBeGreaterThan(0.1);
    expect(normal.length / set.samples.length).toBeLessThan(0.2);
    for (const s of normal) {
      expect([s.text, s.report, s.summaryCaption, s.regionCaption]).toEqual(Array(4).fill('No Finding'));
      expect([s.negativeCaptions, s.rois, s.mask]).toEqual([[], [], undefined]);
      expect(s.labels!['No Finding']).toBe(1);
    }
    expect(new Set(found.map(({ rois }) => rois.length))).toEqual(new Set([1, 2, 3, 4]));
    for (const s of found) {
      const words = s.summaryCaption.split(' ').length;
      expect(words >= 10 && words <= 15, s.summaryCaption).toBe(true);
      expect(s.summaryCaption).toMatch(/^[A-Z][^.,;]+\.$/);
      expect(s.regionCaption).toMatch(/^There (is an?|are (two|three|four)) .* located in .* of the image$/);
      expect(s.text).toBe(s.report);
      expect(s.labels).toMatchObject({ 'No Finding': 0, [s.meta!.pathology as string]: 1 });
      expect(Object.values(s.labels!).reduce((a, b) => a + b)).toBe(1);
      const { size, shape, texture, margin, tone } = s.meta as Record<string, string>;
      for (const word of [size, shape, texture, margin, tone]) expect(s.report).toContain(word);
    }
    const colour = set.samples.filter(({ image }) => (image as unknown as { channels: number }).channels === 3);
    expect(new Set(colour.map(({ modality }) => modality))).toEqual(
      new Set(['dermatological', 'endoscopy', 'fundus', 'pathology slide']),
    );
  });

  it('has five distinct negatives, each of which could have been true of that pathology, and is not', () => {
    const position = /^(upper|middle|lower|left|center|right)$/;
    // Descriptors by pathology, positions by modality.
    const keyOf = ({ meta, modality }: MedRegionSample, word: string) =>
      `${modality} ${position.test(word) ? '' : meta!.pathology} ${word}`;
    const said = new Set<string>();
    for (const sample of phantomMedRegion({ seed: 8, patients: 360, size: 48, normalRate: 0, regions: [1, 1] })
      .samples) {
      for (const word of sample.regionCaption.split(' ')) said.add(keyOf(sample, word));
    }
    let unheard = 0;
    for (const sample of found) {
      const { regionCaption, negativeCaptions } = sample;
      expect(new Set([regionCaption, ...negativeCaptions]).size, regionCaption).toBe(6);
      for (const negative of negativeCaptions) {
        const now = negative.replace(/^There is an?/, 'There is a').split(' ');
        const then = regionCaption.replace(/^There is an?/, 'There is a').split(' ');
        const changed = now.filter((word, i) => word !== then[i]);
        expect(now.length).toBe(then.length);
        expect(changed.length === 1 || changed.length === 2, negative).toBe(true);
        unheard += changed.filter((word) => !said.has(keyOf(sample, word))).length;
      }
    }
    // A word that no true caption of a pathology ever has would give its negatives away without the image.
    expect(unheard / (5 * found.length)).toBeLessThan(0.04);
  });

  it('says things of the images that tell most of them apart', () => {
    for (const [text, share] of [
      ['report', 0.97],
      ['regionCaption', 0.75],
      ['summaryCaption', 0.6],
    ] as const) {
      expect(new Set(found.map((s) => s[text])).size / found.length, text).toBeGreaterThan(share);
    }
  });

  it('puts each region where its words say, with a box that is the extent of its pixels', () => {
    for (const { sample, meta, points, box } of lesions) {
      const zone = (/the (\w+ \w+) of the image$/.exec(
        sample.rois.length > 1
          ? sample.rois.find((r) => r.x === box.x && r.y === box.y)!.caption!
          : sample.regionCaption,
      ) ?? [])[1]!;
      expect(meta.zones).toContain(zone);
      const xs = points.map(({ x }) => x);
      const ys = points.map(({ y }) => y);
      expect(box).toMatchObject({ x: Math.min(...xs), y: Math.min(...ys), source: 'phantom', score: 1 });
      expect([box.x + box.width, box.y + box.height]).toEqual([Math.max(...xs) + 1, Math.max(...ys) + 1]);
      // A box cut off by the border has its centre further in than the lesion.
      const [row, column] = zone.split(' ');
      const [cx, cy] = [(box.x + box.width / 2) / size, (box.y + box.height / 2) / size];
      if (column === 'left') expect(cx).toBeLessThan(0.4);
      if (column === 'right') expect(cx).toBeGreaterThan(0.6);
      if (row === 'upper') expect(cy).toBeLessThan(0.4);
      if (row === 'lower') expect(cy).toBeGreaterThan(0.6);
      if (/left half/.test(sample.regionCaption)) expect(cx).toBeLessThan(0.5);
      if (/lower half/.test(sample.regionCaption)) expect(cy).toBeGreaterThan(0.5);
    }
    expect(found.filter(({ regionCaption }) => regionCaption.includes(' half of')).length).toBeGreaterThan(20);
  });

  it('draws small and large, bright and dark, and six colours', () => {
    const area = (list: Shown[]) =>
      list.filter(({ meta }) => meta.shape === 'round').map(({ points }) => points.length);
    expect(Math.max(...area(only('size', 'small')))).toBeLessThan(Math.min(...area(only('size', 'large'))));
    const plain = lesions.filter(({ meta }) => meta.texture === 'homogeneous' && meta.margin === 'well-defined');
    const values = (tone: string, channel: number) =>
      plain.filter(({ meta }) => meta.tone === tone).map(({ points }) => mean(points.map(({ v }) => v[channel]!)));
    expect(Math.min(...values('bright', 0))).toBeGreaterThan(0.7);
    expect(Math.max(...values('dark', 0))).toBeLessThan(0.3);
    const nearest = {
      red: [0.66, 0.02, 0.05],
      brown: [0.34, 0.17, 0.05],
      black: [0.06, 0.04, 0.05],
      yellow: [0.98, 0.87, 0.18],
      white: [0.97, 0.97, 0.95],
      purple: [0.33, 0.08, 0.52],
    };
    for (const { points, meta } of plain.filter(({ points }) => points[0]!.v.length === 3)) {
      // The median colour of the pixels away from the rim is nearest to that of its word.
      const seen = [0, 1, 2].map((c) => points.map(({ v }) => v[c]!).sort((a, b) => a - b)[points.length >> 1]!);
      const far = Object.entries(nearest).map(([name, rgb]) => ({
        name,
        d: Math.hypot(...rgb.map((v, c) => v - seen[c]!)),
      }));
      expect(far.sort((a, b) => a.d - b.d)[0]!.name).toBe(meta.tone);
    }
  });

  it('draws elongated, annular and lobulated shapes', () => {
    const inside = lesions.filter(
      ({ box, meta }) =>
        box.x > 0 && box.y > 0 && box.x + box.width < size && box.y + box.height < size && meta.margin !== 'spiculated',
    );
    const ratio = ({ points }: Shown) => {
      const [mx, my] = [mean(points.map(({ x }) => x)), mean(points.map(({ y }) => y))];
      const [xx, yy, xy] = [
        mean(points.map(({ x }) => (x - mx) ** 2)),
        mean(points.map(({ y }) => (y - my) ** 2)),
        mean(points.map(({ x, y }) => (x - mx) * (y - my))),
      ];
      const root = Math.sqrt(((xx - yy) / 2) ** 2 + xy ** 2);
      return Math.sqrt(((xx + yy) / 2 + root) / ((xx + yy) / 2 - root));
    };
    const hollow = ({ points, box }: Shown) => {
      const [cx, cy] = [Math.floor(box.x + box.width / 2), Math.floor(box.y + box.height / 2)];
      return !points.some(({ x, y }) => x === cx && y === cy);
    };
    /** Part of the circle around the lesion that it fills. */
    const filled = ({ points }: Shown) => {
      const [mx, my] = [mean(points.map(({ x }) => x)), mean(points.map(({ y }) => y))];
      return points.length / (Math.PI * Math.max(...points.map(({ x, y }) => Math.hypot(x - mx, y - my) + 0.5)) ** 2);
    };
    for (const shown of inside) {
      const { shape } = shown.meta;
      expect(ratio(shown) > 2, shape).toBe(shape === 'elongated');
      expect(hollow(shown), shape).toBe(shape === 'annular');
    }
    const ofShape = (shape: string) =>
      inside.filter(({ meta }) => meta.shape === shape && meta.margin === 'well-defined').map(filled);
    expect(Math.min(...ofShape('round'))).toBeGreaterThan(Math.max(...ofShape('lobulated')));
  });

  it('draws textures and margins', () => {
    const grey = ({ points }: Shown) => points.map(({ v }) => mean(v));
    const spread = (shown: Shown) => {
      const values = grey(shown);
      return Math.sqrt(mean(values.map((v) => (v - mean(values)) ** 2)));
    };
    const sharp = lesions.filter(({ meta }) => meta.margin === 'well-defined' && meta.shape !== 'annular');
    const spreads = (texture: string) => mean(sharp.filter(({ meta }) => meta.texture === texture).map(spread));
    expect(spreads('striated')).toBeGreaterThan(2 * spreads('homogeneous'));
    expect(spreads('speckled')).toBeGreaterThan(2 * spreads('homogeneous'));
    /** How much of the change of brightness goes one way: 1 for stripes, 0 for dots (structure tensor). */
    const coherence = ({ points }: Shown) => {
      const at = new Map(points.map(({ x, y, v }) => [`${x},${y}`, mean(v)]));
      let [xx, yy, xy] = [0, 0, 0];
      for (const { x, y } of points) {
        const [l, r, u, d] = [
          at.get(`${x - 1},${y}`),
          at.get(`${x + 1},${y}`),
          at.get(`${x},${y - 1}`),
          at.get(`${x},${y + 1}`),
        ];
        if (l === undefined || r === undefined || u === undefined || d === undefined) continue;
        const [gx, gy] = [r - l, d - u];
        xx += gx * gx;
        yy += gy * gy;
        xy += gx * gy;
      }
      return Math.hypot(xx - yy, 2 * xy) / (xx + yy);
    };
    const large = lesions.filter(({ meta }) => meta.size === 'large' && meta.shape !== 'annular');
    const stripes = large.filter(({ meta }) => meta.texture === 'striated').map(coherence);
    const dots = large.filter(({ meta }) => meta.texture === 'speckled').map(coherence);
    const right = [...stripes.map((c) => c > 0.5), ...dots.map((c) => c <= 0.5)];
    expect(right.filter(Boolean).length / right.length).toBeGreaterThan(0.9);
    /** Rim length against area: rays make it long. */
    const rim = ({ points }: Shown) => {
      const has = new Set(points.map(({ x, y }) => `${x},${y}`));
      const edge = points.filter(({ x, y }) =>
        [
          [1, 0],
          [-1, 0],
          [0, 1],
          [0, -1],
        ].some(([a, b]) => !has.has(`${x + a!},${y + b!}`)),
      );
      return edge.length / Math.sqrt(points.length);
    };
    const round = lesions.filter(({ meta }) => meta.shape === 'round');
    const rims = (margin: string) => round.filter(({ meta }) => meta.margin === margin).map(rim);
    expect(Math.min(...rims('spiculated'))).toBeGreaterThan(Math.max(...rims('well-defined')));
    /** Steepest change along the rows of the box: a blurred margin has none. */
    const steepest = ({ sample, box }: Shown) => {
      const { data } = sample.image as unknown as { data: Uint8Array };
      let most = 0;
      for (let y = box.y; y < box.y + box.height; y++)
        for (let x = Math.max(1, box.x - 1); x < Math.min(size, box.x + box.width + 1); x++)
          most = Math.max(most, Math.abs(data[y * size + x]! - data[y * size + x - 1]!));
      return most;
    };
    const chest = lesions.filter(
      ({ meta, sample }) =>
        sample.modality === 'cranial' &&
        meta.size === 'large' &&
        meta.texture === 'homogeneous' &&
        meta.shape !== 'annular',
    );
    const steep = (margin: string) => mean(chest.filter(({ meta }) => meta.margin === margin).map(steepest));
    expect(steep('well-defined')).toBeGreaterThan(1.5 * steep('ill-defined'));
  });

  it('is a function of the seed, and a larger set begins with the smaller one', () => {
    const few = phantomMedRegion({ seed: 3, patients: 13, size });
    const pixels = ({ image }: MedRegionSample) => Buffer.from((image as unknown as { data: Uint8Array }).data);
    few.samples.forEach((sample, i) => {
      const { image: _, mask: __, ...texts } = sample;
      expect(set.samples[i]).toMatchObject(texts);
      expect(pixels(set.samples[i]!).equals(pixels(sample))).toBe(true);
    });
    const other = phantomMedRegion({ seed: 4, patients: 13, size });
    expect(pixels(other.samples[0]!).equals(pixels(few.samples[0]!))).toBe(false);
    const small = phantomMedRegion({ seed: 3, patients: 13, size: 64 });
    expect(small.samples.map(({ report }) => report)).toEqual(few.samples.map(({ report }) => report));
    expect(small.samples.every((s) => [4096, 3 * 4096].includes(pixels(s).length))).toBe(true);
  });

  it('makes what is asked for, and names a wrong option', () => {
    const fundus = phantomMedRegion({ patients: 5, modalities: ['fundus'], normalRate: 0, regions: [1, 1] });
    expect(fundus.samples.every((s) => s.modality === 'fundus' && s.rois.length === 1)).toBe(true);
    expect(phantomMedRegion({ patients: 5, normalRate: 1 }).samples.every(({ rois }) => rois.length === 0)).toBe(true);
    expect(() => phantomMedRegion({ regions: [0, 2] })).toThrow(/regions: expected .* 1 to 4, got \[0,2\]/);
    expect(() => phantomMedRegion({ modalities: ['skull' as never] })).toThrow(/modalities: expected names out of abd/);
    expect(() => phantomMedRegion({ size: 20 })).toThrow(/size: expected a whole number >= 48, got 20/);
  });
});

it('makes a large finding small where the anatomy is narrow, and leaves it large where there is room', () => {
  const strip = (half: number) => ({ paint: () => [0.5], tissue: (x: number) => Math.abs(x - 0.5) < half });
  const large = {
    size: 'large',
    shape: 'round',
    texture: 'homogeneous',
    margin: 'well-defined',
    tone: 'dark',
  } as const;
  const place = (half: number) => placeFinding(strip(half), large, 1, () => randomStream(1, 'place'));
  expect(place(0.4).look).toEqual(large);
  const { look, lesions } = place(0.07);
  expect(look).toEqual({ ...large, size: 'small' });
  expect(lesions.length).toBe(1);
  expect(Math.abs(lesions[0]!.x - 0.5)).toBeLessThan(0.07);
  expect(() => place(0.01)).toThrow('no place for a round lesion');
});
