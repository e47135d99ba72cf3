import { checkGradients, checkNumber, checkShape, ShapeError } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';
import { asRows } from './columns';
import { runKernel, withGradient } from './kernel';

/**
 * Rows of a table by their index (token, position, type embeddings).
 *
 *     y_i = table[ids_i]
 *
 * The gradient adds the rows of dy that share an id. An id outside 0…v−1 gives a row of zeros and no gradient.
 *
 * @param ids int32, any shape.
 * @param table `[v, d]`.
 * @returns `[…ids, d]`.
 * @throws ShapeError if ids are not int32 or the table has another rank.
 * @example
 * const table = tf.tensor2d([[1, 2], [3, 4]]);
 * await embedding(tf.tensor1d([1, 0, 1], 'int32'), table).data(); // [3, 4, 1, 2, 3, 4]
 */
export function embedding(ids: tf.Tensor, table: tf.Tensor): tf.Tensor {
  checkShape('table', table, 'v d');
  checkIds(ids);
  checkGradients('embedding');
  const [v, d] = table.shape as [number, number];
  return tf.tidy(() => {
    const flat = tf.reshape(ids, [ids.size]);
    const rows = withGradient(
      (save) => {
        save([flat]);
        return gatherRows(table, flat);
      },
      (dy, [savedIds]) => [scatterRows(dy, savedIds!, v)],
      [table],
    );
    return tf.reshape(rows, [...ids.shape, d]);
  });
}

/**
 * Sum of the rows that belong to the same segment (WordPiece vectors → word vectors).
 *
 *     y_s = Σ_{i: ids_i = s} x_i
 *
 * Rows whose id is outside 0…segments−1 (−1 marks padding and special tokens) are left out and get gradient 0.
 *
 * @param x `[n, d]`, or `[b, n, d]` with segments counted per batch element.
 * @param ids int32 `[n]` or `[b, n]`.
 * @param options `segments` l.
 * @returns `[l, d]` or `[b, l, d]`; a segment without rows is 0.
 * @throws ShapeError if the shapes do not fit.
 * @example
 * const x = tf.tensor2d([[1], [2], [4]]);
 * await segmentSum(x, tf.tensor1d([0, 0, -1], 'int32'), { segments: 2 }).data(); // [3, 0]
 */
export function segmentSum(x: tf.Tensor, ids: tf.Tensor, { segments }: { segments: number }): tf.Tensor {
  const sizes = checkShape('x', x, x.rank === 2 ? 'n d' : 'b n d');
  checkShape('ids', ids, x.rank === 2 ? 'n' : 'b n', sizes);
  checkIds(ids);
  checkNumber('segments', segments, { minimum: 1, integer: true });
  checkGradients('segmentSum');
  const batch = x.rank === 2 ? 1 : x.shape[0]!;
  const d = x.shape[x.rank - 1]!;
  return tf.tidy(() => {
    const flat = flatIds(ids, batch, segments);
    const sums = withGradient(
      (save) => {
        save([flat]);
        return scatterRows(asRows(x), flat, batch * segments);
      },
      (dy, [savedIds]) => [tf.reshape(gatherRows(dy, savedIds!), x.shape)],
      [x],
    );
    return tf.reshape(sums, [...x.shape.slice(0, -2), segments, d]);
  });
}

/** Segment s of batch element e becomes e·segments + s; ids outside the range become −1. */
function flatIds(ids: tf.Tensor, batch: number, segments: number): tf.Tensor {
  const inside = tf.logicalAnd(tf.greaterEqual(ids, tf.scalar(0, 'int32')), tf.less(ids, tf.scalar(segments, 'int32')));
  const starts = tf.tensor(
    Int32Array.from({ length: batch }, (_, e) => e * segments),
    ids.rank === 2 ? [batch, 1] : [1],
    'int32',
  );
  return tf.reshape(tf.where(inside, tf.add(ids, starts), tf.scalar(-1, 'int32')), [ids.size]);
}

/** Engines whose tensors lie in this process's memory: one loop here beats a scatter made of dense kernels. */
const isHostEngine = () => tf.getBackend() === 'cpu' || tf.getBackend() === 'wasm';

function gatherRows(rows: tf.Tensor, ids: tf.Tensor): tf.Tensor {
  return runKernel('MedalignGatherRows', { rows, ids }, {}, () => {
    const n = rows.shape[0]!;
    const inside = tf.logicalAnd(tf.greaterEqual(ids, tf.scalar(0, 'int32')), tf.less(ids, tf.scalar(n, 'int32')));
    const safe = tf.where(inside, ids, tf.scalar(0, 'int32'));
    const gathered = tf.gather(rows, safe as tf.Tensor1D);
    return [tf.where(tf.broadcastTo(tf.expandDims(inside, 1), gathered.shape), gathered, tf.zerosLike(gathered))];
  })[0]!;
}

function scatterRows(rows: tf.Tensor, ids: tf.Tensor, count: number): tf.Tensor {
  return runKernel('MedalignScatterRows', { rows, ids }, { count }, () => {
    const d = rows.shape[1]!;
    if (!isHostEngine()) return [tf.unsortedSegmentSum(rows, ids as tf.Tensor1D, count)];
    const values = rows.dataSync<'float32'>();
    const sums = new Float32Array(count * d);
    ids.dataSync<'int32'>().forEach((id, row) => {
      if (id < 0 || id >= count) return;
      for (let from = row * d, to = id * d; from < (row + 1) * d; from++, to++) sums[to] = sums[to]! + values[from]!;
    });
    return [tf.tensor(sums, [count, d])];
  })[0]!;
}

function checkIds(ids: tf.Tensor): void {
  if (ids.dtype !== 'int32')
    throw new ShapeError(`ids: expected an int32 tensor, got ${ids.dtype}. Fix: tf.tensor(values, shape, 'int32')`);
}
