import * as tf from '@tensorflow/tfjs-core';
import { addKernel } from './heap';

/**
 * UnsortedSegmentSum, which the gradient of `gather` (embedding look-up) needs and tfjs-wasm lacks: rows of x whose
 * segment id is s are added into row s; ids outside `[0, numSegments)` are dropped, as on the other engines.
 */
export function registerSegmentSum(): void {
  addKernel('UnsortedSegmentSum', ({ inputs, attrs, backend }) => {
    const { x, segmentIds } = inputs as { x: tf.TensorInfo; segmentIds: tf.TensorInfo };
    const numSegments = attrs.numSegments as number;
    const rows = tf.util.sizeFromShape(segmentIds.shape);
    const row = tf.util.sizeFromShape(x.shape.slice(segmentIds.shape.length));
    const shape = [numSegments, ...x.shape.slice(segmentIds.shape.length)];
    const out = backend.makeOutput(shape, x.dtype);
    const from = backend.typedArrayFromHeap(x);
    const to = backend.typedArrayFromHeap(out).fill(0);
    const ids = backend.typedArrayFromHeap(segmentIds);
    for (let r = 0; r < rows; r++) {
      const segment = ids[r]!;
      if (segment < 0 || segment >= numSegments) continue;
      for (let i = r * row, target = segment * row; i < (r + 1) * row; i++, target++) {
        to[target] = to[target]! + from[i]!;
      }
    }
    return out;
  });
}
