import { expect, it } from 'vitest';

it('may be the first import of a program: tensors are still those of the installed tfjs-core', async () => {
  await import('./gradients');
  const tf = await import('@tensorflow/tfjs-core');
  await import('@tensorflow/tfjs-backend-cpu');
  await tf.setBackend('cpu');
  expect(tf.ones([2]).clone()).toBeInstanceOf(tf.Tensor);
  const gradient = tf.grad((x) => tf.sum(tf.avgPool(x as never, 2, 1, 'valid')))(tf.ones([1, 2, 2, 1]));
  expect(Array.from(gradient.dataSync())).toEqual([0.25, 0.25, 0.25, 0.25]);
});
