import { mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readSafetensors, readSafetensorsMetadata, writeSafetensors } from './index';

const newFolder = () => mkdtempSync(join(tmpdir(), 'weights-'));

it('gives back what was written, and nothing else is in the folder', async () => {
  const folder = newFolder();
  const path = join(folder, 'model.safetensors');
  const tensors = new Map([
    ['w', { dtype: 'F32', shape: [2, 1], data: Float32Array.of(1.5, -0) }],
    ['mask', { dtype: 'BOOL', shape: [3], data: Uint8Array.of(1, 0, 1) }],
  ]);
  await writeSafetensors(path, tensors, { metadata: { step: '3', text: 'Größe' } });
  const read = await readSafetensors(path);
  expect(new Map(read)).toEqual(tensors);
  expect(read.metadata).toEqual({ step: '3', text: 'Größe' });
  expect(await readSafetensorsMetadata(path)).toEqual({ step: '3', text: 'Größe' });
  expect(readdirSync(folder)).toEqual(['model.safetensors']);
});
