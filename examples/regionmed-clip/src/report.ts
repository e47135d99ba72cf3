import { readFileSync } from 'node:fs';
import { loadImage, type MedRegionSample } from '@medalign/datasets';
import { type OverlayGroup, type ReportTable, writeOverlay, writeReport } from '@medalign/report';
import { type RunFolder, readMetrics } from '@medalign/trainer';
import * as tf from '@tensorflow/tfjs-core';
import type { Config } from './config';
import { onEngine, type RegionMedData } from './data';
import { hardNegativeReadings } from './evaluate';
import type { RegionMedModel } from './model';
import type { StageLine } from './run';
import type { Summary } from './summary';
import { readingNames } from './table';

export interface RegionMedReportInputs {
  folder: RunFolder;
  config: Config;
  engine: { name: string };
  data: RegionMedData;
  model: RegionMedModel;
  before: Summary;
  after: Summary;
  stages: readonly StageLine[];
}

/** Writes report.html and overlays/ into the run folder; returns the path of the report. */
export async function writeRegionMedReport(inputs: RegionMedReportInputs): Promise<string> {
  const { folder, config, engine, data, model, before, after, stages } = inputs;
  const groups = await attentionPictures(model, data, choosePictures(data.split.test, config.evaluate.pictures));
  for (const { id, group } of groups) {
    for (const [i, overlay] of group.overlays.entries())
      await writeOverlay(folder.file(`overlays/${id.replace(/[^\w.-]/g, '_')}-${i + 1}.png`), overlay);
  }
  const { train, validation, test } = data.split;
  const path = folder.file('report.html');
  await writeReport(path, {
    title: `RegionMed-CLIP on ${data.dataset.name}`,
    summary: [
      `Trained on ${train.length} images of ${data.dataset.name} (${validation.length} for validation) in ${config.stages.length} stages on the ${engine.name} engine, read on ${test.length} images of unseen patients.`,
      `ROI features: ${config.model.roi.features === 'align' ? 'RoIAlign on the patch grid, one pass for an image and all its ROIs' : 'crops, each encoded as an image'}. An ROI then looks at the patches of its image (cross-attention), and is compared with captions.`,
    ].join('\n\n'),
    highlights: highlights(after),
    curves: curves(folder, stages),
    tables: tables(before, after, stages),
    overlays: groups.map(({ group }) => group),
    notes: [
      'Every number is read on patients that the model never saw. Intervals are 95 % percentile bootstraps over images.',
      'An ROI is told apart from all its negative captions at once: with five of them, guessing is right once in six.',
      'The pointing game is won if the patch with the highest attention weight (mean over heads) lies in the box of the ROI that looks; nothing in the losses asks for it.',
    ],
    config: { ...config },
    environment: JSON.parse(readFileSync(folder.file('env.json'), 'utf8')),
  });
  return path;
}

/** One image with ROIs of each modality in turn, those with the most ROIs first. */
function choosePictures(samples: readonly MedRegionSample[], count: number): MedRegionSample[] {
  const byModality = new Map<string, MedRegionSample[]>();
  for (const sample of [...samples].sort((a, b) => b.rois.length - a.rois.length)) {
    if (sample.rois.length > 0) byModality.set(sample.modality, [...(byModality.get(sample.modality) ?? []), sample]);
  }
  const lists = [...byModality].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, list]) => list);
  const longest = Math.max(0, ...lists.map((list) => list.length));
  return Array.from({ length: longest }, (_, i) => lists.flatMap((list) => list[i] ?? []))
    .flat()
    .slice(0, count);
}

/** Where every ROI of an image looks: the mean over heads of its attention to the patches, over the image, with its box. */
async function attentionPictures(
  model: RegionMedModel,
  data: RegionMedData,
  samples: readonly MedRegionSample[],
): Promise<{ id: string; group: OverlayGroup }[]> {
  const result: { id: string; group: OverlayGroup }[] = [];
  if (samples.length === 0) return result;
  for await (const { samples: own, transforms, roiNumbers, share } of data.evaluationBatches(samples, 16)) {
    const inputs = onEngine(share, data.tokenizer, data.config, { regions: false });
    const encoded = model.encodeRegions(inputs);
    const attention = tf.tidy(() => tf.mean(model.attention(encoded, inputs), 1) as tf.Tensor3D);
    const [, r, t] = attention.shape as [number, number, number];
    const [height, width] = encoded.grid;
    const values = (await attention.data()) as Float32Array;
    tf.dispose([encoded.tokens, encoded.global, encoded.rois, encoded.fused, attention]);
    inputs.dispose();
    for (const [i, sample] of own.entries()) {
      const loaded = await loadImage(sample.image);
      const image = { ...loaded, channels: loaded.channels as 1 | 3 };
      const overlays = roiNumbers[i]!.map((number, place) => {
        const weights = values.subarray((i * r + place) * t, (i * r + place + 1) * t);
        const map =
          t < height * width
            ? undefined // the paper's literal keys: one weight, 1
            : transforms[i]!.toOriginal(weights.subarray(t - height * width), { height, width });
        const { x, y, width: w, height: h, caption } = sample.rois[number]!;
        return {
          title: caption ?? sample.regionCaption,
          image,
          ...(map && { map: { data: map, width: image.width, height: image.height } }),
          boxes: [{ x, y, width: w, height: h, label: `ROI ${number + 1}` }],
        };
      });
      const group = { title: `${sample.modality}: image ${sample.id}`, caption: sample.report, overlays };
      result.push({ id: sample.id, group });
    }
  }
  return result;
}

