import { activate } from './activate';
import { EngineError } from './error';
import { importOptional, needNode } from './node';
import type { Engine, Precision } from './types';

const PACKAGE = '@medalign/backend-torch';
const INSTALL = `npm install ${PACKAGE}, and PyTorch for it: pip install torch`;

/**
 * What `@medalign/backend-torch` exports for `useBackend`: registers a tfjs backend called `torch` on that device and
 * says what it is, or throws an error: `reason` in a few words and `fix`, or a message.
 */
export interface TorchEngine {
  /** Registers the backend `torch` on a device; CUDA if there is one and none is named. */
  registerTorch(options: {
    device?: 'cpu' | 'cuda';
    precision: Precision;
    threads?: number;
  }): Promise<{ device: string; version: string }>;
}

interface Known {
  reason: string;
  fix: string;
}

/** libtorch, on CUDA when it can (or must), else on the CPU. */
export async function useTorch({
  device,
  precision = 'highest',
  threads,
}: {
  device?: 'cpu' | 'cuda';
  precision?: Precision | undefined;
  threads?: number | undefined;
} = {}): Promise<Engine> {
  const asked = device === 'cuda' ? 'cuda' : 'torch';
  needNode(asked);
  let engine: TorchEngine | undefined;
  let found: { device: string; version: string };
  try {
    engine = await importOptional<TorchEngine>(PACKAGE);
    if (!engine) throw new EngineError(asked, 'not installed', INSTALL);
    found = await engine.registerTorch({ ...(device && { device }), precision, ...(threads && { threads }) });
  } catch (cause) {
    if (cause instanceof EngineError) throw cause;
    // The package's own errors know their fix.
    const { message = String(cause), reason = message, fix = INSTALL } = cause as Partial<Error & Known>;
    throw new EngineError(asked, reason, fix, { cause });
  }
  await activate('torch', INSTALL);
  return { name: 'torch', ...found };
}
