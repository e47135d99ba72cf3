import * as tf from '@tensorflow/tfjs-core';
import { runKernel } from '../kernels/registry';
import { replaceKernel } from './native';

/** Corrects kernels of tfjs-node that give wrong numbers, or refuse what every other engine takes. */
export function registerRepairs(): void {
  // On integers TensorFlow 2.21 returns 0 where there was something else.
  replaceKernel('Round', (call, original) =>
    call.inputs.x!.dtype === 'int32' ? runKernel('tensorflow', 'Identity', call.backend, call.inputs) : original(call),
  );
  // A list of indices into one axis: TensorFlow wants it as a column.
  replaceKernel('ScatterNd', (call, original) => {
    const { indices, updates } = call.inputs as Record<'indices' | 'updates', tf.Tensor>;
    if (indices.shape.length > 1) return original(call);
    return tf.tidy(() => {
      const column = tf.reshape(indices, [-1, 1]);
      return original({ ...call, inputs: { indices: column, updates } }) as tf.Tensor;
    });
  });
  // On the CPU TensorFlow refuses an id beyond the last segment, which it and every other engine leave out elsewhere.
  replaceKernel('UnsortedSegmentSum', (call, original) => {
    const { x, segmentIds } = call.inputs as Record<'x' | 'segmentIds', tf.Tensor>;
    return tf.tidy(() => {
      const known = tf.less(segmentIds, tf.scalar(call.attrs.numSegments as number, 'int32'));
      const ids = tf.where(known, segmentIds, tf.scalar(-1, 'int32'));
      return original({ ...call, inputs: { x, segmentIds: ids } }) as tf.Tensor;
    });
  });
}
