import * as tf from '@tensorflow/tfjs-core';
import { LOWEST } from './log-sum-exp';
import { blockSizes, type Reduction } from './options';

interface Settings {
  isPositive: tf.Tensor | undefined;
  weights: { forward: number; backward: number };
  reduction: Reduction;
  chunkSize: number;
}

/** log Σ exp over one axis, keeping it: `[c, 1]` or `[1, m]`. */
const total = (z: tf.Tensor, axis: number): tf.Tensor =>
  tf.tidy(() => {
    const peak = tf.max(z, axis, true);
    return tf.add(tf.log(tf.sum(exponentials(z, peak), axis, true)), peak);
  });

/** exp(z − shift), holding one temporary of z's size and not two. */
const exponentials = (z: tf.Tensor, shift: tf.Tensor): tf.Tensor => tf.tidy(() => tf.exp(tf.sub(z, shift)));

/** log(exp a + exp b), for merging the columns' totals block by block. */
function merge(a: tf.Tensor, b: tf.Tensor): tf.Tensor {
  const peak = tf.maximum(a, b);
  return tf.add(peak, tf.log1p(tf.exp(tf.sub(tf.minimum(a, b), peak))));
}

const rowsOf = (x: tf.Tensor, start: number, size: number) =>
  tf.slice(x, [start, ...x.shape.slice(1).map(() => 0)], [size, ...x.shape.slice(1)]);

/** Entries (start + i, i) of a block of logits `[c, m]`, as `[c, 1]`, without an m-wide pass. */
function diagonalOf(z: tf.Tensor, start: number): tf.Tensor {
  const [c, m] = z.shape as [number, number];
  return tf.reshape(tf.stridedSlice(tf.reshape(z, [c * m]), [start], [c * m], [m + 1]), [c, 1]);
}

const onlyPositives = (z: tf.Tensor, isPositive: tf.Tensor) => tf.where(isPositive, z, tf.scalar(LOWEST));

/** Everything the value and the gradient need besides u, v, τ: totals per row `[n, 1]` and per column `[1, m]`. */
type Totals = Record<'row' | 'rowPositive' | 'column' | 'columnPositive', tf.Tensor> & {
  /** What an engine's own kernel wants back. */
  state?: tf.Tensor;
};

/**
 * What an engine may do in one call when row i matches row i (n = m), named like the kernels of @medalign/ops:
 *
 * | kernel | inputs | attributes | outputs |
 * |---|---|---|---|
 * | `MedalignInfoNce` | a [n,d] = u/τ, b [m,d] | columns, chunkSize | log Σ exp of a bᵀ per row [n,1] and, if columns, per column [1,m]; the diagonal [n,1]; state |
 * | `MedalignInfoNceGrad` | a, b, row, column, f [n,1], g [1,m], state | columns, chunkSize | W b and Wᵀ a, W = f exp(a bᵀ − row) + g exp(a bᵀ − column) |
 *
 * No more than `chunkSize` rows of a bᵀ exist at a time. `state` is whatever the engine's gradient kernel wants back; an
 * engine has both kernels or none.
 */
function streamed(name: 'MedalignInfoNce' | 'MedalignInfoNceGrad', inputs: tf.NamedTensorMap, attributes: object) {
  if (!tf.getKernel(name, tf.getBackend())) return undefined;
  return tf.engine().runKernel(name, inputs, attributes as tf.NamedAttrMap) as unknown as tf.Tensor[];
}

