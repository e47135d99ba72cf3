import { describe, expect, it } from 'vitest';
import { accuracy, imageAccuracy } from './accuracy';
import { metricInfo } from './metric-info';
import { vqaAccuracy } from './vqa';
import { wrongPhraseControl } from './wrong-phrase';

describe('accuracy', () => {
  it('counts, plain and balanced', () => {
    expect(accuracy(['a', 'b', 'b', 'a'], ['a', 'a', 'a', 'b'])).toEqual({
      value: 0.25,
      balanced: 1 / 6,
      variant: 'top-1',
      n: 4,
      perClass: { a: { value: 1 / 3, n: 3 }, b: { value: 0, n: 1 } },
      chance: 0.75,
    });
  });
  it('refuses nothing', () => {
    expect(() => accuracy([], [])).toThrow(/predictions/);
  });
});

describe('imageAccuracy', () => {
  it('is strict at the threshold', () => {
    expect(imageAccuracy([0.5, 0.6, 0.1], [0, 1, 1], { threshold: 0.5 })).toMatchObject({
      value: 2 / 3,
      chance: 2 / 3,
    });
  });
  it('wants a threshold', () => {
    expect(() => imageAccuracy([1], [1], { threshold: Number.NaN })).toThrow(/validation/);
  });
});

describe('vqaAccuracy', () => {
  const records = [
    { prediction: ' YES ', answer: 'yes', kind: 'closed' as const },
    { prediction: 'no', answer: 'yes', kind: 'closed' as const },
    { prediction: 'left  lung', answer: 'Left lung', kind: 'open' as const },
  ];
  it('tells open from closed', () => {
    expect(vqaAccuracy(records, { vocabulary: ['yes', 'no', 'left lung'] })).toMatchObject({
      value: 2 / 3,
      n: 3,
      open: { value: 1, n: 1 },
      closed: { value: 0.5, n: 2 },
      outOfVocabulary: { share: 0, n: 0 },
    });
    expect(vqaAccuracy(records.slice(0, 2), { vocabulary: [] })).toMatchObject({
      open: { value: null, n: 0 },
      outOfVocabulary: { share: null, n: 0 },
    });
    expect(vqaAccuracy(records).outOfVocabulary).toBeNull();
  });
  it('refuses another kind', () => {
    // @ts-expect-error neither open nor closed
    expect(() => vqaAccuracy([{ prediction: 'a', answer: 'a', kind: 'OPEN' }])).toThrow(
      /kind: expected 'open' or 'closed'/,
    );
  });
});

describe('wrongPhraseControl', () => {
  const phrases = Array.from({ length: 40 }, (_, i) => ({
    imageId: String(i >> 1),
    category: i % 3 ? 'nodule' : 'edema',
    phrase: `phrase ${i % 10}`,
  }));
  it.each(['any', 'same', 'different'] as const)(
    'draws from another image, with another text (%s category)',
    (category) => {
      const { indices, n, excluded } = wrongPhraseControl(phrases, { category });
      expect([n, excluded]).toEqual([40, 0]);
      indices.forEach((index, i) => {
        const [own, other] = [phrases[i]!, phrases[index]!];
        expect(other.imageId).not.toBe(own.imageId);
        expect(other.phrase).not.toBe(own.phrase);
        if (category !== 'any') expect(other.category === own.category).toBe(category === 'same');
      });
    },
  );
  it('is seeded, and counts phrases without a control', () => {
    expect(wrongPhraseControl(phrases)).toEqual(wrongPhraseControl(phrases));
    expect(wrongPhraseControl(phrases, { seed: 1 }).indices).not.toEqual(wrongPhraseControl(phrases).indices);
    expect(wrongPhraseControl(phrases.slice(0, 2))).toMatchObject({ indices: [-1, -1], n: 0, excluded: 2 });
  });
});

it('metricInfo names a range and a direction for each', () => {
  for (const info of Object.values(metricInfo)) {
    expect(info.range[0]).toBeLessThan(info.range[1]);
    expect(['higher', 'lower']).toContain(info.direction);
  }
});
