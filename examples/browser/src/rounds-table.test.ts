import { expect, it } from 'vitest';
import { roundCells } from './rounds-table';

it('tells words that a round dropped from those that were gone before', () => {
  const map = { data: new Float32Array(1), height: 1, width: 1 };
  const rounds = [
    { kept: [true, true, false], importance: [0.5, 0.3, 0.2], map },
    { kept: [true, false, false], importance: [0.6, 0.4, 0], map },
  ];
  const cells = roundCells({ words: ['opacity', 'left', 'the'], rounds });
  expect(cells.map((row) => row.map(({ state }) => state))).toEqual([
    ['kept', 'kept'],
    ['kept', 'dropped'],
    ['dropped', 'gone'],
  ]);
  expect(cells[1]![1]!.importance).toBe(0.4);
});
