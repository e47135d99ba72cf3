import { OptionError, ShapeError } from '@medalign/similarity';
import { checkGradient, expectClose, expectNoLeak, maxDifference, onEveryEngine, random } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type RoiInputs, RoiProcessor, type RoiProcessorOptions } from './roi-processor';

type Row = number[];
const dot = (x: Row, y: Row) => x.reduce((sum, v, i) => sum + v * y[i]!, 0);
const affine = (x: Row, weight: Row[], bias: Row) =>
  bias.map((b, j) => x.reduce((sum, v, i) => sum + v * weight[i]![j]!, b));
const softmax = (x: Row) => {
  const e = x.map((v) => Math.exp(v - Math.max(...x)));
  return e.map((v) => v / e.reduce((a, b) => a + b, 0));
};

/** One ROI and its image's valid tokens, one number at a time, in float64; no box encoding. */
function plainLoop(z: Row, tokens: Row[], processor: RoiProcessor): Row {
  const values = (name: string) => processor.parameters().get(name)!.arraySync();
  const project = (name: string, x: Row) =>
    affine(x, values(`attention.${name}.weight`) as Row[], values(`attention.${name}.bias`) as Row);
  const share = z.length / processor.heads;
  const part = (x: Row, head: number) => x.slice(head * share, (head + 1) * share);
  const seen = Array.from({ length: processor.heads }, (_, head) => {
    const logits = tokens.map(
      (x) => dot(part(project('q_proj', z), head), part(project('k_proj', x), head)) / Math.sqrt(share),
    );
    const weights = tokens.length ? softmax(logits) : [];
    return Array.from({ length: share }, (_, j) =>
      weights.reduce((sum, weight, i) => sum + weight * part(project('v_proj', tokens[i]!), head)[j]!, 0),
    );
  }).flat();
  const mixed = project('out_proj', seen).map((v, i) => v + z[i]!);
  const mean = mixed.reduce((a, b) => a + b, 0) / mixed.length;
  const variance = mixed.reduce((a, v) => a + (v - mean) ** 2, 0) / mixed.length;
  const scale = values('norm.weight') as Row;
  const offset = values('norm.bias') as Row;
  const y = mixed.map((v, i) => ((v - mean) / Math.sqrt(variance + 1e-5)) * scale[i]! + offset[i]!);
  return y.map((v) => v / Math.sqrt(dot(y, y)));
}

const sizes = { width: 4, heads: 2, contextWidth: 3 };
const [b, r, t] = [2, 3, 4];
const roiMask = () => tf.tensor2d([1, 1, 0, 1, 0, 0], [b, r]);
const contextMask = () => tf.tensor2d([1, 1, 1, 0, 1, 0, 1, 0], [b, t]);
const boxes = () =>
  tf.tensor3d([[0.5, 0.5, 1, 1], [0.3, 0.2, 0.2, 0.4], [0, 0, 0, 0], [0.7, 0.6, 0.5, 0.3], [0, 0, 0, 0], [0, 0, 0, 0]].flat(), [b, r, 4]); // biome-ignore format: one box per line would be long

function setting(seed = 1): Required<RoiInputs> {
  const draw = random(seed);
  return {
    rois: draw.tensor<tf.Rank.R3>([b, r, 4]),
    context: draw.tensor<tf.Rank.R3>([b, t, 3]),
    boxes: boxes(),
    roiMask: roiMask(),
    contextMask: contextMask(),
  };
}

/** Gives every parameter, the zero biases too, a random value. */
function randomised(options: RoiProcessorOptions, seed = 2): RoiProcessor {
  const processor = new RoiProcessor({ ...sizes, ...options });
  const draw = random(seed);
  for (const variable of processor.parameters().values()) variable.assign(draw.tensor(variable.shape, 0.7));
  return processor;
}

const weigh = (x: tf.Tensor, seed = 99) => tf.sum(tf.mul(x, random(seed).tensor(x.shape))) as tf.Scalar;
const data = (x: tf.Tensor) => Array.from(x.dataSync());

/** Gradient of the fused ROIs for every parameter by name, and for ROIs and context. */
function gradientsOf(processor: RoiProcessor, inputs: RoiInputs): Map<string, tf.Tensor> {
  const own = processor.parameters();
  const found = tf.grads((...xs: tf.Tensor[]) => {
    const { fused } = processor.apply({ ...inputs, rois: xs[0] as tf.Tensor3D, context: xs[1] as tf.Tensor3D });
    return weigh(fused);
  });
  const xs = [inputs.rois, inputs.context, ...own.values()] as tf.Tensor[];
  const gradients = found(xs);
  return new Map(['rois', 'context', ...own.keys()].map((name, i) => [name, gradients[i]!]));
}

