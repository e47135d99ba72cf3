import os from 'node:os';
import { Column, type Reading } from './column';
import { environment } from './environment';
import { IMAGE_SIDE, makeImages } from './loader-images';
import { digits, median } from './measure';

const IMAGES = 64;

const cases = [
  { name: 'JPEG', kind: 'jpeg', channels: 1, exposure: false },
  { name: 'PNG', kind: 'png', channels: 1, exposure: false },
  { name: 'JPEG, grey to 3 channels', kind: 'jpeg', channels: 3, exposure: false },
  { name: 'JPEG, exposure changed at random', kind: 'jpeg', channels: 1, exposure: true },
] as const;

/** How one of the clocks sees a reading: the wall's with all cores busy, or the processor time that was used. */
const clocks = {
  'by the clock': ({ seconds }: Reading) => seconds * os.cpus().length,
  'by processor time': ({ cpuSeconds }: Reading) => cpuSeconds,
};

/** `batches()` beside sharp alone and Pillow, in turns. In the rows more images are better, a smaller ratio is better. */
export async function benchLoader({
  python,
  rounds,
  filter,
}: {
  python: string;
  rounds: number;
  filter: string[];
}): Promise<object> {
  const chosen = cases
    .map((one) => ({ ...one, name: `${IMAGE_SIDE}² ${one.name}` }))
    .filter(({ name }) => filter.some((text) => name.includes(text)));
  if (chosen.length === 0) throw new Error(`--filter: no case has '${filter.join("' or '")}' in its name`);
  const ways = ['batches', 'sharp', 'sharp-full'];
  const columns = await Promise.all([...ways.map((way) => Column.loader(way)), Column.pillow(python)]);
  const images = await makeImages(IMAGES);
  const results: object[] = [];
  try {
    for (const { name, kind, channels, exposure } of chosen) {
      const command = { paths: images[kind], channels, exposure };
      for (const column of columns) await column.read(command); // files in the cache, code compiled, processes started
      const readings = new Map<Column, Reading[]>(columns.map((column) => [column, []]));
      for (let round = 0; round < rounds; round++)
        for (const [column, list] of readings) list.push(await column.read(command));
      for (const [clock, cost] of Object.entries(clocks)) {
        const speed = (column: Column) => IMAGES / median(readings.get(column)!.map(cost));
        const [ours, sharp, full, pillow] = columns.map(speed) as [number, number, number, number];
        const row = {
          name: `${name}, ${clock}`,
          unit: 'images/s per core',
          ours: digits(ours),
          sharp: digits(sharp),
          sharpFullDecode: digits(full),
          pillow: digits(pillow),
          /** sharp / ours: above 1, sharp alone is faster. */
          sharpOverOurs: digits(sharp / ours),
          rounds,
        };
        results.push(row);
        const others = `sharp ${row.sharp}, decoding in full ${row.sharpFullDecode}   Pillow ${row.pillow}`;
        process.stderr.write(`${row.name.padEnd(70)} ${row.ours}   ${others}   sharp / ours ${row.sharpOverOurs}\n`);
      }
    }
  } finally {
    images.remove();
    for (const column of columns) column.stop();
  }
  const [, sharp, , pillow] = columns.map(({ versions }) => versions);
  return { ...environment({ sharp, pillow }), results };
}
