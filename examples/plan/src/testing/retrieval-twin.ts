import type { Sample } from '@medalign/datasets';
import { expect } from 'vitest';
import type { ResultTable } from '../result';
import { cell } from './trained';
import { cosine, mean, type OpenModel, openModel } from './twins';

/** Indices by falling cosine, the lower one first on a tie. */
export const ranked = (query: number[], gallery: number[][]) => {
  const scores = gallery.map((other) => cosine(query, other));
  return scores.map((_, i) => i).sort((a, b) => scores[b]! - scores[a]! || a - b);
};

export async function vectorsOf(open: OpenModel, samples: readonly Sample[], texts: readonly string[]) {
  const images: number[][] = [];
  for (const sample of samples) images.push((await open.image(sample)).global);
  const reports: number[][] = [];
  for (const text of texts) reports.push((await open.text(text)).global);
  return { images, reports };
}

export interface Drawn {
  queries: { id: string; class: string }[];
  gallery: { kind: string; source: { name?: string }; texts: { text: string; class: string }[] };
}

/** Precision@K of the queries and the gallery that were drawn, in plain loops. */
export async function comparePrecision(run: string, table: ResultTable, drawn: Drawn, samples: readonly Sample[]) {
  const open = await openModel(run);
  const queries = drawn.queries.map(({ id }) => samples.find((sample) => sample.id === id)!);
  const texts = drawn.gallery.texts.map(({ text }) => text);
  const { images, reports } = await vectorsOf(open, queries, texts);
  open.model.dispose();
  for (const k of [1, 2, 5, 10]) {
    const column = `Prec@${k}`;
    if (k > texts.length) {
      expect(cell(table, 'PLAN', column)).toBeNull();
      continue;
    }
    const same = (i: number) => drawn.gallery.texts.filter((text) => text.class === drawn.queries[i]!.class).length;
    const hits = images.map((image, i) => {
      const best = ranked(image, reports).slice(0, k);
      return best.filter((j) => drawn.gallery.texts[j]!.class === drawn.queries[i]!.class).length / k;
    });
    expect(cell(table, 'PLAN', column)).toBeCloseTo(mean(hits), 6);
    expect(cell(table, 'random order', column)).toBeCloseTo(mean(images.map((_, i) => same(i) / texts.length)), 6);
    expect(cell(table, 'best possible', column)).toBeCloseTo(mean(images.map((_, i) => Math.min(1, same(i) / k))), 6);
  }
}
