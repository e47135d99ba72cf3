import { textTable } from '@medalign/report';
import type { Measurements } from './evaluate';
import { type Estimate, type Grounding, recallOf } from './summary';

const number = (value: number | null | undefined, digits = 3) =>
  value === null || value === undefined ? '–' : value.toFixed(digits);
const withInterval = ({ value, low, high }: Estimate) =>
  value === null ? '–' : `${number(value)} [${number(low)}, ${number(high)}]`;
const plusMinus = (mean: number | null, std: number | null) =>
  mean === null ? '–' : `${number(mean)} ± ${number(std)}`;

/** The closing table of a run: grounding before and after training, per category, and retrieval against chance. */
export function closingTable(
  test: { measured: Measurements; grounding?: Grounding | undefined },
  before: { measured: Measurements; grounding?: Grounding | undefined },
): string {
  const parts: string[] = [];
  if (test.grounding && before.grounding) {
    const [t, b] = [test.grounding, before.grounding];
    const row = (
      name: string,
      key:
        | 'cnr'
        | 'signedCnr'
        | 'wrongPhraseCnr'
        | 'wrongPhraseSignedCnr'
        | 'pointing'
        | 'specificity'
        | 'sameCategorySpecificity',
    ) => [name, withInterval(b[key]), withInterval(t[key]), String(t[key].n)];
    parts.push(
      `Phrase grounding, map '${t.kind}', ${t.phrases} phrases in ${t.images} images of unseen patients; 95 % bootstrap over images`,
      textTable(
        ['', 'before training', 'after', 'n'],
        [
          row('CNR, absolute (macro)', 'cnr'),
          row('CNR, signed (macro)', 'signedCnr'),
          row('  wrong phrase, absolute', 'wrongPhraseCnr'),
          row('  wrong phrase, signed', 'wrongPhraseSignedCnr'),
          row('specificity (chance 0.5)', 'specificity'),
          row('  same category', 'sameCategorySpecificity'),
          row('pointing game (macro)', 'pointing'),
        ],
      ),
      '',
      textTable(
        ['category', 'CNR before', 'CNR', 'signed CNR', 'pointing', 'n'],
        Object.entries(t.categories).map(([name, c]) => [
          name,
          plusMinus(b.categories[name]?.mean ?? null, b.categories[name]?.std ?? null),
          plusMinus(c.mean, c.std),
          plusMinus(c.signedMean, c.signedStd),
          number(c.pointing),
          String(c.n),
        ]),
      ),
      '',
    );
    if (t.saturated) parts.push(`${t.saturated} phrases have a saturated CNR and are left out of its means.`, '');
  }
  if (test.measured.retrieval) {
    const rows = ([1, 5, 10] as const).map((k) => {
      const [t, b] = [recallOf(test.measured, k), recallOf(before.measured, k)];
      return [
        `R@${k}`,
        number(b.value),
        number(t.value),
        number(t.imageToText),
        number(t.textToImage),
        number(t.chance),
      ];
    });
    parts.push(
      `Image ↔ report retrieval, gallery of ${test.measured.retrieval.gallery}`,
      textTable(['', 'before', 'after', 'image → report', 'report → image', 'chance'], rows),
    );
  }
  return parts.join('\n');
}
