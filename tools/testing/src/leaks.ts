import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';

/** Fails if calling `f` leaves more tensors behind than the ones it returns, or disposes one it was given. */
export function expectNoLeak(f: () => tf.TensorContainer, given: tf.Tensor[] = []): void {
  tf.dispose(f()); // constants an engine keeps after a first call are not a leak
  const before = tf.memory().numTensors;
  tf.dispose(f());
  expect(tf.memory().numTensors - before, 'tensors left behind').toBe(0);
  for (const tensor of given) expect(tensor.isDisposed, 'an input was disposed').toBe(false);
}
