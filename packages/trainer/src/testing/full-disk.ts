import '@tensorflow/tfjs-backend-cpu';
import { readdirSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { loadCheckpoint, saveCheckpoint } from '../checkpoint';

/** Fills a disk of 96 KiB: with 40 kB first, then with 80 kB that do not fit. Prints what happened as JSON. */
const folder = process.argv[2]!;
const message = (error: Error) => error.message;
const tensors = (bytes: number) => new Map([['w', tf.fill([bytes / 4], 1)]]);

await saveCheckpoint(folder, { step: 1, tensors: tensors(40_000) });
const asked = await saveCheckpoint(folder, { step: 2, tensors: tensors(80_000) }).catch(message);
// Somebody else takes the room between the question and the write.
const { writeSafetensors } = await import('@medalign/weights');
const write: typeof writeSafetensors = async (path, entries, options) => {
  const { bavail, bsize } = statfsSync(folder);
  writeFileSync(join(folder, 'other'), Buffer.alloc(Math.max(0, bavail * bsize - 8192)));
  await writeSafetensors(path, entries, options);
};
const written = await saveCheckpoint(folder, { step: 2, tensors: tensors(30_000), write }).catch(message);
const files = readdirSync(folder).filter((name) => name !== 'other');
const { tensors: loaded } = await loadCheckpoint(join(folder, files[0]!));
const first = [...loaded.get('w')!.dataSync().slice(0, 2)];
console.log(JSON.stringify({ asked, written, files, first }));
