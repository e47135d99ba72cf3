import { replaceKernel } from './heap';

/** Identity (`tf.clone`, `tf.stopGradient`, a gradient passed on) without the copy tfjs-wasm makes: data are never written to. */
export function registerIdentity(): void {
  replaceKernel('Identity', (call, original) => {
    const x = call.inputs.x!;
    if (x.dtype === 'string') return original(call);
    call.backend.incRef(x.dataId);
    return { dataId: x.dataId, shape: x.shape, dtype: x.dtype };
  });
}
