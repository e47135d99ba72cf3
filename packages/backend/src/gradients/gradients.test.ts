import { checkGradient, expectClose, expectNoLeak, onEveryEngine, random } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';

// A weighted sum, so that every output element has its own gradient.
const weigh = (y: tf.Tensor): tf.Scalar => tf.sum(tf.mul(y, random(99).tensor(y.shape)));

onEveryEngine('gradients', () => {
  // No ties, and nothing within a step of zero: finite differences are wrong across a kink.
  const x = () =>
    tf.tensor(
      Float32Array.from({ length: 24 }, (_, i) => ((i * 7) % 24) / 6 - 1.97),
      [2, 3, 4],
    );

  it.each<[string, (a: tf.Tensor) => tf.Tensor]>([
    ['sum of all', (a) => tf.sum(a)],
    ['sum, middle axis', (a) => tf.sum(a, 1)],
    ['sum, two axes, kept', (a) => tf.sum(a, [0, 2], true)],
    ['sum, negative axis', (a) => tf.sum(a, -1)],
    ['mean of all', (a) => tf.mean(a)],
    ['mean, first axis', (a) => tf.mean(a, 0)],
    ['mean, two axes', (a) => tf.mean(a, [1, 2])],
    ['cumsum, first axis', (a) => tf.cumsum(a, 0)],
    ['cumsum, middle axis, exclusive', (a) => tf.cumsum(a, 1, true)],
    ['cumsum, last axis, reversed', (a) => tf.cumsum(a, 2, false, true)],
    ['tile', (a) => tf.tile(a, [2, 1, 3])],
    ['tile, rank 1', (a) => tf.tile(tf.reshape(a, [24]), [3])],
    ['tile, rank 5', (a) => tf.tile(tf.reshape(a, [1, 2, 3, 2, 2]), [2, 1, 1, 2, 1])],
    ['broadcastTo', (a) => tf.broadcastTo(tf.slice(a, [0, 0, 0], [1, 3, 4]), [5, 3, 4])],
    ['max', (a) => tf.max(a, 1)],
    ['min of all', (a) => tf.min(a)],
    ['softmax', (a) => tf.softmax(a)],
    ['logSoftmax', (a) => tf.logSoftmax(a)],
    ['logSumExp', (a) => tf.logSumExp(a, 1)],
    ['where on a taped comparison', (a) => tf.where(tf.greater(a, 0), tf.square(a), tf.mul(a, 0.1))],
    ['where on less or equal, and not', (a) => tf.where(tf.logicalNot(tf.lessEqual(a, tf.mul(a, 2))), a, tf.exp(a))],
    ['where with a broadcast condition', (a) => tf.where(tf.tensor([1, 0, 1], [1, 3, 1], 'bool'), a, tf.neg(a))],
    ['gather with a repeated index', (a) => tf.gather(a, tf.tensor1d([2, 0, 2], 'int32'), 1)],
    [
      'unsortedSegmentSum',
      (a) => tf.unsortedSegmentSum(tf.reshape(a, [6, 4]), tf.tensor1d([0, 2, 0, 1, 2, 2], 'int32'), 3),
    ],
    ['transpose', (a) => tf.transpose(a, [2, 0, 1])],
    ['maxPool', (a) => tf.maxPool(tf.reshape(a, [1, 4, 3, 2]) as tf.Tensor4D, 2, 1, 'same')],
    ['avgPool', (a) => tf.avgPool(tf.reshape(a, [1, 4, 3, 2]) as tf.Tensor4D, 2, 1, 'same')],
    ['resizeBilinear', (a) => tf.image.resizeBilinear(tf.reshape(a, [1, 4, 3, 2]) as tf.Tensor4D, [2, 5])],
    ['erf', (a) => tf.erf(a)],
    ['softplus', (a) => tf.softplus(a)],
    [
      'pad',
      (a) =>
        tf.pad(a, [
          [0, 1],
          [2, 0],
          [1, 1],
        ]),
    ],
    ['concat', (a) => tf.concat([a, tf.square(a)], 1)],
    ['split', (a) => tf.mul(tf.split(a, 2, 2)[0]!, tf.split(a, 2, 2)[1]!)],
    ['stack', (a) => tf.stack([a, tf.square(a)], 1)],
  ])('%s', (_, f) => checkGradient((a) => weigh(f(a!)), [x()]));

  const binary: [string, (a: tf.Tensor, b: tf.Tensor) => tf.Tensor][] = [
    ['squaredDifference', tf.squaredDifference],
    ['maximum', tf.maximum],
    ['minimum', tf.minimum],
    ['add', tf.add],
    ['sub', tf.sub],
    ['mul', tf.mul],
    ['div', (a, b) => tf.div(a, tf.add(tf.abs(b), 1))],
    ['pow', (a, b) => tf.pow(tf.add(tf.abs(a), 1), b)],
    ['atan2', tf.atan2],
  ];
  const shapes = [
    [
      [2, 3, 4],
      [2, 3, 4],
    ],
    [[2, 3, 4], [4]],
    [
      [3, 1],
      [2, 3, 4],
    ],
    [[], [3, 2]],
  ] as [number[], number[]][];
  it.each(binary.flatMap(([name, f]) => shapes.map(([a, b]) => [name, a, b, f] as const)))(
    '%s of [%s] and [%s]',
    (_, a, b, f) => checkGradient((p, q) => weigh(f(p!, q!)), [random(5).tensor(a), random(6).tensor(b)]),
  );

  describe('matMul', () => {
    const batches = [
      [[], []],
      [[4], [4]],
      [[4], []],
      [[4], [1]],
      [[], [4]],
      [
        [2, 1],
        [1, 3],
      ],
    ] as [number[], number[]][];
    const flags = [false, true];
    it.each(batches.flatMap(([a, b]) => flags.flatMap((ta) => flags.map((tb) => [a, b, ta, tb] as const))))(
      '[%s] · [%s], transposeA %s, transposeB %s',
      (outerA, outerB, ta, tb) => {
        const a = random(5).tensor([...outerA, ...(ta ? [3, 2] : [2, 3])]);
        const b = random(6).tensor([...outerB, ...(tb ? [4, 3] : [3, 4])]);
        checkGradient((p, q) => weigh(tf.matMul(p!, q!, ta, tb)), [a, b]);
      },
    );
  });

  it('maxPool of negative values gives the gradient to the largest', () => {
    const pooled = tf.grad((a) => tf.sum(tf.maxPool(a as tf.Tensor4D, 2, 2, 'valid')));
    expectClose(pooled(tf.tensor4d([-4, -3, -2, -1], [1, 2, 2, 1])), [0, 0, 0, 1], 0);
  });

  it('where keeps a NaN of the branch not taken out of the gradient', () => {
    const safe = tf.grad((a) => tf.sum(tf.where(tf.tensor1d([1, 0], 'bool'), a, tf.zerosLike(a))));
    expectClose(safe(tf.tensor1d([1, 2]), tf.scalar(1)), [1, 0]);
    const dy = tf.tensor1d([1, Number.NaN]);
    const branch = tf.grad((a) => tf.where(tf.tensor1d([1, 0], 'bool'), a, tf.zerosLike(a)));
    expectClose(branch(tf.tensor1d([1, 2]), dy), [1, 0]);
  });

  it('the gradient of a sum uploads nothing of the size of x and leaks nothing', () => {
    const big = tf.fill([64, 64, 16], 1);
    const engine = tf.engine();
    const uploads: number[] = [];
    const makeTensor = engine.makeTensor.bind(engine);
    engine.makeTensor = (values, shape, dtype, backend) => {
      uploads.push(tf.util.sizeFromShape(shape));
      return makeTensor(values, shape, dtype, backend);
    };
    try {
      expectNoLeak(() => tf.grad((a) => tf.add(tf.sum(a), tf.mean(a)))(big), [big]);
    } finally {
      engine.makeTensor = makeTensor;
    }
    expect(Math.max(0, ...uploads)).toBeLessThan(big.size);
  });
});
