import { type ReportTable, textTable } from '@medalign/report';
import type { Differences } from './differences';
import type { MapKind } from './maps';
import type { Setting } from './settings';
import type { Estimate } from './summary';

/** What one setting gave, its seeds pooled: intervals resample images, each with the phrases of every seed. */
export interface Row {
  setting: string;
  group: Setting['group'];
  seeds: readonly number[];
  map: MapKind;
  cnr: Estimate;
  signedCnr: Estimate;
  specificity: Estimate;
  sameCategorySpecificity: Estimate;
  pointing: Estimate;
  wrongPhraseSignedCnr: Estimate;
  recallAt10: { value: number; seeds: readonly number[]; chance: number };
  /** This setting minus the baseline, on the same images; where the baseline was measured. */
  overBaseline?: Differences;
}

/** What everything is compared with: the global loss alone, by the map that reads it best. */
export const baseline = { setting: 'global only', kind: 'phrase' } as const;

const titles: Record<Setting['group'], string> = {
  loss: 'Loss settings (the paper’s Table VI)',
  iterations: 'Iterations T (the paper’s Fig 6)',
  negatives: 'Negatives of the local loss (linear attention, features reused)',
  attention: 'Attention over pixels (negatives: images)',
};

const differenceTitle = `Difference from '${baseline.setting}' by its ${baseline.kind} map (paired bootstrap over images)`;
const differenceColumns = ['setting', 'map', 'signed CNR', 'specificity', 'same category', 'pointing'];

const differenceRows = (rows: Row[]) =>
  rows.flatMap(({ setting, map, overBaseline: d }) =>
    d ? [[setting, map, d.signedCnr, d.specificity, d.sameCategorySpecificity, d.pointing]] : [],
  );

const textCells = (cells: (string | Estimate)[]) =>
  cells.map((cell) => (typeof cell === 'string' ? cell : estimateText(cell, 3)));

const estimateText = ({ value, low, high }: Estimate, digits = 2) =>
  `${value?.toFixed(digits)} [${low?.toFixed(digits)}, ${high?.toFixed(digits)}]`;

const columns = ['setting', 'map', 'CNR', 'signed CNR', 'specificity', 'same category', 'pointing', 'R@10'];

/** A block of rows for the terminal. */
export function tableText(rows: Row[]): string {
  return textTable(
    columns,
    rows.map((r) => [
      r.setting,
      r.map,
      estimateText(r.cnr),
      estimateText(r.signedCnr),
      estimateText(r.specificity),
      estimateText(r.sameCategorySpecificity),
      estimateText(r.pointing),
      r.recallAt10.value.toFixed(3),
    ]),
  );
}

function reportTable(title: string, rows: Row[]): ReportTable {
  return {
    title,
    caption: `R@10 over both directions, chance ${rows[0]?.recallAt10.chance.toFixed(3)}.`,
    columns,
    rows: rows.map((r) => [
      r.setting,
      r.map,
      r.cnr,
      r.signedCnr,
      r.specificity,
      r.sameCategorySpecificity,
      r.pointing,
      r.recallAt10.value,
    ]),
  };
}

const groupsOf = (rows: Row[]) => [...new Set(rows.map(({ group }) => group))];
const inGroup = (rows: Row[], group: Setting['group']) => rows.filter((row) => row.group === group);

/** Every table for the terminal, under its title. */
export function ablationText(rows: Row[]): string {
  const compared = differenceRows(rows);
  return [
    ...groupsOf(rows).map((group) => `${titles[group]}\n${tableText(inGroup(rows, group))}`),
    ...(compared.length ? [`${differenceTitle}\n${textTable(differenceColumns, compared.map(textCells))}`] : []),
  ].join('\n\n');
}

/** Every table for the report. */
export function ablationTables(rows: Row[]): ReportTable[] {
  const compared = differenceRows(rows);
  return [
    ...groupsOf(rows).map((group) => reportTable(titles[group], inGroup(rows, group))),
    ...(compared.length ? [{ title: differenceTitle, columns: differenceColumns, rows: compared }] : []),
  ];
}
