import { bootstrap, pairedBootstrap, vqaAccuracy } from '@medalign/eval-metrics';
import type { BootstrapOptions, Estimate } from './summary';
import { answersOf, type VqaData } from './vqa-data';
import type { Answered } from './vqa-evaluate';

/** An accuracy with its count and its 95 % bootstrap interval over images. */
export interface Share extends Estimate {
  right: number;
}

/** The accuracies of one way to answer. */
export interface VqaScores {
  overall: Share;
  open: Share;
  closed: Share;
}

/** Answers that look at no image: what a model is compared with. From all questions outside the test part. */
export interface MajorityAnswers {
  /** The most frequent answer. */
  overall: string;
  /** The most frequent answer of the open and of the closed questions. */
  open: string;
  closed: string;
}

/** How much better one way to answer is than another, on the same images. */
export interface Gain extends Estimate {
  pValue: number | null;
}

/** The same model, each question with another test image; and a model that was never shown an image. */
export const controls = ['wrongImage', 'questionOnly'] as const;
export type Control = (typeof controls)[number];

/** What is said of a test part. */
export interface VqaSummary {
  test: VqaScores;
  /** Open questions whose answer is no class: no classifier over the training answers can be right. */
  outOfVocabulary: { share: number | null; n: number };
  majority: MajorityAnswers;
  baselines: { majority: VqaScores; majorityByType: VqaScores };
  controls: Partial<Record<Control, VqaScores>>;
  /** The model's accuracy minus that of the controls. */
  gains: Partial<Record<Control, Gain>>;
  /** By the publisher's question types; a question with two is in both. */
  types: Record<string, Share>;
}

/** Answers to the same questions in the same order. */
export type Readings = { test: readonly Answered[] } & Partial<Record<Control, readonly Answered[]>>;

/** Accuracies with intervals, baselines and controls. */
export function summarizeVqa(
  readings: Readings,
  data: Pick<VqaData, 'split' | 'answers'>,
  options: BootstrapOptions,
): VqaSummary {
  const { test } = readings;
  const ofControls = <T>(of: (answered: readonly Answered[]) => T) =>
    Object.fromEntries(controls.flatMap((name) => (readings[name] ? [[name, of(readings[name])]] : [])));
  const majority = majorityOf(data);
  const constant = (of: (one: Answered) => string) => test.map((one) => ({ ...one, prediction: of(one) }));
  const { outOfVocabulary } = vqaAccuracy(test, { vocabulary: data.answers });
  const types = [...new Set(test.flatMap((one) => one.types))].sort();
  return {
    test: scoresOf(test, options),
    outOfVocabulary: outOfVocabulary!,
    majority,
    baselines: {
      majority: scoresOf(constant(() => majority.overall), options), // biome-ignore format: as the next
      majorityByType: scoresOf(constant(({ kind }) => majority[kind]), options), // biome-ignore format: as the one before
    },
    controls: ofControls((answered) => scoresOf(answered, options)),
    gains: ofControls((answered) => gain(test, answered, options)),
    types: Object.fromEntries(types.map((type) => [type, shareOf(test.filter((one) => one.types.includes(type)), options)])), // biome-ignore format: one line
  };
}

/** The most frequent answers of the training and validation questions: of all, of the open and of the closed ones. */
export function majorityOf({ split: { train, validation } }: Pick<VqaData, 'split'>): MajorityAnswers {
  const all = [...train, ...validation];
  const of = (questions: typeof all) => answersOf(questions)[0] ?? answersOf(all)[0]!;
  return {
    overall: of(all),
    open: of(all.filter(({ answerType }) => answerType === 'open')),
    closed: of(all.filter(({ answerType }) => answerType === 'closed')),
  };
}

export function scoresOf(answered: readonly Answered[], options: BootstrapOptions): VqaScores {
  const of = (kind: 'open' | 'closed') => answered.filter((one) => one.kind === kind);
  return {
    overall: shareOf(answered, options),
    open: shareOf(of('open'), options),
    closed: shareOf(of('closed'), options),
  };
}

const accuracy = (answered: readonly Answered[]) => (answered.length ? vqaAccuracy(answered).value : null);

function shareOf(answered: readonly Answered[], options: BootstrapOptions): Share {
  if (answered.length === 0) return { value: null, low: null, high: null, n: 0, right: 0 };
  const { value, low, high, n } = bootstrap(answered, accuracy, { ...options, by: ({ imageId }) => imageId });
  return { value, low, high, n, right: Math.round(value! * n) };
}

function gain(first: readonly Answered[], second: readonly Answered[], options: BootstrapOptions): Gain {
  const { value, low, high, n, pValue } = pairedBootstrap(first, second, accuracy, { ...options, by: ({ imageId }) => imageId }); // biome-ignore format: one call
  return { value, low, high, n, pValue };
}

/** The numbers as `--json` prints them: intervals as pairs. */
export function vqaJson({ test, outOfVocabulary, majority, baselines, types, ...beside }: VqaSummary) {
  const share = ({ value, right, n, low, high }: Share) => ({ accuracy: value, right, n, interval: [low, high] });
  const scores = ({ overall, open, closed }: VqaScores) => ({
    overall: share(overall),
    open: share(open),
    closed: share(closed),
  });
  const difference = ({ value, low, high, pValue }: Gain) => ({ difference: value, interval: [low, high], pValue });
  const each = <A, B>(of: Partial<Record<Control, A>>, as: (one: A) => B) =>
    Object.fromEntries(Object.entries(of).map(([name, one]) => [name, as(one)])) as Partial<Record<Control, B>>;
  return {
    test: scores(test),
    openAnswerNotInTraining: outOfVocabulary,
    baselines: {
      majority: { answer: majority.overall, ...scores(baselines.majority) },
      majorityByType: {
        answers: { open: majority.open, closed: majority.closed },
        ...scores(baselines.majorityByType),
      },
    },
    controls: each(beside.controls, scores),
    modelMinus: each(beside.gains, difference),
    questionTypes: Object.fromEntries(Object.entries(types).map(([type, one]) => [type, share(one)])),
  };
}
