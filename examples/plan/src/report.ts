import { readFileSync } from 'node:fs';
import type { Sample } from '@medalign/datasets';
import { loadImage, sentences } from '@medalign/datasets';
import {
  type Overlay,
  type OverlayGroup,
  type Refinement,
  type ReportTable,
  writeOverlay,
  writeReport,
} from '@medalign/report';
import { type RunFolder, readMetrics } from '@medalign/trainer';
import * as tf from '@tensorflow/tfjs-core';
import type { Alignment, Config } from './config';
import type { PlanData } from './data';
import type { Measurements } from './evaluate';
import { type MapKind, mapKinds, phraseMaps } from './maps';
import type { PlanModel } from './model';
import { resolveModel } from './recipes';
import { hasRounds, refinementRounds } from './rounds';
import { type Grounding, recallOf, summarize } from './summary';

/** One reading of the model. */
export interface Reading {
  measured: Measurements;
  grounding?: Grounding | undefined;
}

export interface PlanReportInputs {
  folder: RunFolder;
  config: Config;
  alignment: Alignment;
  engine: { name: string };
  data: PlanData;
  model: PlanModel;
  before: Reading;
  after: Reading;
  kind: MapKind;
  tables?: ReportTable[];
}

/** Writes report.html and overlays/ into the run folder; returns the path of the report. */
export async function writePlanReport({
  folder,
  config,
  alignment,
  engine,
  data,
  model,
  before,
  after,
  kind,
  tables = [],
}: PlanReportInputs): Promise<string> {
  const chosen = choosePictures(data.split.test, config.evaluate.pictures);
  const groups: OverlayGroup[] = [];
  const refinement: Refinement[] = [];
  for (const sample of chosen) {
    const picture = await readPicture(sample, data, model, alignment, kind);
    if (picture.overlays.length > 0)
      groups.push({ title: `Image ${sample.id}`, caption: sample.text, overlays: picture.overlays });
    if (picture.refinement) refinement.push(picture.refinement);
    for (const [i, overlay] of picture.overlays.entries()) {
      await writeOverlay(folder.file(`overlays/${sample.id.replace(/[^\w.-]/g, '_')}-${i + 1}.png`), overlay);
    }
  }
  const path = folder.file('report.html');
  await writeReport(path, {
    title: `PLAN on ${data.dataset.name}, recipe '${config.recipe}'`,
    summary: summaryText({ config, data, before, after, kind, engine }),
    highlights: highlights(after),
    curves: curves(folder),
    tables: [...tables, ...metricTables(config, before, after)],
    overlays: groups,
    refinement,
    notes: [
      ...data.dataset.notes,
      'Every number is read on the test part of the split by patient, which training never read. Intervals are 95 % percentile bootstraps over images.',
      ...(data.split.test.some(({ findings }) => findings?.length)
        ? [
            'The absolute CNR alone proves little: untrained maps of images with salient lesions reach 1 and more. Read it beside the signed CNR, the specificity and the wrong-phrase control.',
          ]
        : []),
    ],
    config: { ...config, model: resolveModel(config), alignment },
    environment: JSON.parse(readFileSync(folder.file('env.json'), 'utf8')),
  });
  return path;
}

/** Images with findings first: those with two of one category, then the ones with most findings. */
function choosePictures(samples: readonly Sample[], count: number): Sample[] {
  const findings = (sample: Sample) => sample.findings ?? [];
  const twins = (sample: Sample) => findings(sample).length - new Set(findings(sample).map((f) => f.category)).size;
  return [...samples].sort((a, b) => twins(b) - twins(a) || findings(b).length - findings(a).length).slice(0, count);
}

async function readPicture(
  sample: Sample,
  data: PlanData,
  model: PlanModel,
  alignment: Alignment,
  kind: MapKind,
): Promise<{ overlays: Overlay[]; refinement: Refinement | undefined }> {
  const { value: batch } = await data.evaluationBatches([sample], 1).next();
  if (!batch) throw new Error(`${sample.id}: no batch`);
  const [transform] = batch.transforms;
  const image = await loadImage(sample.image);
  const picture = { data: image.data, width: image.width, height: image.height, channels: image.channels as 1 | 3 };
  const onImage = (values: Float32Array, height: number, width: number) => ({
    data: transform!.toOriginal(values, { height, width }),
    width: image.width,
    height: image.height,
  });
  const findings = sample.findings ?? [];
  // Without phrase boxes the report's own sentences are read, and the regions that are known stand in for the truth.
  const regions = (sample.regions ?? []).map(({ box, name }) => ({ ...box, label: name }));
  const readings = findings.length
    ? findings.map(({ phrase, category, boxes }) => ({
        phrase,
        boxes: boxes.map((box) => ({ ...box, label: category })),
      }))
    : sentences(sample.text)
        .slice(0, 3)
        .map((phrase) => ({ phrase, boxes: regions }));
  const boxes = findings.length
    ? findings.flatMap((finding) => finding.boxes.map((box) => ({ ...box, label: finding.phrase })))
    : regions;

  const overlays: Overlay[] = [];
  if (readings.length > 0) {
    const tokens = data.tokenize(readings.map(({ phrase }) => phrase));
    const imageOf = readings.map(() => 0);
    const maps = tf.tidy(() =>
      phraseMaps(kind, model, model.encodeImages(batch.images), model.encodeTexts(tokens), imageOf, alignment),
    );
    const [, h, w] = maps.shape;
    const values = (await maps.data()) as Float32Array;
    readings.forEach(({ phrase, boxes }, i) => {
      const map = onImage(values.subarray(i * h * w, (i + 1) * h * w), h, w);
      overlays.push({ title: phrase, image: picture, map, boxes });
    });
    maps.dispose();
    tokens.dispose();
  }

  if (!hasRounds(alignment)) {
    batch.dispose();
    return { overlays, refinement: undefined };
  }
  const aligned = refinementRounds(model, batch.images, batch.texts, alignment);
  const words = batch.texts.words[0]!;
  const side = Math.round(Math.sqrt(aligned[0]!.map.size));
  const iterations = [];
  for (const { map, keywordMask } of aligned) {
    const kept = await keywordMask.data();
    iterations.push({
      map: onImage((await map.data()) as Float32Array, side, side),
      keywords: words.map((_: string, i: number) => kept[i] === 1),
    });
  }
  tf.dispose(aligned as unknown as tf.TensorContainer);
  batch.dispose();
  const refinement = {
    title: `Image ${sample.id}`,
    caption: 'The mean over the kept words of their rows of the similarity matrix, after each round.',
    image: picture,
    words,
    boxes,
    iterations,
  };
  return { overlays, refinement };
}

