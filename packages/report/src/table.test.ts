import { describe, expect, it } from 'vitest';
import { formatCell, formatNumber } from './format';
import { renderTable } from './table';

describe('formatNumber', () => {
  it.each([
    [1.5, undefined, '1.5'],
    [0.12345, undefined, '0.123'],
    [-2, 2, '−2.00'],
    [-0.001, 2, '0.00'],
    [0.00001, undefined, '1e−5'],
    [12345678, undefined, '1.23e7'],
    [0, undefined, '0'],
    [Number.NaN, undefined, 'NaN'],
    [Number.NEGATIVE_INFINITY, undefined, '−∞'],
  ])('%s with %s digits is %s', (value, digits, text) => {
    expect(formatNumber(value, digits)).toBe(text);
  });
});

describe('tables', () => {
  it('show intervals, dashes and the best number of a column', () => {
    const rows = [
      ['a', { value: 1.25, low: 1, high: 1.5 }, 3],
      ['b', 2, 1],
      ['c', null, null],
    ];
    const columns = [
      'system',
      { title: 'CNR', best: 'highest' as const },
      { title: 'loss', best: 'lowest' as const, digits: 1 },
    ];
    const { markup } = renderTable({ title: 't', columns, rows }, 0);
    expect(markup).toContain('1.25 <span class="interval">[1.00, 1.50]</span>');
    expect(markup).toContain('<strong>2.00<span class="hidden"> (best)</span></strong>');
    expect(markup).toContain('<strong>1.0<span');
    expect(markup).toContain('<td class="number">–</td>');
    expect(markup).toContain('<th scope="row">a</th>');
  });
  it('writes cells as text', () => {
    expect([true, false, null, 'x'].map((cell) => formatCell(cell))).toEqual(['yes', 'no', '–', 'x']);
    expect(formatCell({ value: null, low: null, high: null })).toBe('–');
  });
});
