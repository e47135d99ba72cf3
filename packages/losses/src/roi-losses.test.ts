import { OptionError, ShapeError } from '@medalign/similarity';
import { expectClose, expectNoLeak, onEveryEngine, random } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  combineLosses,
  lossUncertainties,
  type NegativeCaptionOptions,
  negativeCaptionLoss,
  negativeCaptionPresets,
  type RoiInfoNceOptions,
  roiInfoNce,
} from './index';

type Row = number[];
const sum = (x: Row) => x.reduce((a, b) => a + b, 0);
const average = (x: Row) => (x.length ? sum(x) / x.length : 0);
const cosine = (x: Row, y: Row) => sum(x.map((v, i) => v * y[i]!)) / (Math.hypot(...x) * Math.hypot(...y));
const lse = (x: Row) => Math.log(sum(x.map((v) => Math.exp(v))));

const [b, r, k, d] = [3, 3, 2, 4];
const masks = () => ({ roiMask: tf.tensor2d([1, 0, 1, 0, 0, 0, 1, 1, 1], [b, r]) });
const negativeMask = () => tf.tensor2d([1, 0, 1, 1, 1, 1], [b, k]);
const draw = (seed = 1) => {
  const numbers = random(seed);
  return {
    rois: numbers.tensor<tf.Rank.R3>([b, r, d]),
    captions: numbers.tensor<tf.Rank.R2>([b, d]),
    negatives: numbers.tensor<tf.Rank.R3>([b, k, d]),
  };
};
const data = (x: tf.Tensor) => Array.from(x.dataSync());

/** Every way of asking, as a function of ROIs, captions and negatives. */
const losses: [string, (x: ReturnType<typeof draw>, options?: { roiMask?: tf.Tensor2D; negativeMask?: tf.Tensor2D }) => tf.Tensor][] = [
  ['roiInfoNce', ({ rois, captions }, { roiMask } = {}) => roiInfoNce(rois, captions, { roiMask, temperature: 0.5 })],
  ['roiInfoNce, symmetric, ids', ({ rois, captions }, { roiMask } = {}) => roiInfoNce(rois, captions, { roiMask, temperature: 0.5, directions: 'symmetric', captionIds: ['x', 'y', 'x'] })],
  ['roiInfoNce, row by row', ({ rois, captions }, { roiMask } = {}) => roiInfoNce(rois, captions, { roiMask, temperature: 0.5, directions: 'symmetric', reduction: 'none' })],
  ['negativeCaptionLoss', ({ rois, negatives }, options = {}) => negativeCaptionLoss(rois, negatives, { ...options, temperature: 0.5 })],
  ['negativeCaptionLoss, sum', ({ rois, negatives }, options = {}) => negativeCaptionLoss(rois, negatives, { ...options, temperature: 0.5, reduction: 'sum' })],
  ['negativeCaptionLoss as InfoNCE', ({ rois, captions, negatives }, options = {}) => negativeCaptionLoss(rois, negatives, { ...options, temperature: 0.5, captions, mode: 'infonce' })],
]; // biome-ignore format: a table