function totals(u: tf.Tensor, v: tf.Tensor, { isPositive, weights, chunkSize }: Settings): Totals {
  const columns = weights.backward !== 0;
  const fast = isPositive ? undefined : streamed('MedalignInfoNce', { a: u, b: v }, { columns, chunkSize });
  if (fast) {
    const [row, column, rowPositive, state] = fast as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
    return { row, rowPositive, column, columnPositive: tf.reshape(rowPositive, [1, v.shape[0]!]), state };
  }
  const sizes = blockSizes(u.shape[0]!, chunkSize);
  const rows: tf.Tensor[] = [];
  const rowPositives: tf.Tensor[] = [];
  let column: tf.Tensor | undefined;
  let columnPositive: tf.Tensor | undefined;
  sizes.forEach((size, k) => {
    const start = k * chunkSize;
    const [row, rowPositive, ...columns] = tf.tidy(() => {
      const z = tf.matMul(rowsOf(u, start, size), v, false, true);
      const zPositive = isPositive && onlyPositives(z, rowsOf(isPositive, start, size));
      const parts = [total(z, 1), zPositive ? total(zPositive, 1) : diagonalOf(z, start)];
      if (weights.backward === 0) return parts;
      const here = total(z, 0);
      parts.push(column ? merge(column, here) : here);
      if (zPositive) {
        const herePositive = total(zPositive, 0);
        parts.push(columnPositive ? merge(columnPositive, herePositive) : herePositive);
      }
      return parts;
    });
    rows.push(row!);
    rowPositives.push(rowPositive!);
    tf.dispose([column, columnPositive].filter((t) => t !== undefined));
    [column, columnPositive] = columns;
  });
  const row = tf.concat(rows, 0);
  const rowPositive = tf.concat(rowPositives, 0);
  const noColumns = column ?? tf.zeros([1, v.shape[0]!]);
  return {
    row,
    rowPositive,
    column: noColumns,
    columnPositive: columnPositive ?? tf.reshape(isPositive ? tf.zerosLike(noColumns) : rowPositive, [1, v.shape[0]!]),
  };
}

/** Which rows or columns have a positive, 1 or 0; undefined when all have. */
const counted = (isPositive: tf.Tensor | undefined, axis: number) =>
  isPositive && tf.cast(tf.any(isPositive, axis, true), 'float32');

const scaled = (x: tf.Tensor, temperature: tf.Tensor) => tf.div(x, temperature);

/** −log Σpos/Σall per row, 0 where there is no positive. */
function terms(all: tf.Tensor, positive: tf.Tensor, has: tf.Tensor | undefined): tf.Tensor {
  const values = tf.sub(all, positive);
  return has ? tf.where(tf.greater(has, 0), values, tf.zerosLike(values)) : values;
}

/** What one unit of the result weighs in each row's term, before the direction's weight. */
function share(has: tf.Tensor | undefined, length: number, reduction: Reduction): tf.Tensor {
  const one = has ?? tf.scalar(1);
  if (reduction !== 'mean') return one;
  return tf.div(one, has ? tf.maximum(tf.sum(has), 1) : tf.scalar(length));
}

