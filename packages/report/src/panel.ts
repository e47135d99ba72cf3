import { checkColor, ReportError } from './checks';
import { BOX_COLORS, DIVERGING, SEQUENTIAL } from './colors';
import { formatNumber } from './format';
import { type Html, html } from './html';
import { type ColoredMap, dataUri, imageToPng, mapToPng } from './png';
import type { Overlay, RankedText, ReportBox, ReportImage } from './types';

/** Pictures that several panels share are stored once and referred to. */
export class Pictures {
  private readonly ids = new Map<ArrayLike<number>, string>();
  private readonly definitions: Html[] = [];

  /** Stores an image on first sight; the same `data` array is the same picture. */
  async add(image: ReportImage, argument: string): Promise<string> {
    const known = this.ids.get(image.data);
    if (known) return known;
    const id = `picture-${this.ids.size + 1}`;
    this.ids.set(image.data, id);
    const { width, height } = image;
    const uri = dataUri(await imageToPng(image, argument));
    this.definitions.push(
      html`<image id="${id}" width="${width}" height="${height}" preserveAspectRatio="none" class="${rendering(image)}" href="${uri}"/>\n`,
    );
    return id;
  }

  render(): Html {
    return html`<svg width="0" height="0" class="definitions" aria-hidden="true"><defs>${gradient('sequential', SEQUENTIAL)}${gradient('diverging', DIVERGING)}
${this.definitions}</defs></svg>`;
  }
}

/** An image, the map over it, the boxes over both, and a colour bar with the range in numbers. */
export async function renderPanel(overlay: Overlay, pictures: Pictures, argument: string): Promise<Html> {
  const { image, map, boxes = [] } = overlay;
  const picture = await pictures.add(image, `${argument}.image`);
  const colored = map && (await mapToPng(map, overlay, `${argument}.map`));
  const { width, height } = image;
  const labels = boxes.map((box) => box.label).filter(Boolean);
  const alt = [
    overlay.title,
    colored ? `heat map from ${formatNumber(colored.low)} to ${formatNumber(colored.high)}` : 'image',
    labels.length > 0 && `boxes: ${labels.join(', ')}`,
  ];
  return html`<figure class="panel">
<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${alt.filter(Boolean).join('; ')}">
<use href="#${picture}"/>
${colored && html`<image width="${width}" height="${height}" preserveAspectRatio="none" href="${dataUri(colored.png)}"/>`}
${renderBoxes(boxes, image, argument)}
</svg>
${colored && colorBar(colored, overlay)}
<figcaption><strong>${overlay.title}</strong>${overlay.caption && html` <span>${overlay.caption}</span>`}</figcaption>
${overlay.ranking && ranking(overlay.ranking)}
</figure>`;
}

/** Places, scores and texts; those that were looked for stand out, in words too. */
function ranking(texts: readonly RankedText[]): Html {
  let next = 1;
  return html`<ol class="ranking">${texts.map(({ text, score, right, rank = next }) => {
    next = rank + 1;
    const kind = right ? 'right' : 'wrong';
    return html`<li class="${kind}" value="${rank}"><span class="score">${formatNumber(score, 3)}</span> ${right && html`<span aria-hidden="true">✓ </span>`}${text}<span class="hidden"> (${kind})</span></li>`;
  })}</ol>`;
}

/** Boxes as SVG in the pixels of the image: a dark rim keeps them visible on white. */
export function renderBoxes(
  boxes: readonly ReportBox[],
  { width, height }: { width: number; height: number },
  argument: string,
): Html[] {
  const size = Math.max(width, height) * 0.05;
  const stroke = Math.max(width, height) / 150;
  return boxes.map((box, i) => {
    const color = box.color ?? BOX_COLORS[i % BOX_COLORS.length]!;
    checkColor(`${argument}.boxes[${i}].color`, color);
    if (![box.x, box.y, box.width, box.height].every(Number.isFinite) || box.width < 0 || box.height < 0) {
      throw new ReportError(
        `${argument}.boxes[${i}]: expected finite x, y, width and height in pixels, got ${JSON.stringify(box)}.`,
      );
    }
    const frame = html`x="${box.x}" y="${box.y}" width="${box.width}" height="${box.height}" fill="none"`;
    return html`<g><rect ${frame} stroke="#000" stroke-opacity="0.6" stroke-width="${2 * stroke}"/><rect ${frame} stroke="${color}" stroke-width="${stroke}"/>${
      box.label !== '' && boxLabel(box, color, size, { width, height })
    }</g>`;
  });
}

function boxLabel(box: ReportBox, color: string, size: number, image: { width: number; height: number }): Html {
  const most = Math.max(1, Math.floor((image.width - size) / (0.53 * size)));
  const text = box.label.length > most ? `${box.label.slice(0, most - 1)}…` : box.label;
  const [width, height] = [text.length * 0.53 * size + 0.5 * size, 1.3 * size];
  const x = Math.max(0, Math.min(box.x, image.width - width));
  const above = box.y - height;
  const below = box.y + box.height;
  const y = above >= 0 ? above : below + height <= image.height ? below : Math.max(0, box.y);
  return html`<g><title>${box.label}</title><rect x="${x}" y="${y}" width="${width}" height="${height}" fill="#000" fill-opacity="0.72"/><text x="${x + 0.25 * size}" y="${y + 0.97 * size}" font-size="${size}" textLength="${width - 0.5 * size}" lengthAdjust="spacingAndGlyphs" font-family="system-ui, sans-serif" fill="${color}">${text}</text></g>`;
}

function colorBar({ low, high, unknown, beyond }: ColoredMap, { colors = 'sequential', unit }: Overlay): Html {
  const bar = html`<svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect width="100" height="8" fill="url(#gradient-${colors})"/></svg>`;
  // As many digits as tell the ends apart: the smallest value of a map is rarely a round number.
  const digits = high > low ? Math.min(Math.max(2 - Math.floor(Math.log10(high - low)), 0), 12) : undefined;
  const end = (value: number, sign: string | false) =>
    html`<span>${sign}${formatNumber(value, digits)}${unit && html` ${unit}`}</span>`;
  const ends =
    low === high
      ? html`<span>constant ${formatNumber(low)}</span>`
      : html`${end(low, beyond.low && '≤ ')}${colors === 'diverging' && html`<span>0</span>`}${end(high, beyond.high && '≥ ')}`;
  return html`<div class="colorbar">${low < high && bar}<div class="ends">${ends}</div>${unknown > 0 && html`<p class="muted">Grey: not seen by the model.</p>`}</div>`;
}

function gradient(name: string, samples: readonly string[]): Html {
  const stops = samples.map((color, i) => html`<stop offset="${i / (samples.length - 1)}" stop-color="#${color}"/>`);
  return html`<linearGradient id="gradient-${name}">${stops}</linearGradient>`;
}

function rendering({ width, height }: ReportImage): string {
  return Math.max(width, height) < 160 ? 'pixelated' : 'smooth';
}