onEveryEngine('region losses', () => {
  const cases = fc.record({
    seed: fc.integer({ min: 1, max: 1e6 }),
    b: fc.integer({ min: 1, max: 4 }),
    r: fc.integer({ min: 1, max: 3 }),
    k: fc.integer({ min: 1, max: 3 }),
    ids: fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 4, maxLength: 4 }),
  });
  const setting = ({ seed, b, r, k }: { seed: number; b: number; r: number; k: number }) => {
    const numbers = random(seed);
    const mask = (n: number, m: number) =>
      Array.from({ length: n }, () => Array.from({ length: m }, () => Number(numbers.uniform() < 0.6)));
    return {
      rois: numbers.tensor<tf.Rank.R3>([b, r, d]),
      captions: numbers.tensor<tf.Rank.R2>([b, d]),
      negatives: numbers.tensor<tf.Rank.R3>([b, k, d]),
      on: mask(b, r),
      wrong: mask(b, k),
    };
  };

  it('roiInfoNce equals plain loops', () => {
    fc.assert(
      fc.property(cases, (sizes) =>
        tf.tidy(() => {
          const { rois, captions, on } = setting(sizes);
          const ids = sizes.ids.slice(0, sizes.b);
          const [u, v] = [rois.arraySync(), captions.arraySync()];
          const z = (i: number, n: number, j: number) => cosine(u[i]![n]!, v[j]!) / 0.3;
          const every = v.map((_, j) => j);
          const valid = on.flatMap((row, i) => row.flatMap((there, n) => (there ? [[i, n] as const] : [])));
          const images = every.filter((i) => sum(on[i]!));
          for (const multiPositive of [true, false]) {
            const same = (i: number, j: number) => (multiPositive ? ids[i] === ids[j] : i === j);
            const perRoi = (i: number, n: number) =>
              lse(every.map((j) => z(i, n, j))) - lse(every.filter((j) => same(i, j)).map((j) => z(i, n, j)));
            const perCaption = (j: number) =>
              lse(valid.map(([i, n]) => z(i, n, j))) -
              lse(valid.filter(([i]) => same(i, j)).map(([i, n]) => z(i, n, j)));
            const forward = average(
              images.map((i) => average(valid.filter(([image]) => image === i).map(([, n]) => perRoi(i, n)))),
            );
            const options = {
              roiMask: tf.tensor2d(on),
              captionIds: ids,
              temperature: 0.3,
              multiPositive,
            };
            expectClose(roiInfoNce(rois, captions, options), forward, 2e-5);
            const both = (forward + average(images.map(perCaption))) / 2;
            expectClose(roiInfoNce(rois, captions, { ...options, directions: 'symmetric' }), both, 2e-5);
            const total = sum(valid.map(([i, n]) => perRoi(i, n)));
            expectClose(roiInfoNce(rois, captions, { ...options, reduction: 'sum' }), total, 2e-5);
          }
        }),
      ),
      { numRuns: 12, seed: 7 },
    );
  });

  it('negativeCaptionLoss equals plain loops, in both modes', () => {
    fc.assert(
      fc.property(cases, (sizes) =>
        tf.tidy(() => {
          const { rois, captions, negatives, on, wrong } = setting(sizes);
          const [u, v, n] = [rois.arraySync(), captions.arraySync(), negatives.arraySync()];
          const loss = (term: (roi: Row, image: number, columns: Row[]) => number) =>
            average(
              on.flatMap((row, i) => {
                const columns = n[i]!.filter((_, m) => wrong[i]![m]);
                const own = u[i]!.filter((_, place) => row[place]);
                return own.length && columns.length ? [average(own.map((roi) => term(roi, i, columns)))] : [];
              }),
            );
          const options = { roiMask: tf.tensor2d(on), negativeMask: tf.tensor2d(wrong) };
          const apart = loss((roi, _, columns) =>
            average(columns.map((column) => Math.log1p(Math.exp(cosine(roi, column) / 0.3 - 0.5)))),
          );
          expectClose(negativeCaptionLoss(rois, negatives, { ...options, temperature: 0.3, bias: -0.5 }), apart, 2e-5);
          const ranked = loss((roi, i, columns) => {
            const own = 3 * cosine(roi, v[i]!);
            return lse([own, ...columns.map((column) => 3 * cosine(roi, column))]) - own;
          });
          const infonce: NegativeCaptionOptions<'mean'> = { ...options, mode: 'infonce', captions, scale: 3 };
          expectClose(negativeCaptionLoss(rois, negatives, infonce), ranked, 2e-5);
        }),
      ),
      { numRuns: 12, seed: 8 },
    );
  });

  it('fact 2: Eq 10 as written lies between softplus(−1) and softplus(1), and is ln 2 at cosine 0', () => {
    const at = (x: Row, y: Row) =>
      negativeCaptionLoss(tf.tensor3d([[x]]), tf.tensor3d([[y]]), negativeCaptionPresets.literal);
    expectClose(at([2, 0], [-3, 0]), 0.313262, 1e-6);
    expectClose(at([1, 0], [0, 5]), Math.LN2, 1e-6);
    expectClose(at([1, 1], [4, 4]), 1.313262, 1e-6);
    // the default scale saturates, and never overflows
    const steep = (cosine: number, temperature: number) =>
      negativeCaptionLoss(tf.tensor3d([[[1]]]), tf.tensor3d([[[cosine]]]), { temperature });
    expectClose(steep(-1, 0.07), Math.log1p(Math.exp(-1 / 0.07)), 1e-6);
    expectClose(steep(1, 1e-4), 1e4, 1e-6);
    const gradient = tf.grad((x) =>
      negativeCaptionLoss(x as tf.Tensor3D, tf.tensor3d([[[1, 1]]]), { temperature: 1e-4 }),
    );
    for (const roi of [[1, 1], [-1, -1], [0, 0]]) expect(data(gradient(tf.tensor3d([[roi]]))).every(Number.isFinite)).toBe(true); // biome-ignore format: three ROIs
  });

  it('the default scale follows a learnable temperature', () => {
    const { rois, negatives } = draw();
    const tied = (t: tf.Tensor) => negativeCaptionLoss(rois, negatives, { temperature: t }) as tf.Scalar;
    const free = (s: tf.Tensor) => negativeCaptionLoss(rois, negatives, { scale: s }) as tf.Scalar;
    expectClose(tied(tf.scalar(0.25)), free(tf.scalar(4)), 1e-6);
    // d/dτ = d/ds · (−1/τ²)
    expectClose(tf.grad(tied)(tf.scalar(0.25)), tf.mul(tf.grad(free)(tf.scalar(4)), -16), 1e-4);
  });

  it('fact 4: m images with one caption: literally never under ln m, with ids down to 0', () => {
    const m = 4;
    const word = [3, -1, 2, 0];
    const captions = tf.tensor2d(Array(m).fill(word));
    const rois = tf.tensor3d(Array(m).fill([word]));
    const captionIds = Array(m).fill('no finding');
    expectClose(roiInfoNce(rois, captions, { temperature: 0.01 }), Math.log(m), 1e-5); // logits of 100
    expectClose(roiInfoNce(rois, captions, { captionIds, multiPositive: false }), Math.log(m), 1e-5);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e6 }), (seed) =>
        tf.tidy(() => {
          const any = random(seed).tensor<tf.Rank.R3>([m, 2, 4], 5);
          expect(roiInfoNce(any, captions, { temperature: 0.05 }).dataSync()[0]).toBeGreaterThan(Math.log(m) - 1e-5);
          expectClose(roiInfoNce(any, captions, { captionIds }), 0, 1e-6);
        }),
      ),
      { numRuns: 10, seed: 1 },
    );
    // among other captions too, the repeated ones can all be right at once
    const other = tf.concat([captions, tf.tensor2d([[-3, 1, -2, 0]])]) as tf.Tensor2D;
    const all = tf.concat([rois, tf.tensor3d([[[-3, 1, -2, 0]]])]) as tf.Tensor3D;
    const ids = tf.tensor1d([7, 7, 7, 7, 8], 'int32');
    for (const directions of ['forward', 'symmetric'] as const)
      expectClose(roiInfoNce(all, other, { captionIds: ids, directions }), 0, 1e-6);
    expect(roiInfoNce(all, other).dataSync()[0]).toBeGreaterThan(1);
  });

  it('ids may be an int32 tensor, numbers or texts', () => {
    const { rois, captions } = draw();
    const with_ = (captionIds: RoiInfoNceOptions['captionIds']) => roiInfoNce(rois, captions, { captionIds });
    const wanted = with_([0, 1, 0]);
    // hashes that float32 would not tell apart
    expectClose(with_(tf.tensor1d([2_000_000_001, 2_000_000_002, 2_000_000_001], 'int32')), wanted, 0);
    expectClose(with_(['nodule', 'no finding', 'nodule']), wanted, 0);
    expectClose(with_(undefined), with_([0, 1, 2]), 0);
    expect(data(with_(undefined))).not.toEqual(data(wanted));
  });

  it('captions of images without an ROI stay in the denominator', () => {
    const { rois, captions } = draw();
    const roiMask = tf.tensor2d([1, 1, 1, 0, 0, 0, 0, 0, 0], [b, r]);
    const alone = roiInfoNce(tf.slice(rois, 0, [1, r, d]), tf.slice(captions, 0, [1, d]));
    expectClose(alone, 0, 1e-6);
    const gradient = tf
      .grad((v) => roiInfoNce(rois, v as tf.Tensor2D, { roiMask, temperature: 1 }))(captions)
      .arraySync() as Row[];
    for (const row of gradient) expect(Math.hypot(...row)).toBeGreaterThan(1e-3);
  });

  describe.each(losses)('%s', (_, loss) => {
    const gradients = (x: ReturnType<typeof draw>, options: object) =>
      tf.grads((rois, captions, negatives) => {
        const given = { rois, captions, negatives } as ReturnType<typeof draw>;
        // keeps what a loss does not use on the tape
        const unused = tf.add(tf.sum(tf.mul(captions!, 0)), tf.sum(tf.mul(negatives!, 0)));
        return tf.add(tf.sum(loss(given, options)), tf.where(true, 0, unused)) as tf.Scalar;
      })([x.rois, x.captions, x.negatives]);

    it('fact 5: padding changes no bit, and more of it nothing', () => {
      const options = { ...masks(), negativeMask: negativeMask() };
      const filled = (garbage: number) => {
        const x = draw();
        const put = (y: tf.Tensor3D, mask: tf.Tensor) =>
          tf.where(tf.expandDims(tf.greater(mask, 0), 2), y, garbage) as tf.Tensor3D;
        return { ...x, rois: put(x.rois, options.roiMask), negatives: put(x.negatives, options.negativeMask) };
      };
      const [value, ...slopes] = [loss(filled(0), options), ...gradients(filled(0), options)].map(data);
      expect(sum(value!)).toBeGreaterThan(0.01);
      for (const garbage of [5, -1e4, Number.NaN, Number.POSITIVE_INFINITY]) {
        expect(data(loss(filled(garbage), options))).toEqual(value);
        expect(gradients(filled(garbage), options).slice(0, 2).map(data)).toEqual(slopes.slice(0, 2));
      }
      const [gradient] = slopes as [Row];
      const perRoi = Array.from({ length: b * r }, (_, i) => gradient.slice(i * d, (i + 1) * d).every((g) => g === 0));
      expect(perRoi.filter((isZero, i) => !isZero && !options.roiMask.dataSync()[i])).toEqual([]);

      const x = filled(0);
      const longer = (y: tf.Tensor, more: number, value: number) =>
        tf.concat([y, tf.fill([b, more, ...y.shape.slice(2)], value)], 1) as never;
      expectClose(
        loss(
          { ...x, rois: longer(x.rois, 2, Number.NaN), negatives: longer(x.negatives, 3, Number.NaN) },
          { roiMask: longer(options.roiMask, 2, 0), negativeMask: longer(options.negativeMask, 3, 0) },
        ),
        value!,
        1e-6,
      );
    });

    it('fact 6: a batch without any ROI is 0, with gradients of 0', () => {
      const x = draw();
      const none = { roiMask: tf.zeros([b, r]) as tf.Tensor2D };
      expect(data(loss(x, none)).every((v) => v === 0)).toBe(true);
      for (const gradient of gradients(x, none)) expect(data(gradient).every((g) => g === 0)).toBe(true);
    });

    it('is the same for shuffled ROIs and images', () => {
      const x = draw();
      const options = { ...masks(), negativeMask: negativeMask() };
      const inside = (y: tf.Tensor, order: number[]) => tf.gather(y, order, 1) as never;
      const mixed = {
        ...x,
        rois: inside(x.rois, [2, 0, 1]),
        negatives: inside(x.negatives, [1, 0]),
      };
      const own = { roiMask: inside(options.roiMask, [2, 0, 1]), negativeMask: inside(options.negativeMask, [1, 0]) };
      expectClose(loss(mixed, own), loss(x, options), 1e-5);
      const outside = <T extends tf.Tensor>(y: T) => tf.gather(y, [2, 1, 0]) as T;
      const turned = { rois: outside(x.rois), captions: outside(x.captions), negatives: outside(x.negatives) };
      const there = { roiMask: outside(options.roiMask), negativeMask: outside(options.negativeMask) };
      const [got, wanted] = [loss(turned, there), loss(x, options)];
      expectClose(got.rank ? outside(got) : got, wanted, 1e-5);
    });

    it('does not look at the length of a vector, and is finite for one of zeros', () => {
      const x = draw();
      const longer = { rois: tf.mul(x.rois, 7), captions: tf.mul(x.captions, 0.1), negatives: tf.mul(x.negatives, 3) };
      expectClose(loss(longer as never, masks()), loss(x, masks()), 1e-5);
      const zeros = { ...x, rois: tf.zerosLike(x.rois) };
      for (const value of [loss(zeros, masks()), ...gradients(zeros, masks())])
        expect(data(value).every(Number.isFinite)).toBe(true);
    });

    it('leaks nothing, with a gradient or without', () => {
      const x = draw();
      const options = { ...masks(), negativeMask: negativeMask() };
      const given = [...Object.values(x), ...Object.values(options)];
      expectNoLeak(() => loss(x, options), given);
      expectNoLeak(() => tf.grad((rois) => loss({ ...x, rois: rois as tf.Tensor3D }, options))(x.rois), given);
    });
  });

  it('fact 6: without ROIs the s of their terms is not touched', () => {
    const { rois, captions, negatives } = draw();
    const uncertainties = lossUncertainties(['global', 'roi', 'negative']);
    const roiMask = tf.zeros([b, r]) as tf.Tensor2D;
    const variables = [...uncertainties.values()];
    const step = (active: Record<string, boolean | tf.Tensor>) =>
      tf.variableGrads(
        () =>
          combineLosses(
            {
              global: tf.scalar(1.7),
              roi: roiInfoNce(rois, captions, { roiMask }),
              negative: negativeCaptionLoss(rois, negatives, { roiMask }),
            },
            { uncertainties, active },
          ).total,
        variables,
      );
    const [own, ...missing] = variables.map(({ name }) => name) as [string, string, string];
    // known beforehand: there is no gradient at all
    const known = step({ roi: false, negative: false });
    expectClose(known.value, 0.85, 1e-6);
    expectClose(known.grads[own]!, 0.5 - 0.85, 1e-6);
    for (const name of missing) expect(known.grads[name] ?? null).toBeNull();
    // known to the device alone: it is 0
    const any = tf.any(tf.cast(roiMask, 'bool'));
    const seen = step({ roi: any, negative: any });
    expectClose(seen.value, 0.85, 1e-6);
    for (const name of missing) expect(data(seen.grads[name]!)).toEqual([0]);
    // left in, ½ s would drift down by itself
    for (const name of missing) expectClose(step({}).grads[name]!, 0.5, 1e-6);
  });
});

