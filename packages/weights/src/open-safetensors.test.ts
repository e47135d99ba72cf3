import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { encodeSafetensors, openSafetensors, type SafetensorsInput, WeightsError, writeSafetensors } from './index';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weights-'));
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true });
});

const floats = (...values: number[]): SafetensorsInput => ({ shape: [values.length], data: Float32Array.from(values) });
const file = (name: string) => join(folder, name);
const put = (name: string, content: Uint8Array | string) => writeFile(file(name), content);
const safe = (name: string, ...values: number[]) => encodeSafetensors(new Map([[name, floats(...values)]]));
const refusal = async (promise: Promise<unknown>): Promise<string> => {
  const error = await promise.then(() => 'not refused').catch((error) => error);
  expect(error).toBeInstanceOf(WeightsError);
  expect(error.message).toMatch(/Fix: |E[A-Z]{4,}/);
  return error.message;
};

describe('single tensors', () => {
  it('are read alone: nothing of the others', async () => {
    const tensors = new Map([
      ['a', floats(1, 2)],
      ['b', floats(...Array(1000).fill(3))],
    ]);
    await writeSafetensors(file('x'), tensors, { metadata: { note: 'n' } });
    const opened = await openSafetensors(file('x'));
    expect([opened.names, opened.metadata]).toEqual([['a', 'b'], { note: 'n' }]);
    expect(Object.fromEntries(opened.entries)).toEqual({
      a: { dtype: 'F32', shape: [2] },
      b: { dtype: 'F32', shape: [1000] },
    });
    const handle = await open(file('x'));
    const spy = vi.spyOn(Object.getPrototypeOf(handle), 'read');
    expect(await opened.read('a')).toEqual({ dtype: 'F32', shape: [2], data: Float32Array.of(1, 2) });
    expect(spy.mock.calls.map(([, , length]) => length)).toEqual([8]);
    await handle.close();
    expect(await refusal(opened.read('c'))).toMatch(/x: there is no tensor 'c'/);
    (await opened.read('a')).shape.push(9);
    expect((await opened.read('a')).shape).toEqual([2]);
    await opened.close();
    await opened.close();
    expect(await refusal(opened.read('a'))).toMatch(/x: 'a' cannot be read: the file was closed/);
  });

  it('of bytes; of a file that is damaged or missing', async () => {
    const opened = await openSafetensors(safe('a', 5));
    expect((await opened.read('a')).data).toEqual(Float32Array.of(5));
    await opened.close();
    await put('x', safe('a', 5).subarray(0, -1));
    expect(await refusal(openSafetensors(file('x')))).toMatch(/x: tensor 'a': ends at byte 4 of 3: truncated/);
    await expect(openSafetensors(file('none'))).rejects.toMatchObject({ name: 'SafetensorsError', code: 'ENOENT' });
  });
});
