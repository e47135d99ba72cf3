import type { SpecificityPair } from '@medalign/eval-metrics';
import { expect, it } from 'vitest';
import { differences, type ReadBy } from './differences';
import type { PhraseRecord } from './evaluate';

/** Eight images with two phrases of two categories each; `gain` is added to half of the CNRs, `wins` pairs are won. */
function reading(gain: number, wins: number): ReadBy {
  const images = Array.from({ length: 8 }, (_, i) => `image ${i}`);
  const records = images.flatMap((imageId, i) =>
    (['Edema', 'Pneumonia'] as const).map((category) => ({
      kind: 'words',
      imageId,
      category,
      signedCnr: i / 10 + (category === 'Edema' ? gain : 0),
      pointing: i % 2,
    })),
  ) as unknown as PhraseRecord[];
  const pairs = images.map((imageId, i) => ({
    imageId,
    category: 'Edema',
    otherCategory: i < 4 ? 'Edema' : 'Pneumonia',
    outcome: i < wins ? 1 : 0,
  })) as SpecificityPair[];
  return { kind: 'words', measured: { records, pairs: { words: pairs, phrase: [], gradcam: [] } } };
}

const options = { resamples: 200, seed: 1 };

it('is nothing between a reading and itself, without any width', () => {
  const { signedCnr, specificity, sameCategorySpecificity, pointing } = differences(
    reading(1, 3),
    reading(1, 3),
    options,
  );
  for (const { value, low, high } of [signedCnr, specificity, sameCategorySpecificity, pointing])
    expect([value, low, high]).toEqual([0, 0, 0]);
});

it('is first − second: macro over categories, shares of pairs, and those of one category alone', () => {
  const { signedCnr, specificity, sameCategorySpecificity, pointing } = differences(
    reading(1, 4),
    reading(0, 1),
    options,
  );
  expect(signedCnr.value).toBeCloseTo(0.5, 12); // half of the categories gain 1, on every image
  expect([signedCnr.low, signedCnr.high].map((x) => x!.toFixed(9))).toEqual(['0.500000000', '0.500000000']);
  expect(specificity.value).toBeCloseTo(3 / 8, 12);
  expect(specificity.low!).toBeLessThan(3 / 8);
  expect(sameCategorySpecificity).toMatchObject({ value: 3 / 4, n: 4 });
  expect(pointing.value).toBe(0);
});

it('leaves a map that was not read without a value', () => {
  const none = { ...reading(0, 0), kind: 'gradcam' as const };
  expect(differences(none, none, options).specificity).toEqual({ value: null, low: null, high: null, n: 0 });
});
