// The numbers of the tables once more, in plain loops that share nothing with the code under test.
import { batches, type Placement, resizePadCrop, type Sample } from '@medalign/datasets';
import { createTokenizer } from '@medalign/encoders';
import * as tf from '@tensorflow/tfjs-core';
import { loadModel } from '../checkpoint';
import { PlanData } from '../data';

export const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

export function deviation(values: readonly number[]): number {
  const centre = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - centre) ** 2)));
}

/** 95 % percentile bootstrap over groups, with the 32-bit generator that the metrics are documented to draw with. */
export function interval<T>(
  items: readonly T[],
  statistic: (items: T[]) => number | null,
  groupOf: (item: T, i: number) => string,
  { resamples, seed }: { resamples: number; seed: number },
): [number, number] {
  const groups: T[][] = [];
  const names: string[] = [];
  items.forEach((item, i) => {
    const name = groupOf(item, i);
    if (!names.includes(name)) {
      names.push(name);
      groups.push([]);
    }
    groups[names.indexOf(name)]!.push(item);
  });
  let a = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) | 0;
  const uniform = () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const values: number[] = [];
  for (let r = 0; r < resamples; r++) {
    const drawn: T[] = [];
    for (let g = 0; g < groups.length; g++) drawn.push(...groups[Math.floor(uniform() * groups.length)]!);
    const value = statistic(drawn);
    if (value !== null) values.push(value);
  }
  values.sort((x, y) => x - y);
  const at = (share: number) => {
    const place = share * (values.length - 1);
    const low = values[Math.floor(place)]!;
    return low + (values[Math.ceil(place)]! - low) * (place - Math.floor(place));
  };
  return [at(0.025), at(0.975)];
}

/** Share of (positive, negative) pairs in order, ties ½; null with one label. */
export function aurocTwin(scores: readonly number[], labels: readonly number[]): number | null {
  let [won, pairs] = [0, 0];
  scores.forEach((a, i) => {
    scores.forEach((b, j) => {
      if (labels[i] !== 1 || labels[j] !== 0) return;
      pairs += 1;
      won += a > b ? 1 : a === b ? 0.5 : 0;
    });
  });
  return pairs ? won / pairs : null;
}

export const cosine = (a: ArrayLike<number>, b: ArrayLike<number>) => {
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    ab += a[i]! * b[i]!;
    aa += a[i]! ** 2;
    bb += b[i]! ** 2;
  }
  return ab / Math.sqrt(aa * bb);
};

/** One image as the encoder sees it. */
export interface SeenImage {
  placement: Placement;
  /** Side of both grids. */
  side: number;
  /** Per cell: G, I, and the last stage. */
  projected: number[][];
  pixels: number[][];
  last: number[][];
  global: number[];
}

/** Encodes image by image and text by text; everything after the encoders is done by the caller. */
export async function openModel(run: string, sets: readonly string[] = []) {
  const { model, config, alignment, vocabulary } = await loadModel(run, sets);
  const empty = { name: '', samples: [], counts: { rows: 0, kept: 0, dropped: {} }, notes: [] };
  const tokenizer = createTokenizer({ vocab: vocabulary, lowercase: config.model.text.lowercase ?? true });
  const data = new PlanData(empty, undefined as never, tokenizer, config);
  const { resize, crop, channels } = config.image;
  const image = async (sample: Sample): Promise<SeenImage> => {
    const read = batches([sample], { transform: resizePadCrop({ resize, crop }), channels, shuffle: false });
    const { value } = await read.next();
    const encoded = tf.tidy(() => model.encodeImages(tf.tensor4d(value!.images, value!.shape)));
    const [projected] = (await encoded.projectedPixels.array()) as number[][][];
    const [pixels] = (await encoded.pixels.array()) as number[][][];
    const [last] = (await encoded.lastFeatures.array()) as number[][][][];
    const [global] = (await encoded.global.array()) as number[][];
    tf.dispose(encoded);
    const side = last!.length;
    return {
      placement: value!.transforms[0]!,
      side,
      projected: projected!,
      pixels: pixels!,
      last: last!.flat(),
      global: global!,
    };
  };
  const text = async (phrase: string) => {
    const tokens = data.tokenize([phrase]);
    const encoded = tf.tidy(() => model.encodeTexts(tokens));
    const [words] = (await encoded.words.array()) as number[][][];
    const [wordMask] = (await encoded.wordMask.array()) as number[][];
    const [global] = (await encoded.global.array()) as number[][];
    tf.dispose(encoded);
    tokens.dispose();
    return { words: words!.filter((_, i) => wordMask![i] === 1), global: global! };
  };
  // The map into the joint space is affine once training is over: what it does to 0 and to the unit vectors says it all.
  const width = config.model.image.widths.at(-1)!;
  const probe = tf.tidy(() => model.imageVector(tf.concat([tf.zeros([1, width]), tf.eye(width)], 0)).arraySync());
  const [origin, ...images] = probe as number[][];
  const imageVector = (features: readonly number[]) =>
    origin!.map((start, k) => features.reduce((sum, f, c) => sum + f * (images[c]![k]! - start), start));
  const columns = (c: number) => images[c]!.map((value, k) => value - origin![k]!);
  const tokenize = (texts: readonly string[]) => data.tokenize(texts);
  return { model, config, alignment, image, text, tokenize, imageVector, columns };
}

