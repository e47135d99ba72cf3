import { readFileSync } from 'node:fs';
import { type Curve, type CurvePoint, writeOverlay, writeReport } from '@medalign/report';
import { type RunFolder, readMetrics } from '@medalign/trainer';
import type { Config } from './config';
import type { RegionMedData } from './data';
import type { EncodedSample } from './encoded';
import { attentionLegend, attentionPictures, hardNegativeExamples, retrievalExamples } from './report-pictures';
import { interval, type Reading, reportTables } from './report-tables';
import type { StageLine } from './run';
import { type Summary, toJson } from './summary';

export interface RegionMedReportInputs {
  folder: RunFolder;
  config: Config;
  engine: { name: string };
  data: RegionMedData;
  before: Reading;
  after: Reading;
  /** The test images as the trained model sees them. */
  encoded: readonly EncodedSample[];
  stages: readonly StageLine[];
}

/** Writes report.html and overlays/ into the run folder; returns the path of the report. */
export async function writeRegionMedReport(inputs: RegionMedReportInputs): Promise<string> {
  const { folder, config, engine, data, before, after, encoded } = inputs;
  const { pictures } = config.evaluate;
  const { overlays, files } = await attentionPictures(encoded, pictures);
  for (const [i, overlay] of overlays.entries()) await writeOverlay(folder.file(`overlays/${files[i]}`), overlay);
  const few = Math.min(4, pictures);
  const examples = [...(await retrievalExamples(encoded, few)), ...(await hardNegativeExamples(encoded, few))];
  const { train, validation, test } = data.split;
  const stages = inputs.stages.filter((line) => line.test !== undefined); // a run may read them at the end alone
  const path = folder.file('report.html');
  await writeReport(path, {
    title: `RegionMed-CLIP on ${data.dataset.name}`,
    summary: [
      `Trained on ${train.length} images of ${data.dataset.name} (${validation.length} for validation) in ${config.stages.length} stages on the ${engine.name} engine, read on ${test.length} images of unseen patients.`,
      `ROI features: ${config.model.roi.features === 'align' ? 'RoIAlign on the patch grid, one pass for an image and all its ROIs' : 'crops, each encoded as an image'}. An ROI then looks at the patches of its image (cross-attention), and is compared with captions.`,
    ].join('\n\n'),
    highlights: highlights(after.summary),
    curves: [...stageCurves(before.summary, stages), ...trainingCurves(folder, config)],
    tables: reportTables({ before, after, stages, config }),
    overlays: overlays.length ? [{ title: 'Where ROIs look', caption: attentionLegend, overlays }] : [],
    examples,
    notes: [
      ...data.dataset.notes,
      'Every number is read on the test part of the split by patient, which training never read. Intervals are 95 % percentile bootstraps over images: they say how much other test images would change a number, not how much another training seed would (--ablate).',
      'Hard negatives: an ROI must be strictly closer to the region caption of its image than to all its negative captions at once. With five of them, guessing is right once in six.',
      'Pointing game: won if the place with the highest attention (mean over heads) lies in the box of the ROI that looks. Chance is the share of the image that the box covers; nothing in the losses asks for it.',
      'Recall depends on the size of the gallery and on how many texts are equal: compare with chance, never with another gallery.',
    ],
    config: { ...config },
    environment: JSON.parse(readFileSync(folder.file('env.json'), 'utf8')),
  });
  return path;
}

function highlights({ recall, gallery, hardNegative, pointing, zeroShotAuc }: Summary) {
  const chance = (value: number | null) => (value === null ? '' : `chance ${value.toFixed(3)}`);
  return [
    { label: 'Recall@1', value: recall[1], note: `gallery ${gallery}, ${chance(recall[1].chance)}` },
    { label: 'Recall@10', value: recall[10], note: chance(recall[10].chance) },
    { label: 'Hard negatives', value: hardNegative.fused, note: chance(hardNegative.fused.chance) },
    { label: 'Zero-shot AUC', value: zeroShotAuc, note: 'mean of modalities, chance 0.5' },
    { label: 'Pointing game', value: pointing, note: chance(pointing.chance) },
  ].filter(({ value }) => value.value !== null);
}

/** The test images before training and after every stage: the form of the paper's Fig 7. */
function stageCurves(before: Summary, stages: readonly StageLine[]): Curve[] {
  if (stages.length === 0) return [];
  const first = toJson(before);
  const xNames = ['before', ...stages.map(({ stage }) => stage)];
  const curve = (title: string, key: 'recallAt1' | 'hardNegativeAccuracy' | 'pointing' | 'zeroShotAucMean'): Curve => {
    const points = [first, ...stages.map(({ test }) => test)].map((test, x): CurvePoint => {
      const { value, low, high } = interval(test, key);
      return value === null ? [x, null] : [x, value, low, high];
    });
    const chance = first.chance[key];
    const flat = chance === null ? [] : xNames.map((_, x): CurvePoint => [x, chance]);
    const series = [{ name: 'test images', points }, { name: 'chance', points: flat }]; // biome-ignore format: one line
    return { title: `${title} after each stage`, xLabel: '', xNames, series };
  };
  return shown([
    curve('Recall@1', 'recallAt1'),
    curve('Hard negatives', 'hardNegativeAccuracy'),
    curve('Zero-shot AUC', 'zeroShotAucMean'),
    curve('Pointing game', 'pointing'),
  ]);
}

/** What the training logged, step by step, with the borders of the stages. */
function trainingCurves(folder: RunFolder, { stages }: Pick<Config, 'stages'>): Curve[] {
  const lines = readMetrics(folder.metrics).filter(({ kind }) => kind === 'train');
  const names = stages.map(({ name }) => name).filter((name) => lines.some(({ stage }) => stage === name));
  const marks = names.map((label) => ({ x: lines.find(({ stage }) => stage === label)!.step - 1, label }));
  /** What is summed changes between stages, and a loss that a stage does not have is nothing there: gaps. */
  const line = (key: string, name = key) => {
    const points: CurvePoint[] = [];
    let last: unknown;
    for (const one of lines) {
      const value = one[key];
      if (points.length > 0 && one.stage !== last) points.push([one.step, null]);
      last = one.stage;
      if (typeof value === 'number') points.push([one.step, value]);
    }
    return { name, points };
  };
  const kinds = ['global', 'roi', 'negative'];
  const common = { xLabel: 'step', marks };
  return shown([
    { title: 'Loss, weighted', ...common, series: [line('loss')] },
    { title: 'Losses', ...common, series: kinds.map((name) => line(name)) },
    { title: 'Weights of the losses', ...common, series: kinds.map((name) => line(`weight.${name}`, name)) },
    { title: 'Learning rate', ...common, series: [line('learningRate', 'learning rate')] },
    { title: 'Gradient norm before clipping', ...common, yScale: 'log', series: [line('gradientNorm', 'gradient norm')] }, // biome-ignore format: one line
  ]);
}

/** Without series that have nothing, and curves that have one point. */
const shown = (curves: Curve[]): Curve[] =>
  curves
    .map((curve) => ({ ...curve, series: curve.series.filter(({ points }) => points.some(([, y]) => y !== null)) }))
    .filter(({ series }) => series.some(({ points }) => points.length > 1));
