import * as tf from '@tensorflow/tfjs-core';
import { type KernelCall, replaceKernel } from './heap';

/**
 * What the cpu engine refuses and tfjs-wasm answers with whatever lies in its memory: matrices that do not fit, and slices
 * beyond the end. (Indices: see moves.ts.)
 */
export function registerChecks(): void {
  for (const name of ['BatchMatMul', '_FusedMatMul']) {
    replaceKernel(name, (call, original) => {
      checkProduct(call);
      return original(call);
    });
  }
  replaceKernel('Slice', (call, original) => {
    const x = call.inputs.x as tf.Tensor;
    const { begin, size } = call.attrs as { begin: number | number[]; size: number | number[] };
    tf.slice_util.assertParamsValid(x, ...(tf.slice_util.parseSliceParams(x, begin, size) as [number[], number[]]));
    return original(call);
  });
}

function checkProduct({ inputs, attrs }: KernelCall): void {
  const { a, b } = inputs as { a: tf.TensorInfo; b: tf.TensorInfo };
  const { transposeA, transposeB } = attrs as { transposeA: boolean; transposeB: boolean };
  const inner = a.shape.at(transposeA ? -2 : -1);
  const other = b.shape.at(transposeB ? -1 : -2);
  tf.util.assert(
    a.shape.length > 1 && b.shape.length > 1 && inner === other,
    () =>
      `matMul: expected matrices with the same inner size, got [${a.shape}]${transposeA ? ' transposed' : ''} and ` +
      `[${b.shape}]${transposeB ? ' transposed' : ''}`,
  );
}
