import type { VqaSample } from '@medalign/datasets';
import { describe, expect, it } from 'vitest';
import type { VqaSplit } from './vqa-datasets';
import type { Answered } from './vqa-evaluate';
import { type Share, summarizeVqa } from './vqa-summary';
import { vqaTable } from './vqa-table';

describe('summarizeVqa', () => {
  const answered = (rows: [image: string, kind: 'open' | 'closed', answer: string, prediction: string, types: string][]) =>
    rows.map(([imageId, kind, answer, prediction, types], i): Answered => ({ id: `${i}`, imageId, kind, answer, prediction, types: types.split(' '), question: '?', loss: null })); // biome-ignore format: one line
  const test = answered([
    ['a', 'open', 'left', 'left', 'POS'],
    ['a', 'closed', 'yes', 'no', 'PRES POS'],
    ['b', 'open', 'heart', 'right', 'ORGAN'],
    ['b', 'closed', 'no', 'no', 'PRES'],
    ['c', 'closed', 'no', 'no', 'PRES'],
  ]);
  const asked = (kind: 'open' | 'closed', answer: string) => ({ answerType: kind, answer }) as VqaSample;
  const train = [asked('closed', 'no'), asked('closed', 'no'), asked('open', 'right'), asked('open', 'left'), asked('open', 'left'), asked('closed', 'yes')]; // biome-ignore format: one line
  const validation = [asked('closed', 'no')];
  const data = { split: { train, validation } as VqaSplit, answers: ['left', 'no', 'right', 'yes'] };
  const wrongImage = test.map((one) => ({ ...one, prediction: 'no' }));
  const summary = summarizeVqa({ test, wrongImage }, data, { resamples: 200, seed: 0 });

  it('counts right answers, and those that no class has', () => {
    const counted = ({ right, n, value }: Share) => [right, n, value];
    expect(counted(summary.test.overall)).toEqual([3, 5, 3 / 5]);
    expect(counted(summary.test.open)).toEqual([1, 2, 1 / 2]);
    expect(counted(summary.test.closed)).toEqual([2, 3, 2 / 3]);
    expect(summary.outOfVocabulary).toEqual({ share: 0.5, n: 1 });
    expect(Object.entries(summary.types).map(([type, one]) => [type, one.right, one.n])).toEqual([
      ['ORGAN', 0, 1],
      ['POS', 1, 2],
      ['PRES', 2, 3],
    ]);
    // image a has 1 of 2 right, b 1 of 2, c 1 of 1: no draw of images has less than a half
    expect(summary.test.overall.low).toBeGreaterThanOrEqual(0.5);
    expect(summary.test.overall.high).toBeLessThanOrEqual(1);
  });

  it('has the majority answers of training questions, and what they would reach', () => {
    expect(summary.majority).toEqual({ overall: 'no', open: 'left', closed: 'no' }); // 3, 2 and 3 times
    expect(summary.baselines.majority.overall.right).toBe(2);
    expect(summary.baselines.majorityByType.overall.right).toBe(3);
    expect(summary.controls.wrongImage!.overall.right).toBe(2);
    expect(summary.gains.wrongImage!.value).toBeCloseTo(1 / 5, 12);
    expect(summary.controls.questionOnly).toBeUndefined();
  });

  it('prints counts beside every accuracy', () => {
    const table = vqaTable(summary);
    expect(table).toContain("always 'no', the most frequent answer outside the test part");
    expect(table).toContain("'left' if open, 'no' if closed");
    expect(table).toMatch(/model +│? *0\.500 \(1\/2\) .*0\.667 \(2\/3\) .*0\.600 \(3\/5\)/);
    expect(table).toContain('1 of 2 open questions have an answer that no training question has');
  });
});
