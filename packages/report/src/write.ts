import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import sharp, { type OverlayOptions } from 'sharp';
import { html } from './html';
import { renderPage } from './page';
import { renderBoxes } from './panel';
import { imageToPng, mapToPng } from './png';
import type { MapStyle, Report, ReportBox, ReportImage, ReportMap } from './types';

/**
 * Writes one self-contained HTML file about a run: tables, curves, heat maps, keyword refinement, configuration.
 *
 * The file needs no network and no scripts. Charts are inline SVG, pictures PNG data inside the page; a picture that several panels
 * show (the same `data` array) is stored once. All text is escaped. The file appears under its name only when complete.
 *
 * @param path where to write; missing folders are made.
 * @param report what to show; every part but `title` may be left out.
 * @throws {ReportError} naming the part that cannot be shown, before anything is written.
 * @example
 * await writeReport('runs/example/report.html', {
 *   title: 'Phantom, 300 steps',
 *   curves: [{ title: 'Loss', xLabel: 'step', series: [{ name: 'train', points: [[0, 2.3], [100, 1.1]] }] }],
 *   tables: [{ title: 'Grounding', columns: ['system', 'CNR'], rows: [['PLAN', { value: 1.3, low: 1.2, high: 1.4 }]] }],
 *   config: { delta: 0.5 },
 *   environment: { node: 'v20' },
 * });
 */
export async function writeReport(path: string, report: Report): Promise<void> {
  await writeWhole(path, await renderPage(report));
}

/**
 * Writes an image with its heat map and boxes as one PNG, for slides and papers.
 *
 * The map is min–max scaled unless `range` is given, and laid over the image with an opacity that grows with the value.
 *
 * @param path where to write; missing folders are made.
 * @param options `image`, `map`, `boxes`, `colors`, `range`, and `longestSide` of the PNG in pixels (512).
 * @throws {ReportError} if the data do not fill the sizes, or a colour is not one.
 * @example
 * const image = { data: new Uint8Array(64).fill(80), width: 8, height: 8 };
 * await writeOverlay('runs/example/overlay.png', { image, map: { data: [0, 1, 2, 3], width: 2, height: 2 } });
 */
export async function writeOverlay(
  path: string,
  {
    image,
    map,
    boxes = [],
    longestSide = 512,
    ...style
  }: MapStyle & { image: ReportImage; map?: ReportMap; boxes?: readonly ReportBox[]; longestSide?: number },
): Promise<void> {
  const base = await imageToPng(image, 'image', longestSide);
  const scale = longestSide / Math.max(image.width, image.height);
  const [width, height] = [Math.round(image.width * scale), Math.round(image.height * scale)];
  const size = { width, height, fit: 'fill' as const };
  const layers: OverlayOptions[] = [];
  if (map) {
    const colored = await mapToPng(map, style, 'map', longestSide);
    layers.push({
      input: await sharp(colored.png)
        .resize({ ...size, kernel: 'linear' })
        .png()
        .toBuffer(),
    });
  }
  if (boxes.length > 0) {
    const marks = html`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${image.width} ${image.height}" preserveAspectRatio="none">${renderBoxes(boxes, image, 'overlay')}</svg>`;
    layers.push({ input: Buffer.from(marks.markup) });
  }
  const kernel = scale > 2 ? 'nearest' : 'cubic';
  await writeWhole(
    path,
    await sharp(base)
      .resize({ ...size, kernel })
      .toColourspace('srgb')
      .composite(layers)
      .png()
      .toBuffer(),
  );
}

/** A reader never sees half a file: written beside it, then renamed. */
async function writeWhole(path: string, content: string | Buffer): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true });
  const temporary = join(folder, `.${process.pid}-${Date.now()}-${Math.random().toString(36).slice(2)}.tmp`);
  try {
    await writeFile(temporary, content);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
