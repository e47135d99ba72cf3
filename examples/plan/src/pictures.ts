import { loadImage, type Sample } from '@medalign/datasets';
import { type Overlay, type OverlayGroup, type ReportBox, writeOverlay } from '@medalign/report';
import * as tf from '@tensorflow/tfjs-core';
import { encodedBatches } from './features';
import { type MapKind, phraseMaps } from './maps';
import type { EncodedTexts, PlanModel } from './model';
import type { Task } from './task';
import type { Tokens } from './tokens';

/** A text to draw over an image, with the boxes that belong to it. */
export interface Reading {
  /** What the pictures are called: their titles are this and the kind of map. */
  title: string;
  phrase: string;
  /** Stands for the phrase's own vector, in maps that are read from it (`phrase`, `gradcam`). */
  vector?: Float32Array;
  boxes: readonly ReportBox[];
}

export interface PictureOptions {
  /** Maps to draw; those of the task by default. */
  kinds?: readonly MapKind[];
  /** What is said of an image, behind its id and under it; by default its report. */
  about?: (sample: Sample) => { title: string; caption: string };
  /** Colours all maps of one kind over one image alike, so that they may be compared. */
  sameColors?: boolean;
}

/** Every kind of map of some phrases over their images, with the boxes: one group per image. */
export async function pictures(
  task: Task,
  samples: readonly Sample[],
  readingsOf: (sample: Sample) => readonly Reading[],
  { kinds = task.kinds, about = ({ text }) => ({ title: '', caption: text }), sameColors = false }: PictureOptions = {},
): Promise<OverlayGroup[]> {
  const { model, alignment, tokenize, config } = task;
  const chosen = samples.filter((sample) => readingsOf(sample).length > 0).slice(0, config.evaluate.pictures);
  if (chosen.length === 0) return [];
  const groups: OverlayGroup[] = [];
  for await (const { samples: own, transforms, images } of encodedBatches(task, chosen, 'pictures')) {
    for (const [m, sample] of own.entries()) {
      const { data, width, height, channels } = await loadImage(sample.image);
      const image = { data, width, height, channels: channels as 1 | 3 };
      const drawn: { kind: MapKind; overlay: Overlay }[] = [];
      for (const { title, phrase, vector, boxes } of readingsOf(sample)) {
        const tokens = tokenize([phrase]);
        for (const kind of kinds) {
          const map = tf.tidy(() => phraseMaps(kind, model, images, textOf(model, tokens, vector), [m], alignment));
          const [, h, w] = map.shape;
          const values = (await map.data()) as Float32Array;
          map.dispose();
          const original = transforms[m]!.toOriginal(values, { height: h, width: w });
          const overlay = { title: `${title}, ${kind}`, image, map: { data: original, width, height }, boxes };
          drawn.push({ kind, overlay });
        }
        tokens.dispose();
      }
      const overlays = sameColors
        ? drawn.map(({ kind, overlay }) => ({ ...overlay, ...rangeOf(drawn, kind) }))
        : drawn.map(({ overlay }) => overlay);
      const { title, caption } = about(sample);
      groups.push({ title: `Image ${sample.id}${title}`, caption, overlays });
    }
  }
  return groups;
}

function textOf(model: PlanModel, tokens: Tokens, vector: Float32Array | undefined): EncodedTexts {
  const encoded = model.encodeTexts(tokens);
  return vector ? { ...encoded, global: tf.tensor2d(vector, [1, vector.length]) } : encoded;
}

/** Smallest and largest value of the maps of a kind; nothing where they are all one value. */
function rangeOf(drawn: readonly { kind: MapKind; overlay: Overlay }[], wanted: MapKind): Pick<Overlay, 'range'> {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const { kind, overlay } of drawn) {
    if (kind !== wanted) continue;
    for (const value of overlay.map!.data as Float32Array) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  return low < high ? { range: [low, high] } : {};
}

/** The pictures as PNGs, `<image>-<number>-<text>-<map>.png`. */
export async function writePictures(folder: string, groups: readonly OverlayGroup[]): Promise<number> {
  const taken = new Set<string>();
  let written = 0;
  for (const { title, overlays } of groups) {
    const name = inFileName(title.replace(/^Image /, '')).slice(-120);
    // Names that differ in such characters alone are different images.
    let own = name;
    for (let again = 2; taken.has(own); again++) own = `${name}-again${again}`;
    taken.add(own);
    for (const [i, overlay] of overlays.entries()) {
      const [, text, kind] = overlay.title.match(/^(.*), (.*)$/s)!;
      await writeOverlay(`${folder}/${own}-${i + 1}-${inFileName(text!).slice(0, 40)}-${kind}.png`, overlay);
      written += 1;
    }
  }
  return written;
}

const inFileName = (text: string) => text.replace(/[^\w.-]+/g, '_').replace(/^_|_$/g, '');