onEveryEngine('RoiProcessor', () => {
  it('equals plain loops for any number of ROIs and tokens, with masks', () => {
    const shape = fc.record({
      b: fc.integer({ min: 1, max: 3 }),
      r: fc.integer({ min: 1, max: 3 }),
      t: fc.integer({ min: 1, max: 4 }),
      heads: fc.constantFrom(1, 2, 4),
      seed: fc.integer({ min: 1, max: 1e6 }),
    });
    fc.assert(
      fc.property(shape, ({ b, r, t, heads, seed }) =>
        tf.tidy(() => {
          const draw = random(seed);
          const processor = randomised({ heads, boxEncoding: 'none' }, seed);
          const mask = (n: number, m: number) =>
            Array.from({ length: n }, () => Array.from({ length: m }, () => Number(draw.uniform() < 0.6)));
          const [rois, context] = [draw.tensor<tf.Rank.R3>([b, r, 4]), draw.tensor<tf.Rank.R3>([b, t, 3])];
          const [on, seen] = [mask(b, r), mask(b, t)];
          const inputs = { rois, context, roiMask: tf.tensor2d(on), contextMask: tf.tensor2d(seen) };
          const wanted = (rois.arraySync() as Row[][]).map((image, n) =>
            image.map((z, i) => {
              const tokens = (context.arraySync() as Row[][])[n]!.filter((_, j) => seen[n]![j]);
              return on[n]![i] ? plainLoop(z, tokens, processor) : z.map(() => 0);
            }),
          );
          expectClose(processor.apply(inputs).fused, wanted.flat(2), 1e-4);
          expectClose(processor.apply(inputs, { attention: false }).fused, wanted.flat(2), 1e-4);
        }),
      ),
      { numRuns: 12, seed: 3 },
    );
  });

  it.each([
    ['patches', 'sinusoid', 'unit'],
    ['patches', 'index', 'raw'],
    ['global', 'none', 'raw'],
  ] as const)('has the gradient of finite differences (%s, %s, %s)', (keys, boxEncoding, output) => {
    tf.tidy(() => {
      const processor = randomised({ keys, boxEncoding, output, frequencies: 1, maxRois: 3 });
      const inputs = setting();
      const f = (attention: boolean) => (rois: tf.Tensor, context: tf.Tensor) => {
        const given = { ...inputs, rois: rois as tf.Tensor3D, context: context as tf.Tensor3D };
        if (!attention) return weigh(processor.apply(given, { attention: false }).fused);
        const result = processor.apply(given);
        return tf.add(weigh(result.fused), weigh(result.attention, 98)) as tf.Scalar;
      };
      for (const attention of [true, false])
        checkGradient(f(attention) as never, [inputs.rois, inputs.context], { step: 3e-3, tolerance: 8e-3 });
    });
  });

  it('has the gradient of finite differences for every parameter', () => {
    const processor = randomised({ frequencies: 1 });
    const inputs = setting();
    const loss = () => weigh(processor.apply(inputs).fused);
    const own = processor.parameters();
    const { grads } = tf.variableGrads(loss, [...own.values()]);
    for (const [name, variable] of own) {
      const before = variable.dataSync().slice() as Float32Array;
      const at = (i: number, delta: number) => {
        const moved = before.slice();
        moved[i]! += delta;
        return tf.tidy(() => {
          variable.assign(tf.tensor(moved, variable.shape));
          return loss().dataSync()[0]!;
        });
      };
      const numeric = Array.from(before, (_, i) => (at(i, 3e-3) - at(i, -3e-3)) / 6e-3);
      at(0, 0);
      expect(maxDifference(grads[variable.name]!, numeric), name).toBeLessThan(8e-3);
    }
  });

  it("fact 1: with keys 'global' attention is exactly 1, and the gradient of Wq and Wk exactly 0", () => {
    const processor = randomised({ keys: 'global', frequencies: 2 });
    const { rois, context, boxes } = setting();
    const { fused, attention } = processor.apply({ rois, context, boxes });
    expect(attention.shape).toEqual([b, 2, r, 1]);
    expect(new Set(data(attention))).toEqual(new Set([1]));
    const found = gradientsOf(processor, { rois, context, boxes });
    const dead = ['attention.q_proj', 'attention.k_proj', 'box_encoder.fc1', 'box_encoder.fc2'];
    for (const [name, gradient] of found) {
      const isZero = data(gradient).every((g) => g === 0);
      expect(isZero, name).toBe(dead.some((part) => name.startsWith(part)));
    }
    // nor does any other token matter
    const first = tf.where(tf.tensor3d([1, 0, 0, 0], [1, t, 1], 'bool'), context, 7) as tf.Tensor3D;
    expectClose(processor.apply({ rois, context: first, boxes }).fused, fused, 0);
  });

  it("with keys 'patches' the queries are learned", () => {
    const processor = randomised({ frequencies: 2 });
    const found = gradientsOf(processor, setting());
    for (const [name, gradient] of found) {
      expect(
        data(gradient).some((g) => Math.abs(g) > 1e-6),
        name,
      ).toBe(
        // a constant added to the logits of all keys changes nothing
        name !== 'attention.k_proj.bias',
      );
    }
  });

  it('attention leaves the global token out when asked to', () => {
    const { rois, context, boxes } = setting();
    const processor = randomised({ globalToken: false });
    const { attention, fused } = processor.apply({ rois, context, boxes });
    expect(attention.shape).toEqual([b, 2, r, t - 1]);
    const contextMask = tf.tensor2d([0, 1, 1, 1, 0, 1, 1, 1], [b, t]);
    const masked = randomised({}).apply({ rois, context, boxes, contextMask });
    expectClose(fused, masked.fused, 1e-6);
    expectClose(tf.sum(masked.attention, 3), Array(b * 2 * r).fill(1), 1e-6);
  });

  describe('padding (fact 5)', () => {
    it.each(['sinusoid', 'index', 'none'] as const)('garbage in padded places: the same bits (%s)', (boxEncoding) => {
      const processor = randomised({ boxEncoding });
      const inputs = setting();
      const filled = (garbage: number): RoiInputs => {
        const put = <T extends tf.Tensor>(x: T, mask: tf.Tensor) =>
          tf.where(tf.expandDims(tf.notEqual(mask, 0), 2), x, garbage) as T;
        return {
          ...inputs,
          rois: put(inputs.rois, inputs.roiMask),
          boxes: put(inputs.boxes, inputs.roiMask),
          context: put(inputs.context, inputs.contextMask),
        };
      };
      const outputs = (inputs: RoiInputs) => {
        const { fused, attention } = processor.apply(inputs);
        return [fused, attention, processor.apply(inputs, { attention: false }).fused].map(data);
      };
      const reference = outputs(filled(0));
      const wanted = gradientsOf(processor, filled(0));
      for (const garbage of [3, -1e4, Number.NaN, Number.POSITIVE_INFINITY]) {
        expect(outputs(filled(garbage)), `with ${garbage}`).toEqual(reference);
        for (const [name, gradient] of gradientsOf(processor, filled(garbage)))
          expect(data(gradient), `${name} with ${garbage}`).toEqual(data(wanted.get(name)!));
      }
    });

    it('a padded ROI is 0, and so is its gradient and that of a padded token', () => {
      const processor = randomised({});
      const inputs = setting();
      const { fused, attention } = processor.apply(inputs);
      const found = gradientsOf(processor, inputs);
      const [on, seen] = [data(inputs.roiMask), data(inputs.contextMask)];
      const rows = (x: tf.Tensor, width: number) => tf.reshape(x, [-1, width]).arraySync() as Row[];
      const isZero = (row: Row) => row.every((v) => v === 0);
      expect(rows(fused, 4).map(isZero)).toEqual(on.map((v) => v === 0));
      expect(rows(found.get('rois')!, 4).map(isZero)).toEqual(on.map((v) => v === 0));
      expect(rows(found.get('context')!, 3).map(isZero)).toEqual(seen.map((v) => v === 0));
      const perRoi = rows(tf.transpose(attention, [0, 2, 1, 3]), 2 * t);
      expect(perRoi.map(isZero)).toEqual(on.map((v) => v === 0));
    });

    it('more padding changes nothing, and a masked ROI is one that is left out', () => {
      const processor = randomised({});
      const inputs = setting();
      const more = (x: tf.Tensor, rows: number) =>
        tf.concat([x, tf.fill([b, rows, ...x.shape.slice(2)], Number.NaN)], 1) as never;
      const zeros = (x: tf.Tensor, columns: number) => tf.concat([x, tf.zeros([b, columns])], 1);
      const longer = processor.apply({
        rois: more(inputs.rois, 2),
        boxes: more(inputs.boxes, 2),
        context: more(inputs.context, 3),
        roiMask: zeros(inputs.roiMask, 2),
        contextMask: zeros(inputs.contextMask, 3),
      });
      const { fused } = processor.apply(inputs);
      expectClose(tf.slice(longer.fused, [0, 0, 0], [b, r, 4]), fused, 1e-6);
      const cut = processor.apply({
        rois: tf.slice(inputs.rois, [0, 0, 0], [1, 2, 4]),
        boxes: tf.slice(inputs.boxes, [0, 0, 0], [1, 2, 4]),
        context: tf.slice(inputs.context, [0, 0, 0], [1, 3, 3]),
      });
      expectClose(tf.slice(fused, [0, 0, 0], [1, 2, 4]), cut.fused, 1e-6);
    });

    it('an image without a valid token has attention 0 and finite numbers; a batch without ROIs is 0', () => {
      const processor = randomised({});
      const inputs = { ...setting(), contextMask: tf.tensor2d([0, 0, 0, 0, 1, 1, 1, 1], [b, t]) };
      const { fused, attention } = processor.apply(inputs);
      expectClose(tf.sum(attention, 3), [0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0], 1e-6); // [b, heads, r]
      expect(data(fused).every(Number.isFinite)).toBe(true);
      const none = { ...inputs, roiMask: tf.zeros([b, r]) as tf.Tensor2D };
      expect(data(processor.apply(none).fused).every((v) => v === 0)).toBe(true);
      for (const [name, gradient] of gradientsOf(processor, none))
        expect(
          data(gradient).every((g) => g === 0),
          name,
        ).toBe(true);
    });
  });

  it('a shuffled list of ROIs, or of tokens, gives the same for each ROI', () => {
    fc.assert(
      fc.property(
        fc.shuffledSubarray([0, 1, 2], { minLength: 3 }),
        fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 }),
        (roiOrder, tokenOrder) =>
          tf.tidy(() => {
            const processor = randomised({});
            const inputs = setting();
            const pick = <T extends tf.Tensor>(x: T, order: number[]) => tf.gather(x, order, 1) as T;
            const shuffled = processor.apply({
              rois: pick(inputs.rois, roiOrder),
              boxes: pick(inputs.boxes, roiOrder),
              roiMask: pick(inputs.roiMask, roiOrder),
              context: pick(inputs.context, tokenOrder),
              contextMask: pick(inputs.contextMask, tokenOrder),
            });
            const straight = processor.apply(inputs);
            expectClose(shuffled.fused, pick(straight.fused, roiOrder), 1e-6);
            const wanted = tf.gather(tf.gather(straight.attention, roiOrder, 2), tokenOrder, 3);
            expectClose(shuffled.attention, wanted, 1e-6);
          }),
      ),
      { numRuns: 8, seed: 2 },
    );
  });

  it('places equal ROIs apart by their boxes, or by their index', () => {
    const one = random(5).tensor([1, 1, 4]);
    const rois = tf.tile(one, [1, 3, 1]) as tf.Tensor3D;
    const context = random(6).tensor<tf.Rank.R3>([1, 4, 3]);
    const places = tf.tensor3d([[[0.2, 0.2, 0.2, 0.2], [0.8, 0.8, 0.2, 0.2], [0.2, 0.2, 0.2, 0.2]]]); // biome-ignore format: boxes
    const distance = (options: RoiProcessorOptions) => {
      const rows = randomised(options).apply({ rois, context, boxes: places }).fused.arraySync()[0]!;
      return [1, 2].map((i) => Math.hypot(...rows[i]!.map((v, k) => v - rows[0]![k]!)));
    };
    expect(distance({ boxEncoding: 'none' })).toEqual([0, 0]);
    const [apart, same] = distance({ boxEncoding: 'sinusoid' });
    expect(apart).toBeGreaterThan(1e-3);
    expect(same).toBeLessThan(1e-6);
    expect(Math.min(...distance({ boxEncoding: 'index' }))).toBeGreaterThan(1e-3);
  });

  it('has unit rows, or those of LayerNorm', () => {
    const inputs = { ...setting(), roiMask: undefined };
    const unit = new RoiProcessor(sizes).apply(inputs).fused;
    expectClose(tf.norm(unit, 2, 2), Array(b * r).fill(1), 1e-6);
    const raw = new RoiProcessor({ ...sizes, output: 'raw' }).apply(inputs).fused;
    expectClose(tf.norm(raw, 2, 2), Array(b * r).fill(2), 1e-3); // √d of a normalised row
  });
});

