import type { MedRegionSample, Placement } from '@medalign/datasets';
import * as tf from '@tensorflow/tfjs-core';
import { onEngine, type RegionMedData } from './data';
import type { RegionMedModel } from './model';

/** One ROI as a frozen model sees it. */
export interface EncodedRoi {
  /** Its place in the sample's list. */
  number: number;
  /** Unit vectors, before and after it has looked at its image. */
  raw: Float32Array;
  fused: Float32Array;
  /** `[height · width]` attention to each patch, mean over heads, the global token left out; undefined with the paper's literal keys. */
  looks: Float32Array | undefined;
}

/** One image as a frozen model sees it: everything a unit vector of the joint space, as plain arrays. */
export interface EncodedSample {
  sample: MedRegionSample;
  /** Between the image's pixels and what the model is shown. */
  view: Placement;
  /** Patches down and across. */
  grid: [number, number];
  global: Float32Array;
  /** Those that are seen, best score first. */
  rois: EncodedRoi[];
  texts: {
    /** What it is matched with in retrieval. */
    own: Float32Array;
    /** Equal for texts that say the same. */
    id: number;
    caption: Float32Array;
    negatives: Float32Array[];
  };
}

/** All samples in their own order, a batch at a time on the engine. `texts: false` saves the text encoder's time: they are empty then. */
export async function* encodedSamples(
  model: RegionMedModel,
  data: RegionMedData,
  samples: readonly MedRegionSample[],
  { batchSize, texts = true }: { batchSize: number; texts?: boolean },
): AsyncGenerator<EncodedSample> {
  const nothing = new Float32Array(0);
  for await (const batch of data.evaluationBatches(samples, batchSize)) {
    const { samples: own, transforms, roiNumbers, share } = batch;
    const inputs = onEngine(share, data.tokenizer, data.config, { regions: texts });
    const { k, r } = { k: data.config.data.negatives, r: data.config.model.roi.max };
    const [b] = share.shape;
    const encoded = model.encodeRegions(inputs);
    const attention = tf.tidy(() => tf.mean(model.attention(encoded, inputs), 1) as tf.Tensor3D); // [b, r, 1 + p]
    const written = texts ? [model.encodeTexts(inputs.texts), model.encodeTexts(inputs.captions!)] : [];
    const seen = [encoded.global, encoded.rois, encoded.fused, attention];
    const [global, raw, fused, looks, reports, captions] = await Promise.all([...seen, ...written].map(rowsOf));
    tf.dispose([encoded.tokens, ...seen, ...written]);
    inputs.dispose();
    const [height, width] = encoded.grid;
    for (const [i, sample] of own.entries()) {
      yield {
        sample,
        view: transforms[i]!,
        grid: [height, width],
        global: global![i]!,
        rois: roiNumbers[i]!.map((number, place) => {
          const row = i * r + place;
          // with the paper's literal keys there is one weight, and nowhere to point
          const patches = looks![row]!.subarray(-height * width);
          const all = patches.length === height * width;
          return { number, raw: raw![row]!, fused: fused![row]!, looks: all ? patches : undefined };
        }),
        texts: {
          own: reports?.[i] ?? nothing,
          id: share.labels.textIds[i]!,
          caption: captions?.[i] ?? nothing,
          negatives: share.negatives[i]!.map((_, n) => captions?.[b + i * k + n] ?? nothing),
        },
      };
    }
  }
}

/** `[…, d]` as one row for each of the others. */
export async function rowsOf(tensor: tf.Tensor): Promise<Float32Array[]> {
  const data = (await tensor.data()) as Float32Array;
  const d = tensor.shape.at(-1)!;
  return Array.from({ length: data.length / d }, (_, i) => data.slice(i * d, (i + 1) * d));
}

export function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
