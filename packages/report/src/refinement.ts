import { ReportError } from './checks';
import { type Html, html } from './html';
import { type Pictures, renderPanel } from './panel';
import type { Refinement } from './types';

/** Iterations side by side: the map of each, and under it the report with the words it dropped struck out. */
export async function renderRefinement(item: Refinement, pictures: Pictures, index: number): Promise<Html> {
  const steps: Html[] = [];
  for (const [t, { map, keywords }] of item.iterations.entries()) {
    const argument = `refinement[${index}].iterations[${t}]`;
    if (keywords.length !== item.words.length) {
      throw new ReportError(
        `${argument}.keywords: expected ${item.words.length} entries, one per word, got ${keywords.length}. Fix: cut the padding.`,
      );
    }
    const before = t === 0 ? item.words.length : count(item.iterations[t - 1]!.keywords);
    const panel = await renderPanel(
      {
        title: `Iteration ${t + 1}`,
        caption: `keeps ${count(keywords)} of ${before} words`,
        image: item.image,
        map,
        boxes: item.boxes ?? [],
        ...(item.colors && { colors: item.colors }),
        ...(item.range && { range: item.range }),
      },
      pictures,
      argument,
    );
    steps.push(
      html`<div class="step">${panel}<p class="words">${item.words.map((text, i) => word(text, keywords[i]!))}</p></div>`,
    );
  }
  return html`<section class="group"><h3>${item.title}</h3>${item.caption && html`<p>${item.caption}</p>`}<div class="panels steps">${steps}</div></section>`;
}

function word(text: string, kept: boolean): Html {
  return kept ? html`<span class="kept">${text}</span> ` : html`<s><span class="hidden">dropped: </span>${text}</s> `;
}

function count(keywords: readonly boolean[]): number {
  return keywords.filter(Boolean).length;
}
