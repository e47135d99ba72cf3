import { type Box, loadImage, type Sample } from '@medalign/datasets';
import { type Overlay, type OverlayGroup, writeOverlay } from '@medalign/report';
import * as tf from '@tensorflow/tfjs-core';
import { encodedBatches } from './features';
import { phraseMaps } from './maps';
import type { Task } from './task';

/** A phrase to draw over an image, with the boxes that it should find. */
export interface Reading {
  phrase: string;
  label: string;
  boxes: readonly Box[];
}

/** Every kind of map of some phrases over their images, with the boxes: one group per image. */
export async function pictures(
  task: Task,
  samples: readonly Sample[],
  readingsOf: (sample: Sample) => readonly Reading[],
): Promise<OverlayGroup[]> {
  const { model, alignment, kinds, tokenize, config } = task;
  const chosen = samples.filter((sample) => readingsOf(sample).length > 0).slice(0, config.evaluate.pictures);
  if (chosen.length === 0) return [];
  const groups: OverlayGroup[] = [];
  for await (const { samples: own, transforms, images } of encodedBatches(task, chosen, 'pictures')) {
    for (const [m, sample] of own.entries()) {
      const { data, width, height, channels } = await loadImage(sample.image);
      const image = { data, width, height, channels: channels as 1 | 3 };
      const overlays: Overlay[] = [];
      for (const { phrase, label, boxes } of readingsOf(sample)) {
        const tokens = tokenize([phrase]);
        for (const kind of kinds) {
          const map = tf.tidy(() => phraseMaps(kind, model, images, model.encodeTexts(tokens), [m], alignment));
          const [, h, w] = map.shape;
          const values = (await map.data()) as Float32Array;
          map.dispose();
          overlays.push({
            title: `${phrase}, ${kind}`,
            image,
            map: { data: transforms[m]!.toOriginal(values, { height: h, width: w }), width, height },
            boxes: boxes.map((box) => ({ ...box, label })),
          });
        }
        tokens.dispose();
      }
      groups.push({ title: `Image ${sample.id}`, caption: sample.text, overlays });
    }
  }
  return groups;
}

/** The pictures as PNGs, `<image>-<number>-<map>.png`. */
export async function writePictures(folder: string, groups: readonly OverlayGroup[]): Promise<number> {
  let written = 0;
  for (const { title, overlays } of groups) {
    const name = title.replace(/^Image /, '').replace(/[^\w.-]/g, '_');
    for (const [i, overlay] of overlays.entries()) {
      const kind = overlay.title.split(', ').at(-1);
      await writeOverlay(`${folder}/${name}-${i + 1}-${kind}.png`, overlay);
      written += 1;
    }
  }
  return written;
}
