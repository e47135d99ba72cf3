import { resizePadCrop } from '@medalign/datasets/transforms';
import type { GridMap } from '@medalign/example-plan/read-phrase';
import { colorStops, paintMap } from '@medalign/report/paint';
import { describeMap, number, sayHottest } from './describe';
import type { Picture } from './image';

/** Longest side of the picture on the page, in pixels: a map over more of them would look the same and take long. */
const LONGEST = 768;

/** The image with a map over it, its colour bar and its text alternative. */
export class PictureView {
  readonly #canvas: HTMLCanvasElement;
  readonly #parts: Record<'low' | 'high' | 'caption' | 'bar', HTMLElement>;
  #painted: { picture: Picture; layer: HTMLCanvasElement } | undefined;

  constructor(canvas: HTMLCanvasElement, parts: Record<'low' | 'high' | 'caption' | 'bar', HTMLElement>) {
    this.#canvas = canvas;
    this.#parts = parts;
    parts.bar.style.background = `linear-gradient(90deg, ${colorStops().join(', ')})`;
  }

  /** @param of what the map is of, such as “opacity”. @returns where it is highest, in a sentence. */
  show(picture: Picture, map: GridMap, size: { resize: number; crop: number }, of: string): string {
    const { raster, name } = picture;
    const scale = LONGEST / Math.max(raster.width, raster.height);
    const shown = {
      width: Math.max(1, Math.round(raster.width * scale)),
      height: Math.max(1, Math.round(raster.height * scale)),
    };
    const data = resizePadCrop(size).place(shown).toOriginal(map.data, map);
    const { pixels, low, high, unknown } = paintMap({ data, ...shown });
    const layer = Object.assign(document.createElement('canvas'), shown);
    layer.getContext('2d')!.putImageData(new ImageData(pixels, shown.width, shown.height), 0, 0);
    Object.assign(this.#canvas, shown);
    this.#painted = { picture, layer };

    const alternative = describeMap({ data, ...shown }, { name, of, low, high });
    this.#canvas.setAttribute('aria-label', alternative);
    this.#parts.low.textContent = number(low);
    this.#parts.high.textContent = number(high);
    this.#parts.caption.textContent = alternative + (unknown ? ' Grey: not seen by the model.' : '');
    return sayHottest({ data, ...shown });
  }

  /** @param strength of the map, 0…1. */
  draw(strength: number): void {
    if (!this.#painted) return;
    const { picture, layer } = this.#painted;
    const { width, height } = this.#canvas;
    const context = this.#canvas.getContext('2d')!;
    context.globalAlpha = 1;
    context.drawImage(picture.canvas, 0, 0, width, height);
    context.globalAlpha = strength;
    context.drawImage(layer, 0, 0);
  }
}