function highlights({ measured, grounding }: Reading) {
  const recall = recallOf(measured, 10);
  return [
    ...(grounding
      ? [
          {
            label: 'Specificity',
            value: grounding.specificity,
            note: 'own box above another phrase’s box; chance 0.5',
          },
          { label: 'Signed CNR', value: grounding.signedCnr, note: 'macro over categories' },
          { label: 'Pointing game', value: grounding.pointing, note: 'maximum inside the box' },
        ]
      : []),
    ...(recall.value === null
      ? []
      : [
          {
            label: 'R@10',
            value: recall.value,
            note: `gallery ${measured.retrieval!.gallery}, chance ${recall.chance!.toFixed(3)}`,
          },
        ]),
  ];
}

function summaryText({
  config,
  data,
  after,
  kind,
  engine,
}: Pick<PlanReportInputs, 'config' | 'data' | 'before' | 'after' | 'kind'> & { engine: { name: string } }): string {
  const { train, validation, test } = data.split;
  return [
    `Trained on ${train.length} images of ${data.dataset.name} (${validation.length} for validation) on the ${engine.name} engine, read on ${test.length} images of unseen patients.`,
    after.grounding
      ? `Grounding numbers at the top are read from the '${kind}' map; all three kinds of map are in the table. ${config.recipe === 'paper' ? 'Recipe: the paper as read literally.' : `Recipe: ${config.recipe}.`}`
      : 'This data set has no phrase boxes, so there is no grounding table.',
  ].join('\n\n');
}

function metricTables(config: Config, before: Reading, after: Reading): ReportTable[] {
  const tables: ReportTable[] = [];
  const options = { resamples: config.evaluate.bootstrap, seed: config.seed };
  const rows = (['before', 'after'] as const).flatMap((when) =>
    mapKinds.flatMap((kind) => {
      const g = summarize((when === 'before' ? before : after).measured, kind, options);
      return g
        ? [
            [
              `${kind}, ${when}`,
              g.cnr,
              g.signedCnr,
              g.wrongPhraseCnr,
              g.specificity,
              g.sameCategorySpecificity,
              g.pointing,
            ],
          ]
        : [];
    }),
  );
  if (rows.length > 0) {
    tables.push({
      title: 'Phrase grounding by map',
      caption:
        'words: rows of S over the phrase; phrase: the phrase’s own vector against pixel features; gradcam: Grad-CAM on the last block. Macro means over categories; specificity over pairs.',
      columns: ['map', 'CNR', 'signed CNR', 'CNR, wrong phrase', 'specificity', 'same category', 'pointing'],
      rows,
    });
  }
  if (after.grounding) {
    tables.push({
      title: 'By category',
      columns: ['category', 'CNR', '± std', 'signed CNR', '± std', 'pointing', 'n'],
      rows: Object.entries(after.grounding.categories).map(([name, c]) => [
        name,
        c.mean,
        c.std,
        c.signedMean,
        c.signedStd,
        c.pointing,
        c.n,
      ]),
    });
  }
  if (after.measured.retrieval) {
    tables.push({
      title: 'Image ↔ report retrieval',
      caption: `Gallery of ${after.measured.retrieval.gallery}; equal reports are matches of each other.`,
      columns: ['', 'before', 'after', 'image → report', 'report → image', 'chance'],
      rows: ([1, 5, 10] as const).map((k) => {
        const r = recallOf(after.measured, k);
        return [`R@${k}`, recallOf(before.measured, k).value, r.value, r.imageToText, r.textToImage, r.chance];
      }),
    });
  }
  return tables;
}

function curves(folder: RunFolder) {
  const lines = readMetrics(folder.metrics);
  const training = lines.filter((line) => line.kind === 'train');
  const series = (name: string, from = training) => ({
    name,
    points: from
      .filter((line) => typeof line[name] === 'number')
      .map((line) => [line.step, line[name] as number] as const),
  });
  const terms: string[] = Object.keys(training.at(-1) ?? {}).filter((name) => /^(global|local)\d+$/.test(name));
  const validation = lines.filter((line) => line.kind === 'validation');
  return [
    {
      title: 'Loss',
      xLabel: 'step',
      series: [
        series('loss'),
        ...(validation.length > 1 ? [{ ...series('loss', validation), name: 'validation' }] : []),
      ],
    },
    { title: 'Loss terms', xLabel: 'step', series: terms.map((name: string) => series(name)) },
    { title: 'Learning rate', xLabel: 'step', series: [series('learningRate')] },
    {
      title: 'Gradient norm before clipping',
      xLabel: 'step',
      yScale: 'log' as const,
      series: [series('gradientNorm')],
    },
  ].filter((curve) => curve.series.some(({ points }) => points.length > 1));
}
