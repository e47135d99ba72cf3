import * as tf from '@tensorflow/tfjs-core';
import { activate } from './activate';
import { EngineError } from './error';
import { importOptional } from './node';
import type { Engine } from './types';

/** A browser's graphics engines. Their packages are the page's choice; one it has imported already is used as it is. */
export async function useBrowserEngine(name: 'webgl' | 'webgpu'): Promise<Engine> {
  const packageName = `@tensorflow/tfjs-backend-${name}`;
  const fix = `npm install ${packageName}, and import '${packageName}' in the page before useBackend`;
  if (!tf.findBackendFactory(name)) {
    await importOptional(packageName).catch((cause) => {
      throw new EngineError(name, `${packageName} does not load: ${cause?.message ?? cause}`, fix, { cause });
    });
  }
  if (!tf.findBackendFactory(name)) throw new EngineError(name, 'not installed', fix);
  await activate(name, `a browser with ${name === 'webgpu' ? 'WebGPU' : 'WebGL 2'}, or another engine`);
  return { name, device: 'gpu', version: tf.version_core };
}
