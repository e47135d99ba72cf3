import type * as tf from '@tensorflow/tfjs-core';
import { segmentShape, segmentSum } from '../kernels/segment-sum';
import { addKernel } from './heap';

/** UnsortedSegmentSum, which the gradient of `gather` (embedding look-up) needs and tfjs-wasm lacks. */
export function registerSegmentSum(): void {
  addKernel('UnsortedSegmentSum', ({ inputs, attrs, backend }) => {
    const { x, segmentIds } = inputs as { x: tf.TensorInfo; segmentIds: tf.TensorInfo };
    const numSegments = attrs.numSegments as number;
    const out = backend.makeOutput(segmentShape(x, segmentIds, numSegments), x.dtype);
    const to = backend.typedArrayFromHeap(out).fill(0);
    segmentSum(backend.typedArrayFromHeap(x), backend.typedArrayFromHeap(segmentIds), to, numSegments);
    return out;
  });
}
