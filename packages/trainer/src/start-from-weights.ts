import { readWeights } from '@medalign/weights';
import { ConfigError } from './errors';

/** A part of a model that published weights are loaded into; every `Module` of `@medalign/encoders` is one. */
export interface LoadsWeights {
  /** What may be loaded, by name. */
  parameters(): ReadonlyMap<string, unknown>;
  /** Loads what fits by name and shape, and says what did not. */
  loadStateDict(
    state: Awaited<ReturnType<typeof readWeights>>,
    options: { strict: false },
  ): { missing: string[]; unexpected: string[]; unused: string[] };
}

/**
 * Loads published weights into a part of a model, as far as they fit, and says on stderr what they lack and what the part
 * has no place for.
 *
 * @param part a `Module` of `@medalign/encoders`.
 * @param path a file or a folder: safetensors or PyTorch.
 * @param options `key`, the setting that named the path: notes and errors begin with it.
 * @throws {ConfigError} if the file has none of the part's parameters; {WeightsError} of the reader.
 * @example
 * const part = { parameters: () => new Map([['weight', 0]]), loadStateDict: () => ({ missing: [], unexpected: [], unused: [] }) };
 * await startFromWeights(part, 'no-such-file', { key: 'model.text.weights' }).catch(({ name }) => name); // "WeightsError"
 */
export async function startFromWeights(part: LoadsWeights, path: string, { key }: { key: string }): Promise<void> {
  const state = await readWeights(path);
  const { missing, unexpected, unused } = part.loadStateDict(state, { strict: false });
  if (missing.length >= part.parameters().size) {
    throw new ConfigError(
      `${key}: ${path} has none of the model's parameters; its names begin with '${[...state.keys()][0]}'`,
    );
  }
  const list = (names: string[]) =>
    `${names.length}${names.length ? ` (${names.slice(0, 3).join(', ')}${names.length > 3 ? ', …' : ''})` : ''}`;
  process.stderr.write(
    `${key}: loaded ${state.source.join(', ')}; missing ${list(missing)}, not used ${list([...unexpected, ...unused])}\n`,
  );
}
