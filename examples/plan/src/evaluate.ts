import type { Finding, Sample } from '@medalign/datasets';
import {
  boxMask,
  contrastToNoise,
  type GroundingRecord,
  meanIoU,
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
import type { EncodedImages, PlanModel } from './model';
import type { Tokens } from './tokens';

/** Everything measured on one phrase of one image, by one kind of map. */
export interface PhraseRecord extends GroundingRecord {
  kind: MapKind;
  phrase: string;
  cnr: number | null;
  signedCnr: number | null;
  pointing: 0 | 1 | null;
  /** Mean IoU over thresholds 0.1…0.5 of the map scaled to [−1, 1]. */
  meanIoU: number | null;
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
  const read = new GroundingReader(model, samples, {
    alignment,
    seed,
    kinds,
    tokenize: (texts) => data.tokenize(texts),
  });
  const imageVectors: Float32Array[] = [];
  const textVectors: Float32Array[] = [];
  const reports: string[] = [];

  for await (const batch of data.evaluationBatches(samples, batchSize)) {
    const images = tf.tidy(() => model.encodeImages(batch.images));
    const texts = tf.tidy(() => model.encodeTexts(batch.texts));
    imageVectors.push(...(await unitRows(images.global)));
    textVectors.push(...(await unitRows(texts.global)));
    reports.push(...batch.samples.map((sample) => sample.text));
    await read.add(batch, images);
    tf.dispose([images, texts, batch.images]);
    batch.dispose();
  }

  const scores = imageVectors.map((image) => textVectors.map((text) => dot(image, text)));
  const recall = (k: number) => recallAtK(scores, { k, imageIds: reports, textIds: reports });
  return {
    records: read.records,
    pairs: read.pairs,
    retrieval:
      reports.length >= 10
        ? { gallery: reports.length, at: { 1: recall(1), 5: recall(5), 10: recall(10) } }
        : undefined,
  };
}

/** How phrases are read. */
export interface GroundingOptions {
  alignment: Alignment;
  seed: number;
  kinds: readonly MapKind[];
  tokenize: (texts: readonly string[]) => Tokens;
}

/** Reads the phrases of images, batch by batch, by every kind of map. */
export class GroundingReader {
  readonly records: PhraseRecord[] = [];
  readonly pairs: Measurements['pairs'] = { words: [], phrase: [], gradcam: [] };
  readonly #model: PlanModel;
  readonly #options: GroundingOptions;
  readonly #wrongPhrase: Map<Finding, string>;

  /** @param samples all that will be added: the wrong phrase of each comes from another of their images. */
  constructor(model: PlanModel, samples: readonly Sample[], options: GroundingOptions) {
    this.#model = model;
    this.#options = options;
    this.#wrongPhrase = wrongPhrases(samples, options.seed);
  }

  async add({ samples, transforms }: Pick<Batch, 'samples' | 'transforms'>, images: EncodedImages): Promise<void> {
    const { alignment, kinds, tokenize } = this.#options;
    const phrases = samples.flatMap((sample, m) =>
      (sample.findings ?? []).map((finding) => ({
        sample,
        m,
        finding,
        transform: transforms[m]!,
        wrongPhrase: this.#wrongPhrase.get(finding),
      })),
    );
    if (phrases.length === 0) return;
    const own = tokenize(phrases.map(({ finding }) => finding.phrase));
    const other = tokenize(phrases.map(({ finding, wrongPhrase }) => wrongPhrase ?? finding.phrase));
    const imageOf = phrases.map(({ m }) => m);
    const [ownTexts, otherTexts] = [own, other].map((tokens) => tf.tidy(() => this.#model.encodeTexts(tokens)));
    for (const kind of kinds) {
      const ownMaps = phraseMaps(kind, this.#model, images, ownTexts!, imageOf, alignment);
      const otherMaps = phraseMaps(kind, this.#model, images, otherTexts!, imageOf, alignment);
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
        this.records.push({
          kind,
          imageId: sample.id,
          category: finding.category,
          phrase: finding.phrase,
          cnr: cnr.value,
          signedCnr: cnr.signed,
          pointing: pointingGame(map, mask).value,
          meanIoU: meanIoU(map, mask).value,
          wrongPhraseCnr: wrong?.value ?? null,
          wrongPhraseSignedCnr: wrong?.signed ?? null,
          saturated: cnr.status === 'saturated',
          unknown: cnr.unknown,
        });
        const group = perImage.get(sample.id) ?? [];
        group.push({ imageId: sample.id, category: finding.category, map, mask });
        perImage.set(sample.id, group);
      });
      for (const group of perImage.values()) this.pairs[kind].push(...specificity(group).pairs);
      tf.dispose([ownMaps, otherMaps]);
    }
    tf.dispose([ownTexts!, otherTexts!]);
    own.dispose();
    other.dispose();
  }
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
