import * as tf from '@tensorflow/tfjs-core';

type Block = (shared: tf.Tensor[], images: tf.Tensor[]) => tf.Tensor;

const blockOf = (x: tf.Tensor, start: number, size: number) =>
  tf.slice(x, [start, ...x.shape.slice(1).map(() => 0)], [size, ...x.shape.slice(1)]);

/**
 * f over blocks of images, its columns side by side. A block's intermediate tensors are not kept for the backward pass but
 * computed again there, so peak memory is that of one block, for one more forward pass.
 *
 * All blocks are one recorded step: recorded one by one, tfjs would keep every block's gradient of the shared tensors
 * until the end, which is as much memory as was saved.
 */
export function blockwise(f: Block, shared: tf.Tensor[], images: tf.Tensor[], sizes: number[]): tf.Tensor {
  const starts = sizes.map((_, k) => sizes.slice(0, k).reduce((a, b) => a + b, 0));
  const blocks = (all: tf.Tensor[], k: number) => all.map((x) => blockOf(x, starts[k]!, sizes[k]!));

  return tf.customGrad((...inputs) => {
    (inputs[shared.length + images.length] as unknown as tf.GradSaveFunc)([...shared, ...images]);
    const columns = sizes.map((_, k) => tf.tidy(() => f(shared, blocks(images, k))));
    return {
      value: tf.concat(columns, 1),
      gradFunc: (dy, saved) => tf.tidy(() => backward(dy, saved as tf.Tensor[])),
    };
  })(...shared, ...images);

  function backward(dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] {
    const own = saved.slice(0, shared.length);
    let sums: tf.Tensor[] = own.map((x) => tf.zeros(x.shape));
    const parts = sizes.map((size, k) => {
      const gradients = tf.tidy(() => {
        const inputs = [...own, ...blocks(saved.slice(shared.length), k)];
        const columns = tf.slice(dy, [0, starts[k]!], [dy.shape[0]!, size]);
        const all = gradientsInside((xs) => f(xs.slice(0, own.length), xs.slice(own.length)), inputs, columns);
        return all.map((gradient, i) => (i < own.length ? tf.add(sums[i]!, gradient) : gradient));
      });
      tf.dispose(sums);
      sums = gradients.slice(0, own.length);
      return gradients.slice(own.length);
    });
    return [...sums, ...images.map((_, i) => tf.concat(parts.map((part) => part[i]!)))];
  }
}

/** Gradients taken in the middle of a backward pass, zeros for inputs that have none. */
function gradientsInside(f: (xs: tf.Tensor[]) => tf.Tensor, xs: tf.Tensor[], dy: tf.Tensor): tf.Tensor[] {
  const engine = tf.engine();
  const outer = engine.state.activeTape;
  try {
    const { grads } = engine.gradients(() => f(xs), xs, dy, true);
    return xs.map((x, i) => grads[i] ?? tf.zeros(x.shape));
  } finally {
    // the inner pass has cleared the tape that the outer one still has to release
    if (engine.state.gradientDepth === 0) engine.state.activeTape = outer as NonNullable<typeof outer>;
  }
}