function highlights({ recall, gallery, hardNegative, pointing, zeroShotAuc }: Summary) {
  const chance = (value: number | null) => (value === null ? '' : `chance ${value.toFixed(3)}`);
  return [
    { label: 'Recall@1', value: recall[1].value, note: `gallery ${gallery}, ${chance(recall[1].chance)}` },
    { label: 'Hard negatives', value: hardNegative.fused.value, note: chance(hardNegative.fused.chance) },
    { label: 'Zero-shot AUC', value: zeroShotAuc.value, note: 'mean of modalities, chance 0.5' },
    { label: 'Pointing game', value: pointing.value, note: chance(pointing.chance) },
  ].filter(({ value }) => value !== null);
}

function tables(before: Summary, after: Summary, stages: readonly StageLine[]): ReportTable[] {
  const stageRows = stages.map(({ stage, step, test }) => [
    stage,
    step,
    test.recallAt1,
    test.recallAt5,
    test.recallAt10,
    test.hardNegativeAccuracy,
    test.pointing,
    test.zeroShotAucMean,
  ]);
  return [
    {
      title: 'Image ↔ text retrieval',
      caption: `Gallery of ${after.gallery}; equal texts are matches of each other.`,
      columns: ['', 'before', 'after', 'text → image', 'image → text', 'chance'],
      rows: ([1, 5, 10] as const).map((k) => {
        const one = after.recall[k];
        return [`R@${k}`, before.recall[k], one, one.textToImage, one.imageToText, one.chance];
      }),
    },
    {
      title: 'Regions',
      caption: 'Mean over the ROIs of an image, then over images.',
      columns: ['', 'before', 'after', 'chance', { title: 'ROIs', digits: 0 }],
      rows: [
        ...hardNegativeReadings.map((reading) => {
          const one = after.hardNegative[reading];
          return [readingNames[reading].trim(), before.hardNegative[reading], one, one.chance, one.n];
        }),
        ['pointing game', before.pointing, after.pointing, after.pointing.chance, after.pointing.n],
      ],
    },
    ...(stageRows.length > 0
      ? [
          {
            title: 'After each stage',
            columns: [
              'stage',
              { title: 'step', digits: 0 },
              'R@1',
              'R@5',
              'R@10',
              'hard negatives',
              'pointing',
              'zero-shot AUC',
            ],
            rows: stageRows,
          },
        ]
      : []),
    {
      title: 'Zero-shot by prompts',
      caption: 'AUC of each class among the images of its modality, macro over the classes that have both labels.',
      columns: ['modality', 'before', 'after', 'classes', { title: 'images', digits: 0 }],
      rows: [
        ...Object.entries(after.modalities).map(([name, one]) => {
          const classes = Object.entries(one.classes).map(([label, value]) => `${label} ${value?.toFixed(2) ?? '–'}`);
          return [name, before.modalities[name]?.value ?? null, one, classes.join(', '), one.n];
        }),
        ['mean of modalities', before.zeroShotAuc, after.zeroShotAuc, '', after.zeroShotAuc.n],
      ],
    },
  ];
}

/** Loss curves have one line for each stage: what is summed changes between them. */
function curves(folder: RunFolder, stages: readonly StageLine[]) {
  const lines = readMetrics(folder.metrics).filter(({ kind }) => kind === 'train');
  const names = [...new Set(lines.map(({ stage }) => stage as string))];
  type Point = readonly [number, number];
  const points = (name: string, own = lines) =>
    own.filter((line) => typeof line[name] === 'number').map((line): Point => [line.step, line[name] as number]);
  const byStage = (name: string) =>
    names.map((stage) => ({
      name: stage,
      points: points(
        name,
        lines.filter((line) => line.stage === stage),
      ),
    }));
  const kinds = ['global', 'roi', 'negative'];
  const after = (key: 'recallAt1' | 'hardNegativeAccuracy' | 'zeroShotAucMean', name: string) => ({
    name,
    points: stages.flatMap(({ step, test }) => (test[key] === null ? [] : [[step, test[key]] as const])),
  });
  const all = [
    { title: 'Loss, weighted, by stage', xLabel: 'step', series: byStage('loss') },
    { title: 'Losses', xLabel: 'step', series: kinds.map((name) => ({ name, points: points(name) })) },
    {
      title: 'Weights of the losses',
      xLabel: 'step',
      series: kinds.map((name) => ({ name, points: points(`weight.${name}`) })),
    },
    {
      title: 'Test images after each stage',
      xLabel: 'step',
      series: [
        after('recallAt1', 'Recall@1'),
        after('hardNegativeAccuracy', 'hard negatives'),
        after('zeroShotAucMean', 'zero-shot AUC'),
      ],
    },
    { title: 'Learning rate, by stage', xLabel: 'step', series: byStage('learningRate') },
    { title: 'Gradient norm before clipping', xLabel: 'step', yScale: 'log' as const, series: byStage('gradientNorm') },
  ];
  return all
    .map((curve) => ({ ...curve, series: curve.series.filter((one) => one.points.length > 0) }))
    .filter((curve) => curve.series.some((one) => one.points.length > 1));
}
