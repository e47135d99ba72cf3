import { l2Normalize } from '@medalign/similarity';
import type * as tf from '@tensorflow/tfjs-core';

/** x / max(‖x‖, 1e-12) over the last axis. A row of zeros has no direction: it stays zero and its gradient is 0. */
export const unitRows = <T extends tf.Tensor>(x: T): T => l2Normalize(x, { flatAtZero: true });
