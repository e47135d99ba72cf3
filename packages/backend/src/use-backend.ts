import { useBrowserEngine } from './engines/browser';
import { useCpu } from './engines/cpu';
import { EngineError } from './engines/error';
import { inNode } from './engines/node';
import { useTensorflow } from './engines/tensorflow';
import { useTorch } from './engines/torch';
import type { Engine, EngineName, Precision, UseBackendOptions } from './engines/types';
import { useWasm } from './engines/wasm';

type Start = (options: UseBackendOptions) => Promise<Engine>;

const engines: Record<Exclude<EngineName, 'auto'>, Start> = {
  torch: ({ precision, threads }) => useTorch({ precision, threads }),
  cuda: ({ precision, threads }) => useTorch({ device: 'cuda', precision, threads }),
  tensorflow: () => useTensorflow(),
  wasm: useWasm,
  cpu: useCpu,
  webgpu: () => useBrowserEngine('webgpu'),
  webgl: () => useBrowserEngine('webgl'),
};

const PRECISIONS: readonly string[] = ['highest', 'high', 'medium'] satisfies Precision[];

/** Fastest first; a GPU behind TensorFlow is better than none behind torch. */
const preference = (): [label: string, start: Start][] =>
  inNode()
    ? [
        ['cuda', engines.cuda],
        ['tensorflow', () => useTensorflow({ gpu: true })],
        ['torch', ({ precision, threads }) => useTorch({ device: 'cpu', precision, threads })],
        ['tensorflow', engines.tensorflow],
        ['wasm', engines.wasm],
        ['cpu', engines.cpu],
      ]
    : (['webgpu', 'webgl', 'wasm', 'cpu'] as const).map((name) => [name, engines[name]]);

/**
 * Chooses what runs the tensors, makes it tfjs's current backend and returns what it is.
 *
 * | name | what it is | needs |
 * |---|---|---|
 * | `'torch'` | libtorch, CUDA if there is one, else CPU | `@medalign/backend-torch`, PyTorch |
 * | `'cuda'` | libtorch on CUDA, never anything slower | the same, and an NVIDIA GPU |
 * | `'tensorflow'` | TensorFlow's C library | `@tensorflow/tfjs-node-gpu` or `@tensorflow/tfjs-node` |
 * | `'wasm'` | WebAssembly, one thread in Node | nothing else |
 * | `'cpu'` | plain JavaScript | nothing else |
 * | `'webgpu'`, `'webgl'` | a browser's GPU | `@tensorflow/tfjs-backend-webgpu` or `-webgl` |
 * | `'auto'` | the first that works: torch on CUDA, tensorflow on a GPU, torch, tensorflow, wasm, cpu; in browsers webgpu, webgl, wasm, cpu | |
 *
 * A named engine is that engine or an error; only `'auto'` falls back, and says in one line which it took and why not
 * a better one. Tensors made before a change of engine move over when they are next used.
 *
 * @param name engine; default `'auto'`.
 * @param options `precision` `'highest'` (default), `'high'` or `'medium'`: the least that products and convolutions of the
 *   torch engine may be computed in; `threads` of the torch engine on the CPU; `log` receives the line of `'auto'` (default: stderr); `wasmPaths` for browsers.
 * @returns `{ name, device, version }` of the engine in use.
 * @throws {EngineError} if the engine cannot be used: what was tried, why it failed, the command that fixes it.
 * @example
 * const engine = await useBackend('cpu');
 * engine.name; // "cpu"
 * tf.grad((x) => tf.sum(tf.square(x)))(tf.tensor1d([1, 2])); // [2, 4]
 */
export async function useBackend(
  name: EngineName | (string & {}) = 'auto',
  options: UseBackendOptions = {},
): Promise<Engine> {
  const { precision = 'highest', threads } = options;
  if (threads !== undefined && !(Number.isInteger(threads) && threads > 0))
    throw new EngineError(
      name,
      `threads: expected a whole number above 0, got ${threads}`,
      'leave it out for one for each core',
    );
  if (!PRECISIONS.includes(precision))
    throw new EngineError(name, `precision '${precision}' is unknown`, `one of ${PRECISIONS.join(', ')}`);
  if (name !== 'auto') {
    const start = Object.hasOwn(engines, name) ? engines[name as keyof typeof engines] : undefined;
    if (start) return start(options);
    throw new EngineError(
      name,
      'unknown',
      `one of 'auto', ${Object.keys(engines)
        .map((e) => `'${e}'`)
        .join(', ')}`,
    );
  }
  const { log = (line: string) => console.error(line) } = options;
  const reasons = new Map<string, string>();
  for (const [label, start] of preference()) {
    try {
      const engine = await start(options);
      // The same reason for torch on CUDA and torch at all is said once.
      const lines = [...reasons].map(
        ([other, reason]) => `${other === 'cuda' && reason === reasons.get('torch') ? 'torch' : other}: ${reason}`,
      );
      const why = [...new Set(lines)].join('; ');
      log(`Engine: ${engine.name} ${engine.version} on ${engine.device}${why && ` (${why})`}`);
      return engine;
    } catch (error) {
      reasons.set(label, error instanceof EngineError ? error.reason : ((error as Error)?.message ?? String(error)));
    }
  }
  throw new EngineError('auto', [...reasons].map(([label, reason]) => `${label}: ${reason}`).join('; '), 'see each');
}