describe('RoiProcessor', () => {
  it('draws its parameters from the seed, within their bounds', () => {
    const values = (options: RoiProcessorOptions) =>
      [...new RoiProcessor({ ...sizes, ...options }).parameters()].map(([name, v]) => [name, v.shape, data(v)]);
    expect(values({ seed: 4 })).toEqual(values({ seed: 4 }));
    expect(values({ seed: 4 })).not.toEqual(values({ seed: 5 }));
    const own = new RoiProcessor({ width: 64, contextWidth: 32 }).parameters();
    const key = data(own.get('attention.k_proj.weight')!);
    const bound = Math.sqrt(6 / (32 + 64));
    expect(Math.max(...key.map(Math.abs))).toBeLessThan(bound);
    expect(Math.max(...key)).toBeGreaterThan(0.98 * bound);
    expect(Math.abs(key.reduce((a, v) => a + v, 0) / key.length)).toBeLessThan(0.02);
    expect(data(own.get('attention.v_proj.bias')!).every((v) => v === 0)).toBe(true);
  });

  it('names its parameters, and frees them', () => {
    const names = (boxEncoding: 'sinusoid' | 'index' | 'none') => {
      const processor = new RoiProcessor({ ...sizes, boxEncoding });
      const found = [...processor.parameters().keys()];
      processor.dispose();
      return found;
    };
    const attention = ['q_proj', 'k_proj', 'v_proj', 'out_proj'].flatMap((name) =>
      ['weight', 'bias'].map((kind) => `attention.${name}.${kind}`),
    );
    const shared = [...attention, 'norm.weight', 'norm.bias'];
    expect(names('none')).toEqual(shared);
    expect(names('index')).toEqual([...shared, 'roi_embedding.weight']);
    expect(names('sinusoid')).toEqual([
      ...shared,
      ...['fc1', 'fc2'].flatMap((name) => [`box_encoder.${name}.weight`, `box_encoder.${name}.bias`]),
    ]);
    const before = tf.memory().numTensors;
    new RoiProcessor(sizes).dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it('leaks nothing', () => {
    const processor = new RoiProcessor(sizes);
    const inputs = setting();
    const given = Object.values(inputs) as tf.Tensor[];
    expectNoLeak(() => processor.apply(inputs) as never, given);
    expectNoLeak(() => processor.apply(inputs, { attention: false }).fused, given);
    expectNoLeak(
      () => tf.grad((x) => tf.sum(processor.apply({ ...inputs, rois: x as tf.Tensor3D }).fused))(inputs.rois),
      given,
    );
  });

  it('says what is wrong', () => {
    expect(() => new RoiProcessor({ width: 10, heads: 4 })).toThrow(/heads: expected a divisor of the width 10, got 4/);
    expect(() => new RoiProcessor({ width: 0 })).toThrow(OptionError);
    expect(() => new RoiProcessor({ keys: 'tokens' as never })).toThrow(/'patches', 'global'/);
    expect(() => new RoiProcessor({ boxEncoding: 'learned' as never })).toThrow(/'sinusoid', 'index', 'none'/);
    const inputs = setting();
    const apply = (given: Partial<RoiInputs>, options: RoiProcessorOptions = {}) =>
      new RoiProcessor({ ...sizes, ...options }).apply({ ...inputs, ...given });
    expect(() => apply({ rois: tf.ones([b, r, 5]) })).toThrow(/rois: expected shape \[b, r, 4\], got \[2, 3, 5\]/);
    expect(() => apply({ rois: tf.ones([b, 4]) as never })).toThrow(ShapeError);
    expect(() => apply({ context: tf.ones([b, t, 4]) })).toThrow(/context: expected shape \[b, t, 3\]/);
    expect(() => apply({ context: tf.ones([3, t, 3]) })).toThrow(/b is 2 in rois/);
    expect(() => apply({ roiMask: tf.ones([b, t]) })).toThrow(/roiMask/);
    expect(() => apply({ contextMask: tf.ones([b, r]) })).toThrow(/contextMask/);
    expect(() => apply({ boxes: tf.ones([b, r, 5]) })).toThrow(/boxes/);
    expect(() => apply({ boxes: undefined })).toThrow(/boxes: expected .*Fix: pass the boxes, or boxEncoding: 'none'/);
    expect(apply({ boxes: undefined }, { boxEncoding: 'none' }).fused.shape).toEqual([b, r, 4]);
    expect(() => apply({}, { boxEncoding: 'index', maxRois: 2 })).toThrow(/at most maxRois = 2 ROIs per image, got 3/);
    expect(() => apply({ context: tf.ones([b, 1, 3]), contextMask: undefined }, { globalToken: false })).toThrow(
      /token besides the global one/,
    );
  });
});
