import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeSafetensors } from '@medalign/weights';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { ConfigError, startFromWeights } from './index';

let file: string;
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'medalign-start-'));
  file = join(folder, 'model.safetensors');
  const array = { dtype: 'F32' as const, shape: [2], data: Float32Array.of(1, 2) };
  writeFileSync(file, encodeSafetensors(new Map([['a', array], ['b', array], ['head', array]]))); // biome-ignore format: one call
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Takes what has its names. */
function part(...names: string[]) {
  const loaded = new Map<string, number[]>();
  return {
    loaded,
    parameters: () => new Map(names.map((name) => [name, 0])),
    loadStateDict(state: ReadonlyMap<string, { data: ArrayLike<number> }>) {
      for (const [name, { data }] of state) if (names.includes(name)) loaded.set(name, Array.from(data));
      return {
        missing: names.filter((name) => !state.has(name)),
        unexpected: [...state.keys()].filter((name) => !names.includes(name)),
        unused: [],
      };
    },
  };
}

it('loads what fits, and says what is missing and what was not used', async () => {
  const said = vi.spyOn(process.stderr, 'write').mockImplementation(() => true);
  const own = part('a', 'b', 'c');
  await startFromWeights(own, file, { key: 'model.x' });
  const text = String(said.mock.calls[0]![0]);
  said.mockRestore();
  expect([...own.loaded]).toEqual([['a', [1, 2]], ['b', [1, 2]]]); // biome-ignore format: one line
  expect(text).toContain('model.x: loaded');
  expect(text).toContain('missing 1 (c), not used 1 (head)');
});

it('refuses a file that has nothing of the part', async () => {
  const attempt = startFromWeights(part('p', 'q'), file, { key: 'model.x' });
  await expect(attempt).rejects.toThrow(ConfigError);
  await expect(attempt).rejects.toThrow(/model\.x: .* has none of the model's parameters; its names begin with 'a'/);
});
