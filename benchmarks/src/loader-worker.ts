// One way of reading images, in a process of its own: node loader-worker.ts <batches|sharp|sharp-full>.
// Reads lines {"paths": […], "channels": 1, "exposure": false}, answers {"seconds": …, "cpuSeconds": …} of reading all.
import os from 'node:os';
import { createInterface } from 'node:readline';
import { batches, exposureJitter, resizePadCrop, type Sample } from '@medalign/datasets';
import sharp, { type Sharp } from 'sharp';

const [RESIZE, CROP] = [256, 224];

interface Command {
  paths: string[];
  channels: 1 | 3;
  exposure: boolean;
}

/** Decoded, resized, padded, cropped at random, normalised: what a training loop gets. */
async function ours({ paths, channels, exposure }: Command): Promise<number> {
  const samples = paths.map((path): Sample => ({ id: path, patientId: path, text: '', image: { kind: 'file', path } }));
  let count = 0;
  const options = {
    batchSize: 16,
    training: true,
    channels,
    transform: resizePadCrop({ resize: RESIZE, crop: CROP }),
    ...(exposure && { augment: exposureJitter() }),
  };
  for await (const batch of batches(samples, options)) count += batch.shape[0];
  return count;
}

/** Decoded and resized by sharp, as many at once as there are cores. `full`: decoded at full size first. */
const bySharp =
  (full: boolean) =>
  async ({ paths, channels }: Command) => {
    const waiting = [...paths];
    let count = 0;
    const lane = async () => {
      for (let path = waiting.pop(); path; path = waiting.pop()) {
        const image = full ? await decoded(path) : sharp(path);
        const resized = image.resize(RESIZE, RESIZE).toColourspace(channels === 1 ? 'b-w' : 'srgb');
        const { length } = await resized.raw().toBuffer();
        count += Number(length === RESIZE * RESIZE * channels);
      }
    };
    await Promise.all(os.cpus().map(lane));
    return count;
  };

async function decoded(path: string): Promise<Sharp> {
  const { data, info } = await sharp(path).toColourspace('b-w').raw().toBuffer({ resolveWithObject: true });
  return sharp(data, { raw: info });
}

const ways = { batches: ours, sharp: bySharp(false), 'sharp-full': bySharp(true) };
const read = ways[process.argv[2] as keyof typeof ways];
const say = (answer: object) => process.stdout.write(`${JSON.stringify(answer)}\n`);

say({ version: sharp.versions.sharp, device: `libvips ${sharp.versions.vips}` });
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line) as Command;
  const [start, cpu] = [performance.now(), process.cpuUsage()];
  const count = await read(command);
  const { user, system } = process.cpuUsage(cpu);
  const seconds = (performance.now() - start) / 1000;
  const error = count === command.paths.length ? {} : { error: `${count} of ${command.paths.length} images read` };
  say({ seconds, cpuSeconds: (user + system) / 1e6, ...error });
}
