import type { Cell, ReportTable } from '@medalign/report';
import type { Config } from './config';
import { hardNegativeReadings, type Measurements } from './evaluate';
import type { StageLine } from './run';
import { type BootstrapOptions, byModality, type Estimate, gains, type Summary } from './summary';

/** One reading of a model: what was measured on each image, and its means. */
export interface Reading {
  measured: Measurements;
  summary: Summary;
}

interface TableInputs {
  before: Reading;
  after: Reading;
  /** The numbers before training and after every stage. */
  stages: readonly StageLine[];
  config: Pick<Config, 'stages' | 'evaluate' | 'seed'>;
}

/** The tables of the report, what is looked for first at the top. */
export function reportTables({ before, after, stages, config }: TableInputs): ReportTable[] {
  const bootstrap = { resamples: config.evaluate.bootstrap, seed: config.seed };
  return [
    changeTable(before, after, bootstrap),
    directionTable(after.summary),
    ...(stages.length > 0 ? [stageTable(stages, config)] : []),
    modalityTable(after.measured, bootstrap),
    zeroShotTable(before.summary, after.summary),
  ];
}

const rowNames = {
  fused: 'hard negatives',
  roi: 'hard negatives, ROI before it looks',
  image: 'hard negatives, whole image',
};

function changeTable(before: Reading, after: Reading, bootstrap: BootstrapOptions): ReportTable {
  const gain = gains(after.measured, before.measured, bootstrap);
  const [first, last] = [before.summary, after.summary];
  const row = (name: string, was: Estimate, is: Estimate & { chance?: number | null }, more: Estimate): Cell[] => {
    return [name, was, is, more, is.chance ?? null, is.n];
  };
  return {
    title: 'Before and after training',
    caption:
      'Recall: mean of both directions, equal texts are matches of each other; an image is its own vector, or that and the mean vector of its ROIs, for which their boxes must be known. Hard negatives and pointing: mean over the ROIs of an image, then over images. Zero-shot: macro over classes, then over modalities. Brackets: 95 % bootstrap over images; that of the difference draws both readings together, and it tells change from luck.',
    columns: ['', 'before', 'after', 'after − before', 'chance', { title: 'n', digits: 0 }],
    rows: [
      ...(['recall', 'recallWithRois'] as const).flatMap((of) =>
        ([1, 5, 10] as const).map((k) => {
          const name = `R@${k} (images${of === 'recall' ? '' : ' with their ROIs'})`;
          return row(name, first[of][k], last[of][k], gain[of][k]);
        }),
      ),
      ...hardNegativeReadings.map(
        (name) =>
        row(`${rowNames[name]} (ROIs)`, first.hardNegative[name], last.hardNegative[name], gain.hardNegative[name]), // biome-ignore format: one line
      ),
      row('pointing game (ROIs)', first.pointing, last.pointing, gain.pointing),
      row('zero-shot AUC (images)', first.zeroShotAuc, { ...last.zeroShotAuc, chance: 0.5 }, gain.zeroShotAuc),
    ],
  };
}

function directionTable({ recall, gallery }: Summary): ReportTable {
  return {
    title: 'Retrieval by direction',
    caption: `After training; ${gallery} images and their texts, each searched for among all others.`,
    columns: ['', 'image → text', 'text → image', 'chance'],
    rows: ([1, 5, 10] as const).map((k) => {
      const { imageToText, textToImage, chance } = recall[k];
      return [`R@${k}`, imageToText, textToImage, chance];
    }),
  };
}

function stageTable(stages: readonly StageLine[], { stages: planned }: Pick<Config, 'stages'>): ReportTable {
  return {
    title: 'After each stage',
    caption: 'The test images after every stage. They choose nothing: the last model is the result.',
    columns: [
      'stage',
      'losses',
      { title: 'until step', digits: 0 },
      'R@1',
      'R@10',
      'hard negatives',
      'pointing',
      'zero-shot AUC',
    ],
    rows: stages.map(({ stage, step, test }) => [
      stage,
      planned.find(({ name }) => name === stage)?.losses.join(', ') ?? '',
      step,
      ...[interval(test, 'recallAt1'), interval(test, 'recallAt10')],
      ...[interval(test, 'hardNegativeAccuracy'), interval(test, 'pointing'), interval(test, 'zeroShotAucMean')],
    ]),
  };
}

/** A number of a stage with its interval. */
export function interval(test: StageLine['test'], key: keyof StageLine['test']['intervals']) {
  const [low = null, high = null] = test.intervals[key];
  return { value: test[key], low, high };
}

function modalityTable(measured: Measurements, bootstrap: BootstrapOptions): ReportTable {
  return {
    title: 'By modality, after training',
    caption: 'The texts of an image are still searched for among those of all modalities.',
    columns: [
      'modality',
      { title: 'images', digits: 0 },
      { title: 'ROIs', digits: 0 },
      'R@1',
      'R@10',
      'hard negatives',
      'pointing',
    ],
    rows: Object.entries(byModality(measured, bootstrap)).map(([name, { recall, hardNegative, pointing }]) => {
      return [name, recall[1].n, pointing.n, recall[1], recall[10], hardNegative.fused, pointing];
    }),
  };
}

function zeroShotTable(before: Summary, after: Summary): ReportTable {
  const rows = Object.entries(after.modalities).map(([name, one]): Cell[] => {
    const classes = Object.entries(one.classes).map(([label, value]) => `${label} ${value?.toFixed(2) ?? '–'}`);
    return [name, before.modalities[name] ?? null, one, classes.join(', '), one.n];
  });
  return {
    title: 'Zero-shot by prompts',
    caption:
      'AUC of each class among the images of its modality, macro over the classes that have both labels (– has one). Chance 0.5. A modality has few images here: read its interval.',
    columns: ['modality', 'before', 'after', 'classes, after', { title: 'images', digits: 0 }],
    rows: [...rows, ['mean of modalities', before.zeroShotAuc, after.zeroShotAuc, '', after.zeroShotAuc.n]],
  };
}
