import { expect, it } from 'vitest';
import { ReportError, textTable } from '.';

it('lines the columns of a text table up', () => {
  expect(
    textTable(
      ['', 'before', 'after'],
      [
        ['R@1', '0.1', '0.25 [0.2, 0.3]'],
        ['pointing', '–', '1'],
      ],
    ),
  ).toBe(
    // biome-ignore format: one row per line
    [
      '          before            after',
      '────────  ──────  ───────────────',
      'R@1          0.1  0.25 [0.2, 0.3]',
      'pointing       –                1',
    ].join('\n'),
  );
  expect(textTable(['alone'], [])).toBe('alone\n─────');
  expect(() => textTable(['a', 'b'], [['1', '2'], ['3']])).toThrow(ReportError);
  expect(() => textTable(['a', 'b'], [['1', '2'], ['3']])).toThrow(/rows\[1\]: expected 2 cells, got 1/);
});