describe('what is wrong', () => {
  const { rois, captions, negatives } = { rois: () => tf.ones([b, r, d]) as tf.Tensor3D, captions: () => tf.ones([b, d]) as tf.Tensor2D, negatives: () => tf.ones([b, k, d]) as tf.Tensor3D }; // biome-ignore format: three shapes

  it('roiInfoNce says it', () => {
    expect(() => roiInfoNce(tf.ones([b, d]) as never, captions())).toThrow(ShapeError);
    expect(() => roiInfoNce(rois(), tf.ones([b, r]))).toThrow(/captions: expected shape \[b, d\]/);
    expect(() => roiInfoNce(rois(), captions(), { roiMask: tf.ones([b, k]) })).toThrow(/roiMask/);
    expect(() => roiInfoNce(rois(), captions(), { captionIds: ['a'] })).toThrow(/captionIds: expected 3 ids.*got 1/);
    expect(() => roiInfoNce(rois(), captions(), { captionIds: tf.ones([b]) })).toThrow(/expected int32 .*got float32/);
    expect(() => roiInfoNce(rois(), captions(), { captionIds: tf.ones([2], 'int32') })).toThrow(/captionIds/);
    expect(() => roiInfoNce(rois(), captions(), { temperature: 0 })).toThrow(OptionError);
    expect(() => roiInfoNce(rois(), captions(), { directions: 'both' as never })).toThrow(/directions/);
  });

  it('negativeCaptionLoss says it', () => {
    expect(() => negativeCaptionLoss(rois(), tf.ones([b, k, 2]))).toThrow(/negatives: expected shape/);
    expect(() => negativeCaptionLoss(rois(), negatives(), { negativeMask: tf.ones([b, r]) })).toThrow(/negativeMask/);
    expect(() => negativeCaptionLoss(rois(), negatives(), { mode: 'infonce' })).toThrow(/captions: expected \[b, d\]/);
    expect(() => negativeCaptionLoss(rois(), negatives(), { mode: 'infonce', captions: captions(), bias: 1 })).toThrow(
      /bias: expected none/,
    );
    expect(() => negativeCaptionLoss(rois(), negatives(), { mode: 'hinge' as never })).toThrow(/'bce', 'infonce'/);
  });
});
