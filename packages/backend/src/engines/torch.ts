import { activate } from './activate';
import { EngineError } from './error';
import { importOptional, needNode } from './node';
import type { Engine } from './types';

const PACKAGE = '@medalign/backend-torch';
const INSTALL = `npm install ${PACKAGE}, and PyTorch for it: pip install torch`;

/**
 * What `@medalign/backend-torch` exports for `useBackend`: registers a tfjs backend called `torch` on that device and
 * says what it is, or throws an error whose message is the reason.
 */
export interface TorchEngine {
  registerTorch(options: { device?: 'cpu' | 'cuda' }): Promise<{ device: string; version: string }>;
}

/** libtorch, on CUDA when it can (or must), else on the CPU. */
export async function useTorch({ device }: { device?: 'cpu' | 'cuda' } = {}): Promise<Engine> {
  const asked = device === 'cuda' ? 'cuda' : 'torch';
  needNode(asked);
  let engine: TorchEngine | undefined;
  let found: { device: string; version: string };
  try {
    engine = await importOptional<TorchEngine>(PACKAGE);
    if (!engine) throw new EngineError(asked, 'not installed', INSTALL);
    found = await engine.registerTorch(device ? { device } : {});
  } catch (cause) {
    if (cause instanceof EngineError) throw cause;
    throw new EngineError(asked, (cause as Error)?.message ?? String(cause), INSTALL, { cause });
  }
  await activate('torch', INSTALL);
  return { name: 'torch', ...found };
}
