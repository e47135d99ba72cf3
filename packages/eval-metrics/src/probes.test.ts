import { describe, expect, it } from 'vitest';
import golden from '../goldens/logistic-regression.json';
import quantiles from '../goldens/quantiles.json';
import { fewShotProbe } from './few-shot';
import { logisticRegression } from './logistic-regression';
import { minimize } from './minimize';
import { seededRandom } from './random';
import { quantile } from './statistics';
import { promptEnsemble, zeroShotScores } from './zero-shot';

describe('logisticRegression', () => {
  it.each(golden.map((model, i) => [i, model] as const))('agrees with scikit-learn (case %i)', (_, model) => {
    const fitted = logisticRegression(model.features, model.labels, { c: model.c, tolerance: 1e-10 });
    expect(fitted.converged).toBe(true);
    fitted.weights.flat().forEach((weight, i) => {
      expect(weight).toBeCloseTo(model.weights.flat()[i]!, 5);
    });
    // The softmax does not see a shift common to all biases: compare them centred.
    const centred = (values: number[]) =>
      values.map((v) => (values.length > 1 ? v - values.reduce((a, b) => a + b) / values.length : v));
    centred(fitted.bias).forEach((bias, i) => {
      expect(bias).toBeCloseTo(centred(model.bias)[i]!, 5);
    });
    fitted
      .probabilities(model.inputs)
      .flat()
      .forEach((p, i) => {
        expect(p).toBeCloseTo(model.probabilities.flat()[i]!, 6);
      });
  });
  it('stays finite on separable data of any scale', () => {
    const model = logisticRegression([[-1e4], [1e4]], [0, 1], { c: 1e6 });
    expect(
      model
        .probabilities([[-1e4], [1e4]])
        .flat()
        .every(Number.isFinite),
    ).toBe(true);
    expect(model.predict([[-1], [1]])).toEqual([0, 1]);
  });
  it('refuses one class, NaN and ragged rows', () => {
    expect(() => logisticRegression([[1]], ['a'])).toThrow(/at least two classes/);
    expect(() => logisticRegression([[1], [Number.NaN]], [0, 1])).toThrow(/got NaN at \[1\]\[0\]/);
    expect(() => logisticRegression([[1, 2], [1]], [0, 1])).toThrow(/expected 2 values in row 1/);
  });
});

it('minimize finds the minimum of an ill-conditioned quadratic', () => {
  const scales = [1, 100, 10000];
  const { point, converged } = minimize(
    (x) => ({
      value: x.reduce((sum, v, i) => sum + 0.5 * scales[i]! * (v - i) ** 2, 0),
      gradient: x.map((v, i) => scales[i]! * (v - i)),
    }),
    new Float64Array([5, 5, 5]),
    { maxIterations: 200, tolerance: 1e-8 },
  );
  expect(converged).toBe(true);
  [...point].forEach((v, i) => {
    expect(v).toBeCloseTo(i, 7);
  });
});

it('quantile agrees with NumPy', () => {
  quantiles.shares.forEach((share, i) => {
    expect(quantile(quantiles.values, share)).toBeCloseTo(quantiles.expected[i]!, 12);
  });
});

it('seededRandom is uniform and independent of neighbouring seeds', () => {
  const draws = Array.from({ length: 4000 }, (_, seed) => seededRandom(seed)());
  expect(Math.abs(draws.reduce((a, b) => a + b) / 4000 - 0.5)).toBeLessThan(0.02);
  const lag = draws.slice(1).reduce((sum, v, i) => sum + (v - 0.5) * (draws[i]! - 0.5), 0) / 4000;
  expect(Math.abs(lag * 12)).toBeLessThan(0.06);
});

