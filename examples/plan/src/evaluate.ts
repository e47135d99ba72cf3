import type { Finding, Sample } from '@medalign/datasets';
import {
  boxMask,
  contrastToNoise,
  type GroundingRecord,
  pointingGame,
  type RecallAtK,
  recallAtK,
  type SpecificityPair,
  specificity,
  wrongPhraseControl,
} from '@medalign/eval-metrics';
import { l2Normalize } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';
import type { Alignment } from './config';
import type { Batch, PlanData } from './data';
import { type MapKind, mapKinds, phraseMaps } from './maps';
import type { PlanModel } from './model';

/** Everything measured on one phrase of one image, by one kind of map. */
export interface PhraseRecord extends GroundingRecord {
  kind: MapKind;
  phrase: string;
  cnr: number | null;
  signedCnr: number | null;
  pointing: 0 | 1 | null;
  wrongPhraseCnr: number | null;
  wrongPhraseSignedCnr: number | null;
}

/** Recall at 1, 5 and 10 over one gallery; equal reports are matches of each other. */
export interface Retrieval {
  gallery: number;
  at: Record<1 | 5 | 10, RecallAtK>;
}

/** What is measured on the test images; means and intervals are made from it (summary.ts). */
export interface Measurements {
  records: PhraseRecord[];
  pairs: Record<MapKind, SpecificityPair[]>;
  /** Rank of the best true match per query, and the same for texts. */
  retrieval: Retrieval | undefined;
}

/** Reads a model on a set of samples: grounding by every kind of map, and image ↔ report retrieval. */
export async function measure(
  model: PlanModel,
  data: PlanData,
  samples: readonly Sample[],
  {
    alignment,
    batchSize,
    seed,
    kinds = mapKinds,
  }: { alignment: Alignment; batchSize: number; seed: number; kinds?: readonly MapKind[] },
): Promise<Measurements> {
  const records: PhraseRecord[] = [];
  const pairs: Measurements['pairs'] = { words: [], phrase: [], gradcam: [] };
  const imageVectors: Float32Array[] = [];
  const textVectors: Float32Array[] = [];
  const reports: string[] = [];
  const wrongPhrase = wrongPhrases(samples, seed);

  for await (const batch of data.evaluationBatches(samples, batchSize)) {
    const images = tf.tidy(() => model.encodeImages(batch.images));
    const texts = tf.tidy(() => model.encodeTexts(batch.texts));
    imageVectors.push(...(await unitRows(images.global)));
    textVectors.push(...(await unitRows(texts.global)));
    reports.push(...batch.samples.map((sample) => sample.text));
    await measureGrounding(batch, images);
    tf.dispose([images, texts, batch.images]);
    batch.dispose();
  }

  async function measureGrounding(batch: Batch, images: ReturnType<PlanModel['encodeImages']>) {
    const phrases = batch.samples.flatMap((sample, m) =>
      (sample.findings ?? []).map((finding) => ({
        sample,
        m,
        finding,
        transform: batch.transforms[m]!,
        wrongPhrase: wrongPhrase.get(finding),
      })),
    );
    if (phrases.length === 0) return;
    const own = data.tokenize(phrases.map(({ finding }) => finding.phrase));
    const other = data.tokenize(phrases.map(({ finding, wrongPhrase }) => wrongPhrase ?? finding.phrase));
    const imageOf = phrases.map(({ m }) => m);
    const [ownTexts, otherTexts] = [own, other].map((tokens) => tf.tidy(() => model.encodeTexts(tokens)));
    for (const kind of kinds) {
      const ownMaps = phraseMaps(kind, model, images, ownTexts!, imageOf, alignment);
      const otherMaps = phraseMaps(kind, model, images, otherTexts!, imageOf, alignment);
      const [, height, width] = ownMaps.shape;
      const ownData = (await ownMaps.data()) as Float32Array;
      const otherData = (await otherMaps.data()) as Float32Array;
      const perImage = new Map<string, Parameters<typeof specificity>[0][number][]>();
      phrases.forEach(({ sample, finding, transform, wrongPhrase }, i) => {
        const onImage = (values: Float32Array) =>
          transform.toOriginal(values.subarray(i * height * width, (i + 1) * height * width), { height, width });
        const map = onImage(ownData);
        const mask = boxMask(finding.boxes, transform);
        const cnr = contrastToNoise(map, mask);
        const wrong = wrongPhrase !== undefined ? contrastToNoise(onImage(otherData), mask) : undefined;
        records.push({
          kind,
          imageId: sample.id,
          category: finding.category,
          phrase: finding.phrase,
          cnr: cnr.value,
          signedCnr: cnr.signed,
          pointing: pointingGame(map, mask).value,
          wrongPhraseCnr: wrong?.value ?? null,
          wrongPhraseSignedCnr: wrong?.signed ?? null,
          saturated: cnr.status === 'saturated',
          unknown: cnr.unknown,
        });
        const group = perImage.get(sample.id) ?? [];
        group.push({ imageId: sample.id, category: finding.category, map, mask });
        perImage.set(sample.id, group);
      });
      for (const group of perImage.values()) pairs[kind].push(...specificity(group).pairs);
      tf.dispose([ownMaps, otherMaps]);
    }
    tf.dispose([ownTexts!, otherTexts!]);
    own.dispose();
    other.dispose();
  }

  const scores = imageVectors.map((image) => textVectors.map((text) => dot(image, text)));
  const recall = (k: number) => recallAtK(scores, { k, imageIds: reports, textIds: reports });
  return {
    records,
    pairs,
    retrieval:
      reports.length >= 10
        ? { gallery: reports.length, at: { 1: recall(1), 5: recall(5), 10: recall(10) } }
        : undefined,
  };
}

/** For every finding a phrase of another image; without an entry where there is none. */
function wrongPhrases(samples: readonly Sample[], seed: number): Map<Finding, string> {
  const all = samples.flatMap(({ id, findings = [] }) => findings.map((finding) => ({ id, finding })));
  if (all.length === 0) return new Map();
  const phrases = all.map(({ id, finding }) => ({ imageId: id, category: finding.category, phrase: finding.phrase }));
  const { indices } = wrongPhraseControl(phrases, { seed });
  return new Map(
    indices.flatMap((index, i) => (index < 0 ? [] : [[all[i]!.finding, all[index]!.finding.phrase] as const])),
  );
}

async function unitRows(vectors: tf.Tensor2D): Promise<Float32Array[]> {
  const unit = l2Normalize(vectors);
  const data = (await unit.data()) as Float32Array;
  unit.dispose();
  const d = vectors.shape[1];
  return Array.from({ length: vectors.shape[0] }, (_, i) => data.slice(i * d, (i + 1) * d));
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
