import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadImage, randomStream } from '@medalign/datasets';
import { type OverlayGroup, writeReport } from '@medalign/report';
import { type RunFolder, readMetrics } from '@medalign/trainer';
import type { QuestionedImage, VqaData } from './vqa-data';
import type { Answered } from './vqa-evaluate';
import type { VqaSummary } from './vqa-summary';
import { waysToAnswer } from './vqa-table';
import type { VqaTrained } from './vqa-train';

export interface VqaReportInputs {
  folder: RunFolder;
  engine: { name: string };
  data: VqaData;
  summary: VqaSummary;
  answered: readonly Answered[];
  trained: VqaTrained;
  /** Of the model without images: where its metrics are. */
  questionOnly: string | undefined;
}

/** Facts about the parts that a reader of the numbers must know. */
export function vqaNotes({ dataset, split, answers, images }: VqaData): string[] {
  const from = (source: string) => images.test.filter(({ rois }) => rois[0]?.source === source).length;
  const whole = images.test.length - from('annotator') - from('saliency');
  const trained = new Set(split.train.map(({ patientId }) => patientId));
  const shared = images.test.filter(({ patientId }) => trained.has(patientId)).length;
  const left = split.train.length - images.train.reduce((sum, { questions }) => sum + questions.length, 0);
  return [
    ...dataset.notes,
    `${split.train.length} training questions have ${answers.length} answers: the classes.${left ? ` ${left} of them have a rarer answer and are not trained on.` : ''}`,
    `${shared} of ${images.test.length} test images are training images too${shared ? ', with other questions: so the publisher split them' : ''}; no validation image is.`,
    `ROIs of the test images: the publisher's boxes in ${from('annotator')}, what stands out (proposeRois, no model) in ${from('saliency')}, the whole image in ${whole}.`,
  ];
}

/** Writes report.html into the run folder; returns its path. */
export async function writeVqaReport(inputs: VqaReportInputs): Promise<string> {
  const { folder, engine, data, summary, answered, trained, questionOnly } = inputs;
  const { test, outOfVocabulary, types } = summary;
  const { config, split } = data;
  const path = folder.file('report.html');
  await writeReport(path, {
    title: `Visual question answering on ${data.dataset.name}`,
    summary: [
      `Trained on ${split.train.length} questions on the ${engine.name} engine from ${config.start ? `the encoders of ${config.start}` : config.model.image.weights || config.model.text.weights ? 'published weights' : 'random values'}; the model is that of epoch ${trained.best.epoch} of ${trained.epochs}, the best on ${split.validation.length} validation questions (${trained.best.accuracy.toFixed(3)}).`,
      'An answer is one of the training answers (classification). Its features are the image, the regions that the question chooses, and the question.',
    ].join('\n\n'),
    highlights: [
      { label: 'Overall', value: test.overall.value, note: `${test.overall.right} of ${test.overall.n}` },
      { label: 'Open', value: test.open.value, note: `${test.open.right} of ${test.open.n}` },
      { label: 'Closed', value: test.closed.value, note: `${test.closed.right} of ${test.closed.n}` },
      {
        label: 'Open answers out of reach',
        value: outOfVocabulary.share,
        note: `${outOfVocabulary.n} of ${test.open.n}`,
      },
    ],
    curves: curves(folder.metrics, questionOnly),
    tables: [
      {
        title: 'Accuracy on the test questions',
        caption: 'Beside answers that look at no image. 95 % bootstrap over images.',
        columns: [
          '',
          'open',
          { title: 'right', digits: 0 },
          'closed',
          { title: 'right', digits: 0 },
          'overall',
          { title: 'right', digits: 0 },
        ],
        rows: waysToAnswer(summary).map(([name, one]) => [name, one.open, one.open.right, one.closed, one.closed.right, one.overall, one.overall.right]), // biome-ignore format: one line
      },
      {
        title: 'By question type',
        caption: "The publisher's types; a question with two is counted in both.",
        columns: ['type', 'accuracy', { title: 'right', digits: 0 }, { title: 'questions', digits: 0 }],
        rows: Object.entries(types).map(([type, one]) => [type, one, one.right, one.n]),
      },
    ],
    overlays: await examples(data, answered),
    notes: vqaNotes(data),
    config: { ...config },
    environment: JSON.parse(readFileSync(folder.file('env.json'), 'utf8')),
  });
  return path;
}

/** Test images by lot, with their ROIs; their questions, the answers, and whether they are right. */
async function examples(data: VqaData, answered: readonly Answered[]): Promise<OverlayGroup[]> {
  const { evaluate, seed } = data.config;
  const groups: OverlayGroup[] = [];
  for (const image of randomStream(seed, 'pictures')
    .shuffle([...data.images.test])
    .slice(0, evaluate.pictures)) {
    const own = answered.filter(({ imageId }) => imageId === image.id);
    if (own.length > 0) groups.push(await example(image, own));
  }
  return groups;
}

async function example({ id, image: source, rois }: QuestionedImage, own: readonly Answered[]): Promise<OverlayGroup> {
  const { data, width, height, channels } = await loadImage(source);
  const said = own.map(
    ({ question, answer, prediction, kind }) =>
      `${prediction === answer ? '✓' : '✗'} ${question} ${prediction}${prediction === answer ? '' : ` (right: ${answer})`} [${kind}]`,
  );
  return {
    title: `Image ${id}: ${own.filter(({ answer, prediction }) => answer === prediction).length} of ${own.length} right`,
    caption: said.join(' · '),
    overlays: [
      {
        title: 'ROIs',
        image: { data, width, height, channels: channels as 1 | 3 },
        boxes: rois.map(({ x, y, width: w, height: h, caption }, i) => ({ x, y, width: w, height: h, label: caption ?? `ROI ${i + 1}` })), // biome-ignore format: one line
      },
    ],
  };
}

function curves(metrics: string, questionOnly: string | undefined) {
  const lines = readMetrics(metrics);
  const blind = questionOnly === undefined ? [] : readMetrics(join(questionOnly, 'metrics.jsonl'));
  type Point = readonly [number, number];
  const points = (own: typeof lines, kind: string, name: string) =>
    own.filter((line) => line.kind === kind && typeof line[name] === 'number').map((line): Point => [line.step, line[name] as number]); // biome-ignore format: one line
  const all = [
    {
      title: 'Loss',
      xLabel: 'step',
      series: [
        { name: 'training', points: points(lines, 'train', 'loss') },
        { name: 'validation', points: points(lines, 'validation', 'loss') },
        { name: 'validation, questions alone', points: points(blind, 'validation', 'loss') },
      ],
    },
    {
      title: 'Validation accuracy',
      xLabel: 'step',
      series: [
        ...['accuracy', 'open', 'closed'].map((name) => ({ name, points: points(lines, 'validation', name) })),
        { name: 'accuracy, questions alone', points: points(blind, 'validation', 'accuracy') },
      ],
    },
    {
      title: 'Learning rate',
      xLabel: 'step',
      series: [{ name: 'rate', points: points(lines, 'train', 'learningRate') }],
    },
  ];
  return all
    .map((curve) => ({ ...curve, series: curve.series.filter((one) => one.points.length > 0) }))
    .filter((curve) => curve.series.some((one) => one.points.length > 1));
}
