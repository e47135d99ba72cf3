import * as tf from '@tensorflow/tfjs-core';

/**
 * f(inputs) whose intermediate tensors are not kept for the backward pass: they are computed again there.
 * Peak memory over a loop of blocks is then that of one block, for one more forward pass.
 */
export function checkpoint(f: (...inputs: tf.Tensor[]) => tf.Tensor, inputs: tf.Tensor[]): tf.Tensor {
  return tf.customGrad((...all) => {
    (all[inputs.length] as unknown as tf.GradSaveFunc)(inputs);
    return { value: tf.tidy(() => f(...inputs)), gradFunc: (dy, saved) => gradients(f, saved as tf.Tensor[], dy) };
  })(...inputs);
}

function gradients(f: (...inputs: tf.Tensor[]) => tf.Tensor, inputs: tf.Tensor[], dy: tf.Tensor): tf.Tensor[] {
  const engine = tf.engine();
  const outer = engine.state.activeTape;
  try {
    return tf.tidy(() => {
      const { grads } = engine.gradients(() => f(...inputs), inputs, dy, true);
      return inputs.map((x, i) => grads[i] ?? tf.zeros(x.shape));
    });
  } finally {
    // the inner pass has cleared the tape that the outer one still has to release
    if (engine.state.gradientDepth === 0) engine.state.activeTape = outer as NonNullable<typeof outer>;
  }
}
