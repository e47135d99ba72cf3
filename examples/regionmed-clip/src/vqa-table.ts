import { textTable } from '@medalign/report';
import type { Estimate } from './summary';
import type { Control, Gain, Share, VqaScores, VqaSummary } from './vqa-summary';

const number = (value: number | null) => (value === null ? '–' : value.toFixed(3));
const interval = ({ low, high }: Estimate) => `[${number(low)}, ${number(high)}]`;
const counted = (one: Share) => (one.n === 0 ? '–' : `${number(one.value)} (${one.right}/${one.n})`);

const controlNames: Record<Control, string> = {
  questionOnly: 'trained on the questions alone, no image',
  wrongImage: 'the model, shown another test image',
};

/** Every way to answer that is compared, and what it is called. */
export function waysToAnswer({ test, majority, baselines, controls }: VqaSummary): [string, VqaScores][] {
  return [
    ['model', test],
    [`always '${majority.overall}', the most frequent answer outside the test part`, baselines.majority],
    [`'${majority.open}' if open, '${majority.closed}' if closed: the most frequent of each`, baselines.majorityByType],
    ...(['questionOnly', 'wrongImage'] as const).flatMap((name): [string, VqaScores][] =>
      controls[name] ? [[controlNames[name], controls[name]]] : [],
    ),
  ];
}

/** The closing table: accuracies with counts beside baselines and controls. */
export function vqaTable(summary: VqaSummary): string {
  const { test, outOfVocabulary, gains } = summary;
  const rows = waysToAnswer(summary).map(([name, { overall, open, closed }]) => [
    name,
    counted(open),
    counted(closed),
    counted(overall),
    interval(overall),
  ]);
  const gain = (name: string, one: Gain) =>
    `model − ${name}: ${number(one.value)} ${interval(one)}, p ${number(one.pValue)}`;
  return [
    'Test questions: accuracy (right/asked), 95 % bootstrap over images',
    textTable(['', 'open', 'closed', 'overall', ''], rows),
    '',
    `${outOfVocabulary.n} of ${test.open.n} open questions have an answer that no training question has: out of reach`,
    ...(gains.questionOnly ? [gain('questions alone', gains.questionOnly)] : []),
    ...(gains.wrongImage ? [gain('another image', gains.wrongImage)] : []),
  ].join('\n');
}
