import type { Curve, CurvePoint } from '@medalign/report';
import { baseline, type Setting } from './settings';
import type { Estimate, Summary } from './summary';

/** The stages beside the baseline, in the form of the paper's Fig 7: one chart for each number. */
export function ablationCurves(rows: readonly { name: string; group: Setting['group']; summary: Summary }[]): Curve[] {
  const own = rows.filter(({ group }) => group === 'stages');
  const stages = own.filter(({ name }) => name !== baseline);
  if (stages.length < 2) return [];
  const single = own.find(({ name }) => name === baseline);
  const named = [...(single ? [{ ...single, name: 'global only' }] : []), ...stages];
  const numbers: [string, (summary: Summary) => Estimate & { chance: number | null }][] = [
    ['Recall@1', ({ recall }) => recall[1]],
    ['Recall@1 of images with their ROIs', ({ recallWithRois }) => recallWithRois[1]],
    ['Hard negatives', ({ hardNegative }) => hardNegative.fused],
    ['Zero-shot AUC', ({ zeroShotAuc }) => ({ ...zeroShotAuc, chance: 0.5 })],
    ['Pointing game', ({ pointing }) => pointing],
  ];
  return numbers.flatMap(([title, of]): Curve[] => {
    const point = ({ summary }: { summary: Summary }, x: number): CurvePoint => {
      const { value, low, high } = of(summary);
      return value === null ? [x, null] : [x, value, low, high];
    };
    const points = named.map(point);
    const { chance } = of(named[0]!.summary);
    const first = single ? 1 : 0;
    const series = [
      { name: 'stages', points: points.slice(first) },
      { name: baseline, points: points.slice(0, first) },
      { name: 'chance', points: chance === null ? [] : named.map((_, x): CurvePoint => [x, chance]) },
    ].filter((one) => one.points.some(([, y]) => y !== null));
    if (series[0]?.name !== 'stages') return []; // nothing was measured
    const xNames = named.map(({ name }) => name.replace(/^\d+\. /, ''));
    return [{ title: `${title} after each stage`, xLabel: '', xNames, series }];
  });
}