export type OpenModel = Awaited<ReturnType<typeof openModel>>;
type SeenText = Awaited<ReturnType<OpenModel['text']>>;

/** The three kinds of map on the grid (cosine similarity; Grad-CAM's gradient by hand). */
export function gridMap(
  kind: 'words' | 'phrase' | 'gradcam',
  open: OpenModel,
  image: SeenImage,
  text: SeenText,
): number[] {
  if (kind === 'words') {
    return image.projected.map(
      (cell) => open.alignment.similarityScale * mean(text.words.map((word) => cosine(word, cell))),
    );
  }
  if (kind === 'phrase') return image.last.map((cell) => cosine(open.imageVector(cell), text.global));
  const cells = image.last.length;
  const pooled = image.last[0]!.map((_, c) => mean(image.last.map((cell) => cell[c]!)));
  const u = open.imageVector(pooled);
  const size = Math.hypot(...u);
  const t = text.global.map((value) => value / Math.hypot(...text.global));
  const agreement = cosine(u, t);
  // ∂cos/∂f_jc = (1/cells) Σ_k column_c,k (t_k − cos · u_k/|u|) / |u|: the same for every cell.
  const weights = pooled.map(
    (_, c) =>
      open.columns(c).reduce((sum, value, k) => sum + value * (t[k]! - (agreement * u[k]!) / size), 0) / size / cells,
  );
  return image.last.map((cell) =>
    Math.max(
      0,
      cell.reduce((sum, f, c) => sum + f * weights[c]!, 0),
    ),
  );
}

/** Bilinear with half-pixel centres from a square grid over the crop to the original image; NaN outside the crop. */
export function onOriginal(
  grid: readonly number[],
  side: number,
  { width, height, scale, offset, crop }: Placement,
): number[] {
  const tap = (pixel: number, s: number, o: number) => {
    const inCrop = (pixel + 0.5) * s + o;
    if (inCrop < 0 || inCrop > crop) return null;
    const at = Math.min(side - 1, Math.max(0, (inCrop / crop) * side - 0.5));
    return { low: Math.floor(at), high: Math.min(side - 1, Math.floor(at) + 1), part: at - Math.floor(at) };
  };
  const values: number[] = [];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [row, column] = [tap(y, scale.y, offset.y), tap(x, scale.x, offset.x)];
      if (!row || !column) {
        values.push(Number.NaN);
        continue;
      }
      const across = (r: number) =>
        grid[r * side + column.low]! * (1 - column.part) + grid[r * side + column.high]! * column.part;
      values.push(across(row.low) * (1 - row.part) + across(row.high) * row.part);
    }
  }
  return values;
}

/** 1 where the centre of a pixel is in one of the boxes. */
export function insideBoxes(
  boxes: readonly { x: number; y: number; width: number; height: number }[],
  { width, height }: { width: number; height: number },
): boolean[] {
  return Array.from({ length: width * height }, (_, i) => {
    const [x, y] = [(i % width) + 0.5, Math.floor(i / width) + 0.5];
    return boxes.some((box) => x >= box.x && x < box.x + box.width && y >= box.y && y < box.y + box.height);
  });
}

/** What a segmentation head is made of. */
export type State = Map<string, { shape: number[]; data: Float32Array }>;

/** The head's probabilities over the crop, `[crop · crop]`: three convolutions and bilinear, in plain loops. */
export function headTwin(
  state: State,
  features: ArrayLike<number>,
  { side, d, crop }: { side: number; d: number; crop: number },
): number[] {
  const data = (name: string) => state.get(name)!.data;
  const hidden = data('reduce.bias').length;
  const cells = side * side;
  const reduced = Array.from({ length: cells }, (_, cell) =>
    Array.from({ length: hidden }, (_, h) => {
      let sum = data('reduce.bias')[h]!;
      for (let k = 0; k < d; k++) {
        const x = (features[cell * d + k]! - data('centre')[k]!) * data('scale')[k]!;
        sum += x * data('reduce.weight')[k * hidden + h]!;
      }
      return Math.max(0, sum);
    }),
  );
  const grid = Array.from({ length: cells }, (_, cell) => {
    const [y, x] = [Math.floor(cell / side), cell % side];
    let logit = data('logit.bias')[0]!;
    for (let h = 0; h < hidden; h++) {
      let sum = data('middle.bias')[h]!;
      for (let dy = -1; dy <= 1; dy++) {
        for (let dx = -1; dx <= 1; dx++) {
          if (y + dy < 0 || y + dy >= side || x + dx < 0 || x + dx >= side) continue;
          const tap = (dy + 1) * 3 + (dx + 1);
          for (let g = 0; g < hidden; g++) {
            const weight = data('middle.weight')[(tap * hidden + g) * hidden + h]!;
            sum += reduced[(y + dy) * side + x + dx]![g]! * weight;
          }
        }
      }
      logit += Math.max(0, sum) * data('logit.weight')[h]!;
    }
    return logit;
  });
  const view = { width: crop, height: crop, crop, scale: { x: 1, y: 1 }, offset: { x: 0, y: 0 } } as Placement;
  return onOriginal(grid, side, view).map((logit) => 1 / (1 + Math.exp(-logit)));
}