describe('fewShotProbe', () => {
  const labels = Array.from({ length: 60 }, (_, i) => `class ${i % 3}`);
  const random = seededRandom(1);
  const features = labels.map((_, i) => [0, 1, 2].map((j) => (i % 3 === j ? 1 : 0) + 0.3 * random()));
  const train = { features, labels };
  it('draws k per class for each seed, says which, and classifies', () => {
    const result = fewShotProbe(train, train, { shotsPerClass: 4 });
    expect(result).toMatchObject({ value: 1, std: 0, auroc: { value: 1, std: 0 }, n: 60, shotsPerClass: 4 });
    for (const { chosen } of result.runs) {
      expect(new Set(chosen).size).toBe(12);
      for (const c of [0, 1, 2]) expect(chosen.filter((i) => i % 3 === c)).toHaveLength(4);
    }
    expect(result.runs[0]!.chosen).not.toEqual(result.runs[1]!.chosen);
    expect(fewShotProbe(train, train, { shotsPerClass: 4 })).toEqual(result);
  });
  it('has the areas under the curves of the classifier of each draw, class against the rest', () => {
    const noisy = labels.map((_, i) => [0, 1, 2].map((j) => (i % 3 === j ? 0.4 : 0) + random()));
    const hard = { features: noisy, labels };
    const { auroc, runs } = fewShotProbe(hard, hard, { shotsPerClass: 2 });
    for (const { chosen, auroc: area } of runs) {
      const rows = chosen.map((i) => noisy[i]!);
      const { classes, probabilities } = logisticRegression(
        rows,
        chosen.map((i) => labels[i]!),
      );
      const scores = probabilities(noisy);
      const areas = classes.map((name, c) => {
        let [wins, pairs] = [0, 0];
        for (let i = 0; i < 60; i++)
          for (let j = 0; j < 60; j++) {
            if (labels[i] !== name || labels[j] === name) continue;
            pairs += 1;
            wins += scores[i]![c]! > scores[j]![c]! ? 1 : scores[i]![c]! === scores[j]![c]! ? 0.5 : 0;
          }
        return wins / pairs;
      });
      expect(area).toBeCloseTo((areas[0]! + areas[1]! + areas[2]!) / 3, 12);
    }
    const all = runs.map((run) => run.auroc!);
    const centre = all.reduce((a, b) => a + b) / 5;
    expect(auroc.value).toBeCloseTo(centre, 12);
    expect(auroc.std).toBeCloseTo(Math.sqrt(all.reduce((sum, a) => sum + (a - centre) ** 2, 0) / 5), 12);
    expect(auroc.std).toBeGreaterThan(0);
    const one = { features: [noisy[0]!, noisy[3]!], labels: ['class 0', 'class 0'] };
    expect(fewShotProbe(hard, one, { shotsPerClass: 2 }).auroc).toEqual({ value: null, std: null });
  });
  it('refuses few seeds, scarce and unknown classes', () => {
    expect(() => fewShotProbe(train, train, { shotsPerClass: 1, seeds: [1, 1, 2, 3, 4] })).toThrow(
      /at least 5 different/,
    );
    expect(() => fewShotProbe(train, train, { shotsPerClass: 21 })).toThrow(
      /at least 21 samples of class 'class 0', got 20/,
    );
    const stranger = { features: [[0, 0, 0]], labels: ['other'] };
    expect(() => fewShotProbe(train, stranger, { shotsPerClass: 1 })).toThrow(/got 'other'/);
  });
});

describe('zeroShotScores', () => {
  const prompts = [
    [2, 0],
    [0.6, 0.8],
    [0, 3],
  ];
  const promptClasses = [0, 0, 1];
  const images = [
    [1, 0],
    [0, 5],
    [1, 1],
  ];
  it('aggregates as named', () => {
    const scores = (aggregate: 'mean-logit' | 'max-logit') =>
      zeroShotScores(images, prompts, { promptClasses, aggregate }).scores;
    expect(scores('mean-logit').slice(0, 2)).toEqual([
      [0.8, 0],
      [0.4, 1],
    ]);
    expect(scores('max-logit').slice(0, 2)).toEqual([
      [1, 0],
      [0.8, 1],
    ]);
    const mean = zeroShotScores(images, prompts, { promptClasses, logitScale: 10 });
    expect(mean.scores[0]![0]).toBeCloseTo(16 / Math.sqrt(1.6 ** 2 + 0.8 ** 2), 10);
    expect(mean).toMatchObject({ predictions: [0, 1, 0], n: 3, prompts: 3 });
  });
  it('looks at one image at a time unless told otherwise', () => {
    const options = { promptClasses };
    expect(zeroShotScores(images.slice(2), prompts, options).scores[0]).toEqual(
      zeroShotScores(images, prompts, options).scores[2],
    );
    const across = zeroShotScores(images, prompts, { promptClasses, acrossImages: 'zscore' });
    expect(across.variant).toMatch(/transductive/);
    expect(across.scores.reduce((sum, row) => sum + row[0]!, 0)).toBeCloseTo(0, 10);
  });
  it('gives shares of the classes, in which what all prompts have in common drops out', () => {
    const options = { promptClasses, aggregate: 'max-logit', logitScale: 4, acrossClasses: 'softmax' } as const;
    const shares = zeroShotScores(images, prompts, options);
    const cosines = zeroShotScores(images, prompts, { promptClasses, aggregate: 'max-logit' });
    shares.scores.forEach(([a, b], i) => {
      const [x, y] = cosines.scores[i]!;
      expect(a! + b!).toBeCloseTo(1, 12);
      expect(Math.log(a! / b!)).toBeCloseTo(4 * (x! - y!), 10);
    });
    expect(shares.predictions).toEqual(cosines.predictions);
    expect(shares.variant).toBe('cosine, max-logit, softmax over the classes, scale 4');
    expect(zeroShotScores(images, prompts, { ...options, logitScale: 1e4 }).scores[0]![0]).toBe(1); // no overflow
  });
  it('refuses a class without a prompt and a zero embedding', () => {
    expect(() => zeroShotScores(images, prompts, { promptClasses: [0, 0, 2] })).toThrow(/class 1/);
    expect(() => zeroShotScores([[0, 0]], prompts, { promptClasses })).toThrow(/images\[0\]: expected a finite vector/);
  });
  it('writes every synonym into every template', () => {
    expect(promptEnsemble({ edema: ['edema', 'fluid'], normal: [] }, { templates: ['{}', 'no {}, or {}?'] })).toEqual({
      texts: ['edema', 'no edema, or edema?', 'fluid', 'no fluid, or fluid?', 'normal', 'no normal, or normal?'],
      promptClasses: [0, 0, 0, 0, 1, 1],
      classes: ['edema', 'normal'],
    });
    expect(() => promptEnsemble({ a: [] }, { templates: ['x'] })).toThrow(/templates/);
  });
});
