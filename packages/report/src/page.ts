import { renderChart } from './chart';
import { formatCell, isInterval, sharedDigits } from './format';
import { Html, html, type Part, paragraphs } from './html';
import { Pictures, renderPanel } from './panel';
import { renderRefinement } from './refinement';
import { STYLE } from './style';
import { renderTable } from './table';
import type { Overlay, OverlayGroup, Report } from './types';

const LEGEND = html`<p class="muted">Opacity grows with the value, so the image stays visible where a map is low. The ends of a colour bar are the map's own minimum and maximum unless a range was given.</p>`;

/** The whole page as text. Nothing in it reaches for the network, and a policy in its head forbids it to. */
export async function renderPage(report: Report): Promise<string> {
  const pictures = new Pictures();
  const overlays = await renderGroups('overlays', report.overlays, pictures);
  const examples = await renderGroups('examples', report.examples, pictures);
  const refinement: Html[] = [];
  for (const [i, item] of (report.refinement ?? []).entries()) {
    refinement.push(await renderRefinement(item, pictures, i));
  }
  const sections = [
    section('results', 'Results', (report.tables ?? []).map(renderTable)),
    section('curves', 'Curves', wrap('charts', (report.curves ?? []).map(renderChart))),
    section('overlays', 'Heat maps', overlays.length > 0 && [LEGEND, ...overlays]),
    section('examples', 'Examples', examples),
    section('refinement', 'Keyword refinement', refinement),
    section('notes', 'Notes', list(report.notes ?? [])),
    section('configuration', 'Configuration', settings(report.config)),
    section('environment', 'Environment', settings(report.environment)),
  ].filter((part) => part !== null);
  const date = (report.date ?? new Date()).toISOString();
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>${report.title}</title>
<style>${new Html(STYLE)}</style>
</head>
<body>
<header>
<h1>${report.title}</h1>
<time datetime="${date}">${date.slice(0, 16).replace('T', ' ')} UTC</time>
${report.summary && paragraphs(report.summary)}
${highlights(report.highlights ?? [])}
<nav aria-label="Contents"><ul>${sections.map(({ id, title }) => html`<li><a href="#${id}">${title}</a></li>`)}</ul></nav>
</header>
<main>
${sections.map(({ id, title, content }) => html`<section id="${id}"><h2>${title}</h2>${content}</section>\n`)}
</main>
${pictures.render()}
</body>
</html>
`.markup;
}

async function renderGroups(
  argument: 'overlays' | 'examples',
  items: readonly (Overlay | OverlayGroup)[] = [],
  pictures: Pictures,
): Promise<Html[]> {
  const groups: Html[] = [];
  for (const [i, item] of gather(items).entries())
    groups.push(await renderGroup(item, pictures, `${argument}[${i}].overlays`));
  return groups;
}

async function renderGroup(group: OverlayGroup, pictures: Pictures, argument: string): Promise<Html> {
  const panels: Html[] = [];
  for (const [i, overlay] of group.overlays.entries()) {
    panels.push(await renderPanel(overlay, pictures, `${argument}[${i}]`));
  }
  const heading = group.title !== '' && html`<h3>${group.title}</h3>`;
  return html`<section class="group">${heading}${group.caption && html`<p>${group.caption}</p>`}<div class="panels">${panels}</div></section>\n`;
}

/** Loose overlays that follow each other share one grid. */
function gather(items: readonly (Overlay | OverlayGroup)[]): OverlayGroup[] {
  const groups: { title: string; caption?: string; overlays: Overlay[] }[] = [];
  let loose: Overlay[] | null = null;
  for (const item of items) {
    if ('overlays' in item) {
      loose = null;
      groups.push({ ...item, overlays: [...item.overlays] });
    } else if (loose) loose.push(item);
    else {
      loose = [item];
      groups.push({ title: '', overlays: loose });
    }
  }
  return groups;
}

function section(id: string, title: string, content: Part): { id: string; title: string; content: Part } | null {
  return !content || (Array.isArray(content) && content.length === 0) ? null : { id, title, content };
}

function wrap(name: string, parts: readonly Html[]): Part {
  return parts.length > 0 && html`<div class="${name}">${parts}</div>`;
}

function list(notes: readonly string[]): Part {
  return notes.length > 0 && html`<ul class="notes">${notes.map((note) => html`<li>${note}</li>`)}</ul>`;
}

function highlights(items: NonNullable<Report['highlights']>): Part {
  if (items.length === 0) return null;
  return html`<dl class="highlights">${items.map(({ label, value, note }) => {
    const digits = isInterval(value) ? sharedDigits([value.value, value.low, value.high].flatMap((x) => x ?? [])) : undefined; // biome-ignore format: one line
    const text = formatCell(value, digits);
    const [number] = text.split(' [');
    const interval = isInterval(value) && text.slice(number!.length + 1);
    const small = [interval, note].filter(Boolean).join(' · ');
    return html`<div><dt>${label}</dt><dd>${isInterval(value) ? number : text}</dd>${small && html`<dd class="note">${small}</dd>`}</div>`;
  })}</dl>`;
}

function settings(values: Readonly<Record<string, unknown>> | undefined): Part {
  const entries = flatten(values ?? {});
  if (entries.length === 0) return null;
  return html`<dl class="settings">${entries.map(([key, value]) => html`<div><dt>${key}</dt><dd>${value}</dd></div>`)}</dl>`;
}

function flatten(value: unknown, path = ''): [string, string][] {
  if (typeof value !== 'object' || value === null || value instanceof Date) {
    return [[path, value instanceof Date ? value.toISOString() : String(value)]];
  }
  const leaf = Array.isArray(value) && value.every((item) => typeof item !== 'object' || item === null);
  if (leaf) return [[path, value.length > 0 ? value.map(String).join(', ') : 'none']];
  return Object.entries(value).flatMap(([key, inner]) => flatten(inner, path === '' ? key : `${path}.${key}`));
}
