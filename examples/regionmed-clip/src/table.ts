import { textTable } from '@medalign/report';
import { hardNegativeReadings } from './evaluate';
import type { Estimate, Summary } from './summary';

const number = (value: number | null | undefined) => (value === null || value === undefined ? '–' : value.toFixed(3));
const withInterval = ({ value, low, high }: Estimate) =>
  value === null ? '–' : `${number(value)} [${number(low)}, ${number(high)}]`;

/** What the three readings of hard negatives are called. */
export const readingNames = {
  fused: 'hard negatives: ROI above all its negatives',
  roi: '  the ROI before it looks at its image',
  image: '  the whole image',
} as const;

/** The closing table: every number (before training too, where that is given), and zero-shot by modality. */
export function closingTable(after: Summary, before?: Summary): string {
  // a table without what there is not
  const table = (head: string[], rows: string[][]) => {
    const kept = head.map((title) => before !== undefined || !title.startsWith('before'));
    const only = (cells: string[]) => cells.filter((_, i) => kept[i]);
    return textTable(only(head), rows.map(only));
  };
  const row = (name: string, of: (summary: Summary) => Estimate & { chance: number | null }) => [
    name,
    before ? withInterval(of(before)) : '',
    withInterval(of(after)),
    number(of(after).chance),
    String(of(after).n),
  ];
  const recall = (['recall', 'recallWithRois'] as const).flatMap((reading) =>
    ([1, 5, 10] as const).map((k) => [
      reading === 'recall' ? `R@${k}` : `R@${k}, images with their ROIs`,
      number(before?.[reading][k].value),
      withInterval(after[reading][k]),
      number(after[reading][k].textToImage),
      number(after[reading][k].imageToText),
      number(after[reading][k].chance),
    ]),
  );
  const modalities = Object.entries(after.modalities).map(([name, one]) => [
    name,
    number(before?.modalities[name]?.value),
    withInterval(one),
    ...[
      Object.entries(one.classes)
        .map(([label, value]) => `${label} ${number(value)}`)
        .join(', '),
    ],
    String(one.n),
  ]);
  return [
    `Image ↔ text retrieval, gallery of ${after.gallery} images of unseen patients; equal texts are matches of each other`,
    table(['', 'before', 'after', 'text → image', 'image → text', 'chance'], recall),
    '',
    'Regions; mean over the ROIs of an image, then over images; 95 % bootstrap over images',
    table(
      ['', 'before training', 'after', 'chance', 'ROIs'],
      [
        ...hardNegativeReadings.map((reading) =>
          row(readingNames[reading], ({ hardNegative }) => hardNegative[reading]),
        ),
        row('pointing game: the patch an ROI looks at most is in its box', ({ pointing }) => pointing),
      ],
    ),
    '',
    'Zero-shot by prompts: AUC of each class among the images of its modality, macro over classes',
    table(
      ['modality', 'before', 'after', 'classes', 'images'],
      [
        ...modalities,
        [
          'mean of modalities',
          number(before?.zeroShotAuc.value),
          withInterval(after.zeroShotAuc),
          '',
          String(after.zeroShotAuc.n),
        ],
      ],
    ),
  ].join('\n');
}
