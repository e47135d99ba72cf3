import type { PhraseReading } from '@medalign/example-plan/read-phrase';
import { number } from './describe';

/** What the table says of one word in one round. */
export type Cell = { state: 'kept' | 'dropped' | 'gone'; importance: number };

/** One row per word, one cell per round: kept, dropped in this round, or gone since an earlier one. */
export function roundCells({ words, rounds }: Pick<PhraseReading, 'words' | 'rounds'>): Cell[][] {
  return words.map((_, i) =>
    rounds.map(({ kept, importance }, t) => {
      const here = t === 0 || rounds[t - 1]!.kept[i]!;
      return { state: !here ? 'gone' : kept[i] ? 'kept' : 'dropped', importance: importance[i]! };
    }),
  );
}

const element = <K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Partial<HTMLElementTagNameMap[K]>,
  children: Node[] = [],
) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
};

/** The keyword rounds as a table. */
export function roundsTable(reading: PhraseReading): HTMLElement {
  const cells = roundCells(reading);
  const head = ['Word', ...reading.rounds.map((_, t) => `Round ${t + 1}`)];
  const say = ({ state, importance }: Cell) => {
    const parts = state === 'gone' ? ['–'] : [number(importance), state === 'kept' ? '✓ kept' : 'dropped'];
    // two pieces that a narrow column may put below each other
    return parts.flatMap((textContent) => [element('span', { textContent }), document.createTextNode(' ')]);
  };
  const table = element('table', {}, [
    element('caption', { textContent: 'Keywords: the importance of each word, and whether the round kept it' }),
    element('thead', {}, [
      element(
        'tr',
        {},
        head.map((textContent) => element('th', { scope: 'col', textContent })),
      ),
    ]),
    element(
      'tbody',
      {},
      reading.words.map((word, i) =>
        element('tr', {}, [
          element('th', { scope: 'row', textContent: word }),
          ...cells[i]!.map((cell) => element('td', { className: cell.state }, say(cell))),
        ]),
      ),
    ),
  ]);
  // long words may make it wider than a phone: it scrolls by itself, with the arrow keys too
  const scrolled = element('div', { className: 'table', tabIndex: 0, role: 'region' }, [table]);
  scrolled.setAttribute('aria-label', 'Keyword rounds');
  return scrolled;
}
