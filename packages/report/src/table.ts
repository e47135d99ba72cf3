import { ReportError } from './checks';
import { formatCell, isInterval, sharedDigits } from './format';
import { type Html, html } from './html';
import type { Cell, Column, ReportTable } from './types';

/** One table: row names on the left, numbers aligned by their point, intervals in small print, the best number marked. */
export function renderTable(table: ReportTable, index: number): Html {
  const columns = table.columns.map((column): Column => (typeof column === 'string' ? { title: column } : column));
  table.rows.forEach((row, r) => {
    if (row.length !== columns.length) {
      throw new ReportError(
        `tables[${index}].rows[${r}]: expected ${columns.length} cells, one per column, got ${row.length}. Fix: null for an empty cell.`,
      );
    }
  });
  const layout = columns.map((column, c) => {
    const cells = table.rows.map((row) => row[c]!);
    const numbers = cells.flatMap((cell) => numberOf(cell) ?? []);
    const numeric = numbers.length > 0 && cells.every((cell) => cell === null || typeof cell !== 'string');
    const ends = cells.flatMap((cell) => (isInterval(cell) ? [cell.low, cell.high] : [])).filter((end) => end !== null);
    const finite = numbers.filter(Number.isFinite);
    return {
      ...column,
      numeric,
      digits: column.digits ?? sharedDigits([...numbers, ...ends]),
      winner: column.best && finite.length > 1 ? (column.best === 'highest' ? Math.max : Math.min)(...finite) : null,
    };
  });
  const cell = (value: Cell, c: number) => {
    const { numeric, digits, winner } = layout[c]!;
    const best = winner !== null && numberOf(value) === winner;
    const [number, interval] = split(formatCell(value, digits), isInterval(value));
    const content = html`${best ? html`<strong>${number}<span class="hidden"> (best)</span></strong>` : number}${
      interval && html` <span class="interval">${interval}</span>`
    }`;
    const kind = numeric && c > 0 ? 'number' : 'text';
    return c === 0 ? html`<th scope="row">${content}</th>` : html`<td class="${kind}">${content}</td>`;
  };
  const marked = layout.some(({ winner }) => winner !== null);
  return html`<div class="table" role="region" tabindex="0" aria-label="${table.title}"><table>
<caption><div><strong>${table.title}</strong>${table.caption && html` <span>${table.caption}</span>`}${marked && html` <span>Bold: best of the column.</span>`}</div></caption>
<thead><tr>${layout.map(({ title, numeric }, c) => html`<th scope="col" class="${numeric && c > 0 ? 'number' : 'text'}">${title}</th>`)}</tr></thead>
<tbody>${table.rows.map((row) => html`<tr>${row.map(cell)}</tr>\n`)}</tbody>
</table></div>`;
}

function numberOf(cell: Cell): number | null {
  if (typeof cell === 'number') return cell;
  return isInterval(cell) ? cell.value : null;
}

function split(text: string, interval: boolean): [string, string | null] {
  const start = interval ? text.indexOf(' [') : -1;
  return start < 0 ? [text, null] : [text.slice(0, start), text.slice(start + 1)];
}
