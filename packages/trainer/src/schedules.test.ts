import { readFileSync } from 'node:fs';
import { expectClose } from '@medalign/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type PlateauOptions, ReduceLROnPlateau } from './plateau';
import { constantRate, cosineDecay, linearWarmup } from './schedules';

type TorchOptions = Record<string, number | string>;
type Goldens = {
  metrics: (number | null)[];
  plateau: { options: TorchOptions; rates: number[] }[];
  cosine: number[];
  warmup: number[];
};
const goldens: Goldens = JSON.parse(readFileSync(new URL('../goldens/schedules.json', import.meta.url), 'utf8'));
const metrics = goldens.metrics.map((metric) => metric ?? Number.NaN);

const fromTorch = ({ min_lr, threshold_mode, ...rest }: TorchOptions) =>
  ({ learningRate: 1, minLearningRate: min_lr, thresholdMode: threshold_mode, ...rest }) as PlateauOptions;

describe('ReduceLROnPlateau', () => {
  it.each(goldens.plateau)('cuts where PyTorch cuts: $options', ({ options, rates }) => {
    const plateau = new ReduceLROnPlateau(fromTorch(options));
    expect(rates.at(-1)).toBeLessThan(1);
    expectClose(
      metrics.map((metric) => plateau.step(metric)),
      rates,
      1e-12,
    );
  });

  it('goes on from a JSON state at any check', () => {
    fc.assert(
      fc.property(fc.nat(19), (cut) => {
        const options = { learningRate: 1, patience: 1, cooldown: 1 };
        const straight = new ReduceLROnPlateau(options);
        const first = new ReduceLROnPlateau(options);
        const rates = metrics.map((metric) => straight.step(metric));
        for (const metric of metrics.slice(0, cut)) first.step(metric);
        const resumed = new ReduceLROnPlateau(options);
        resumed.loadState(JSON.parse(JSON.stringify(first.state())));
        expect(metrics.slice(cut).map((metric) => resumed.step(metric))).toEqual(rates.slice(cut));
        expect(resumed.state()).toEqual(straight.state());
      }),
      { numRuns: 20 },
    );
  });

  it('refuses options outside their range', () => {
    expect(() => new ReduceLROnPlateau({ learningRate: 1, factor: 1 })).toThrow(/factor/);
    expect(() => new ReduceLROnPlateau({ learningRate: 1, mode: 'lowest' as never })).toThrow(/'min', 'max'/);
  });
});

describe('schedules', () => {
  it('cosine and warm-up give the rates of CosineAnnealingLR and LinearLR', () => {
    expectClose(
      goldens.cosine.map((_, step) => cosineDecay({ learningRate: 0.3, steps: 10, minimum: 0.05 })(step)),
      goldens.cosine,
      1e-9,
    );
    const warmup = linearWarmup({ steps: 5, after: constantRate({ learningRate: 0.3 }) });
    expectClose(
      goldens.warmup.map((_, step) => warmup(step)),
      goldens.warmup,
      1e-9,
    );
  });

  it('warm-up hands over without a jump and stays flat after the end', () => {
    const schedule = linearWarmup({ steps: 2, after: cosineDecay({ learningRate: 1, steps: 2 }) });
    expectClose([0, 1, 2, 3, 4, 99].map(schedule), [0.5, 1, 1, 0.5, 0, 0], 1e-12);
  });
});
