import '@tensorflow/tfjs-backend-cpu';
import type * as tf from '@tensorflow/tfjs-core';
import { replaceKernel } from './registry';
import { repairKernels } from './repairs';
import { segmentShape, segmentSum } from './segment-sum';

let registered = false;

/** Corrects the cpu engine, once; and its UnsortedSegmentSum, which makes one pass over x for every segment. */
export function registerCpuKernels(): void {
  if (registered) return;
  registered = true;
  repairKernels('cpu');
  replaceKernel('cpu', 'UnsortedSegmentSum', ({ inputs, attrs, backend }) => {
    const { x, segmentIds } = inputs as { x: tf.TensorInfo; segmentIds: tf.TensorInfo };
    const numSegments = attrs.numSegments as number;
    const shape = segmentShape(x, segmentIds, numSegments);
    const size = shape.reduce((a, b) => a * b, 1);
    const values = x.dtype === 'int32' ? new Int32Array(size) : new Float32Array(size);
    const read = (tensor: tf.TensorInfo) => backend.readSync(tensor.dataId) as tf.TypedArray;
    segmentSum(read(x), read(segmentIds), values, numSegments);
    return { dataId: backend.write(values, shape, x.dtype), shape, dtype: x.dtype };
  });
}