/** InfoNCE of rows taken as they are; see infoNce for the formula. */
export function infoNceOfUnitRows(u: tf.Tensor, v: tf.Tensor, temperature: tf.Scalar, settings: Settings): tf.Tensor {
  const { isPositive, weights, reduction, chunkSize } = settings;
  const [n, m] = [u.shape[0]!, v.shape[0]!];
  return tf.customGrad((...inputs) => {
    const [a, b, t, save] = inputs as unknown as [tf.Tensor, tf.Tensor, tf.Scalar, tf.GradSaveFunc];
    const { row, rowPositive, column, columnPositive, state } = totals(scaled(a, t), b, settings);
    const last = isPositive ?? state;
    save([a, b, t, row, rowPositive, column, columnPositive, ...(last ? [last] : [])]);
    const forward = terms(row, rowPositive, counted(isPositive, 1));
    const backward = terms(column, columnPositive, counted(isPositive, 0));
    const sumOf = (values: tf.Tensor, axis: number, length: number) =>
      reduction === 'none'
        ? tf.reshape(values, [length])
        : tf.sum(tf.mul(values, share(counted(isPositive, axis), length, reduction)));
    const value = tf.mul(sumOf(forward, 1, n), weights.forward);
    return {
      value: weights.backward === 0 ? value : tf.add(value, tf.mul(sumOf(backward, 0, m), weights.backward)),
      gradFunc: (dy, saved) => tf.tidy(() => gradients(dy, saved as tf.Tensor[])),
    };
  })(u, v, temperature);

  // dL/dz_ij = f_i (exp(z_ij − row_i) − [j ∈ P(i)] exp(z_ij − rowPositive_i)) + the same with g_j over the columns
  function gradients(dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] {
    const [a, b, t, row, rowPositive, column, columnPositive, last] = saved as [
      ...[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor],
      tf.Tensor | undefined,
    ];
    const [on, state] = isPositive ? [last, undefined] : [undefined, last];
    const upstream = (shape: number[]) => (reduction === 'none' ? tf.reshape(dy, shape) : dy);
    const weigh = (axis: number, length: number, weight: number, shape: number[]) =>
      tf.broadcastTo(
        tf.mul(tf.mul(share(counted(on, axis), length, reduction), weight), weight === 0 ? 0 : upstream(shape)),
        shape,
      );
    const f = weigh(1, n, weights.forward, [n, 1]);
    const g = weigh(0, m, weights.backward, [1, m]);
    const logits = scaled(a, t);
    const columns = weights.backward !== 0;
    const fast =
      state && streamed('MedalignInfoNceGrad', { a: logits, b, row, column, f, g, state }, { columns, chunkSize });
    const sums: tf.Tensor[] = fast ?? blocks(logits, { b, row, rowPositive, column, columnPositive, f, g, on });
    let [da, db] = [tf.div(sums[0]!, t), sums[1]!];
    if (!on) {
      // the positives are the diagonal: subtract it as rows, not as an n × n matrix
      const diagonal = tf.add(f, tf.reshape(g, [n, 1]));
      da = tf.sub(da, tf.div(tf.mul(diagonal, b), t));
      db = tf.sub(db, tf.mul(diagonal, logits));
    }
    const dt = tf.neg(tf.div(tf.sum(tf.mul(da, a)), t));
    return [da, db, dt];
  }

  /** dL/dz · b and (dL/dz)ᵀ · a, but for the diagonal when the positives lie there. */
  function blocks(
    logits: tf.Tensor,
    {
      b,
      row,
      rowPositive,
      column,
      columnPositive,
      f,
      g,
      on,
    }: Totals & { b: tf.Tensor; f: tf.Tensor; g: tf.Tensor; on: tf.Tensor | undefined },
  ): [tf.Tensor, tf.Tensor] {
    let db: tf.Tensor | undefined;
    const parts = blockSizes(n, chunkSize).map((size, k) => {
      const start = k * chunkSize;
      const [part, dbNext] = tf.tidy(() => {
        const block = rowsOf(logits, start, size);
        const z = tf.matMul(block, b, false, true);
        const softmaxes = (values: tf.Tensor, rows: tf.Tensor, columns: tf.Tensor) =>
          tf.tidy(() => {
            const byRow = tf.mul(rowsOf(f, start, size), exponentials(values, rowsOf(rows, start, size)));
            return weights.backward === 0 ? byRow : tf.add(byRow, tf.mul(g, exponentials(values, columns)));
          });
        let dz = softmaxes(z, row, column);
        if (on) {
          const zPositive = onlyPositives(z, rowsOf(on, start, size));
          // a row without a positive has total −1e30: its weight is 0, but its exponential must stay finite
          const [fromRow, fromColumn] = [rowPositive, columnPositive].map((x) => tf.maximum(x, LOWEST / 2));
          dz = tf.sub(dz, softmaxes(zPositive, fromRow!, fromColumn!));
        }
        const dbHere = tf.matMul(dz, block, true, false);
        return [tf.matMul(dz, b), db ? tf.add(db, dbHere) : dbHere];
      });
      if (db) tf.dispose(db);
      db = dbNext;
      return part!;
    });
    return [tf.concat(parts, 0), db!];
  }
}
