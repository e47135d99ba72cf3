import { checkNumber, OptionError, ShapeError } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';
import { recompute } from './recompute';

/** Some samples of a batch, and the constants as they were. */
export type MicroBatch = { begin: number; size: number; constants: tf.Tensor[] };

/**
 * Encodes a large batch a few samples at a time, with the gradients of the whole batch (cached gradients): each part is
 * run without keeping what its gradient needs, the loss sees the features of all samples, and each part is run again when
 * its gradient is asked for. A contrastive loss keeps all its negatives in the memory of one part, at the price of one
 * more forward pass. Nothing differs from one large batch but batch statistics, which are those of a part.
 *
 * @param encode gives features of the samples `begin` … `begin + size − 1` by name, `[size, …]` each; run twice, with the
 *   same result (seeded dropout). Running statistics of `BatchNorm` move in the first run only.
 * @param options `samples` in the batch; `microBatch`, most of them in one part; `variables` that encode reads and that get
 *   a gradient; `constants` (masks) it needs unchanged in the second run.
 * @returns the features of all samples, `[samples, …]`, by name.
 * @throws OptionError for sizes that are not whole numbers, or no features; ShapeError for features of another size.
 * @example
 * const w = tf.variable(tf.tensor2d([[2]]));
 * const x = tf.tensor2d([[1], [2], [3]]);
 * const encode = ({ begin, size }: MicroBatch) => ({ y: tf.matMul(tf.slice(x, begin, size), w) });
 * const squares = () => tf.square(inMicroBatches(encode, { samples: 3, microBatch: 2, variables: [w] }).y);
 * await tf.variableGrads(() => tf.sum(squares()), [w]).grads[w.name].data(); // [56]
 * @see Gao et al. 2021, arXiv 2101.06983
 */
export function inMicroBatches<Name extends string>(
  encode: (part: MicroBatch) => Record<Name, tf.Tensor>,
  {
    samples,
    microBatch,
    variables,
    constants = [],
  }: { samples: number; microBatch: number; variables: Iterable<tf.Variable>; constants?: tf.Tensor[] },
): Record<Name, tf.Tensor> {
  checkNumber('samples', samples, { minimum: 1, integer: true });
  checkNumber('microBatch', microBatch, { minimum: 1, integer: true });
  const list = [...variables];
  return tf.tidy(() => {
    // A gradient function has one result: the features side by side.
    let shapes: [Name, number[]][] = [];
    const parts: tf.Tensor[] = [];
    for (let begin = 0; begin < samples; begin += microBatch) {
      const size = Math.min(microBatch, samples - begin);
      const run = (_: tf.Tensor[], given: tf.Tensor[]) => {
        const features = Object.entries(encode({ begin, size, constants: given })) as [Name, tf.Tensor][];
        if (features.length === 0) throw new OptionError('encode: expected features by name, got none');
        for (const [name, { shape }] of features) {
          if (shape[0] !== size)
            throw new ShapeError(`${name}: expected [${size}, …], one for each sample, got [${shape}]`);
        }
        shapes = features.map(([name, { shape }]) => [name, shape.slice(1)]);
        return tf.concat(features.map(([, feature]) => tf.reshape(feature, [size, -1])), 1); // biome-ignore format: one line
      };
      parts.push(recompute(run, [], { variables: list, constants }));
    }
    const all = tf.concat(parts, 0) as tf.Tensor2D;
    const widths = shapes.map(([, shape]) => tf.util.sizeFromShape(shape));
    const split = widths.length > 1 ? tf.split(all, widths, 1) : [all]; // tfjs has no gradient of a split into one
    return Object.fromEntries(
      shapes.map(([name, shape], i) => [name, tf.reshape(split[i]!, [samples, ...shape])]),
    ) as Record<Name, tf.Tensor>;
  });
}
