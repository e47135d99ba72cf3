import fc from 'fast-check';
import { expect, it } from 'vitest';
import { fromEcosystem, toEcosystem } from './state';

it('layouts are those of plain loops, and back again', () => {
  const size = fc.integer({ min: 1, max: 40 });
  fc.assert(
    fc.property(
      size,
      size,
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 3 }),
      (outputs, inputs, kh, kw) => {
        const shape = [outputs, inputs, kh, kw];
        const data = Float32Array.from({ length: outputs * inputs * kh * kw }, (_, i) => i);
        const filter = fromEcosystem({ shape, data }, 'convolution');
        expect(filter.shape).toEqual([kh, kw, inputs, outputs]);
        const matrix = fromEcosystem({ shape: [outputs * kh, inputs * kw], data }, 'linear');
        expect(matrix.shape).toEqual([inputs * kw, outputs * kh]);
        let at = 0;
        for (let y = 0; y < kh; y++)
          for (let x = 0; x < kw; x++)
            for (let i = 0; i < inputs; i++)
              for (let o = 0; o < outputs; o++)
                if (filter.data[at++] !== ((o * inputs + i) * kh + y) * kw + x)
                  throw new Error(`filter at ${[o, i, y, x]}`);
        for (let row = 0; row < outputs * kh; row++)
          for (let column = 0; column < inputs * kw; column++)
            if (matrix.data[column * outputs * kh + row] !== row * inputs * kw + column)
              throw new Error(`matrix at ${[row, column]}`);
        expect(toEcosystem(filter, 'convolution')).toEqual({ shape, data });
        expect(toEcosystem(matrix, 'linear')).toEqual({ shape: [outputs * kh, inputs * kw], data });
      },
    ),
    { numRuns: 30 },
  );
});
