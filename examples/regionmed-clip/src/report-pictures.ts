import { loadImage } from '@medalign/datasets';
import { boxMask, pointingGame } from '@medalign/eval-metrics';
import type { Overlay, OverlayGroup, RankedText, ReportBox, ReportImage } from '@medalign/report';
import { dot, type EncodedRoi, type EncodedSample } from './encoded';
import { bestPlace } from './evaluate';

// ── Where ROIs look ───────────────────────────────────────────────────────────────────────────────────────────────────

/** The first images of each modality that have an ROI, in turn, whether they turn out well or not. */
const chooseImages = (encoded: readonly EncodedSample[], count: number) =>
  inTurn(encoded.filter(({ rois }) => rois.length > 0), (one) => one, count) // biome-ignore format: one call
    .sort((a, b) => (a.sample.modality < b.sample.modality ? -1 : 1));

/** What every ROI of some images looks at, over the image with its box, colours alike in all; and the names of their files. */
export async function attentionPictures(
  encoded: readonly EncodedSample[],
  count: number,
): Promise<{ overlays: Overlay[]; files: string[] }> {
  const chosen = chooseImages(encoded, count);
  const highest = chosen.flatMap(({ rois, grid }) =>
    rois.flatMap(({ looks }) => (looks ? [Math.max(...looks) * grid[0] * grid[1]] : [])),
  );
  const range = [1, sharedTop(highest)] as const;
  const overlays: Overlay[] = [];
  const files: string[] = [];
  for (const one of chosen) {
    const { sample, rois } = one;
    const image = await imageOf(one);
    for (const roi of rois) {
      const box = sample.rois[roi.number]!;
      const named = `ROI ${roi.number + 1}`;
      const title = `${sample.modality}: image ${sample.id}, ${named}`;
      const boxes: ReportBox[] = [{ ...box, label: named }];
      const text = box.caption ?? sample.regionCaption;
      files.push(`${sample.modality}-${sample.id}-roi${roi.number + 1}.png`.replace(/[^\w.-]+/g, '_'));
      if (!roi.looks) {
        overlays.push({ title, caption: `${text}. No map: the paper's literal keys have one weight.`, image, boxes });
        continue;
      }
      const { map, hit, inside, place } = look(one, roi);
      const verdict = hit ? '✓ Points into its box' : '✗ Points elsewhere';
      overlays.push({
        title,
        caption: `${text}. ${verdict}: ${inside.toFixed(1)}\u00a0×\u00a0even in the box, ${place.value.toFixed(1)}\u00a0× at the mark.`,
        image,
        map: { data: map, width: image.width, height: image.height },
        boxes: [...boxes, mark(place, image)],
        range,
        unit: '× even',
      });
    }
  }
  return { overlays, files };
}

/** Where the colours end: a quarter of the maps go higher, so that an ordinary one is seen too. */
function sharedTop(highest: readonly number[]): number {
  const sorted = [...highest].sort((a, b) => a - b);
  return Math.max(1.5, sorted[Math.floor(0.75 * sorted.length)] ?? 0);
}

/** The map of an ROI in multiples of even attention, the pointing game on it, and its mean in the box. */
function look({ sample, view, grid: [height, width] }: EncodedSample, { number, looks }: EncodedRoi) {
  const map = view.toOriginal(looks!, { height, width }).map((weight) => weight * height * width);
  const mask = boxMask([sample.rois[number]!], view);
  const { value, index } = pointingGame(map, mask);
  let [sum, pixels] = [0, 0];
  for (let i = 0; i < map.length; i++) {
    if (!mask[i] || Number.isNaN(map[i])) continue;
    sum += map[i]!;
    pixels += 1;
  }
  const place = { x: index % view.width, y: Math.floor(index / view.width), value: map[index]! };
  return { map, hit: value === 1, inside: pixels ? sum / pixels : 0, place };
}

/** A small white square around the pixel that is looked at most. */
function mark({ x, y }: { x: number; y: number }, { width, height }: ReportImage): ReportBox {
  const side = Math.max(width, height) / 24;
  return { x: x + 0.5 - side / 2, y: y + 0.5 - side / 2, width: side, height: side, label: '', color: '#ffffff' };
}

export const attentionLegend =
  'What each ROI (blue box) looks at: its cross-attention to the patches of its image, mean over heads, the global token left out, spread from patches to pixels. The unit is what every patch would get if attention were even. All maps share one colour scale: it begins at 1 × even, where nothing is drawn, and a quarter of the maps go beyond its end (≥). The white square is the place that is looked at most, ✓ if it lies in the box of the ROI. The first test images of every modality that have an ROI, whether they turned out well or not. No loss asks an ROI to look at itself: what it needs of its image may be elsewhere.';

// ── Examples ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Images with the texts that are closest to them: right ones, and those whose own text comes last. */
export async function retrievalExamples(encoded: readonly EncodedSample[], count: number): Promise<OverlayGroup[]> {
  const ids = encoded.map(({ texts }) => texts.id);
  const scored = encoded.map((one) => {
    const scores = encoded.map(({ texts }) => dot(one.global, texts.own));
    return { one, scores, place: bestPlace(scores, ids, one.texts.id) };
  });
  const right = inTurn(scored.filter(({ place }) => place === 0), ({ one }) => one, count); // biome-ignore format: one call
  const wrong = [...scored].sort((a, b) => b.place - a.place).filter(({ place }) => place > 0);
  const panel = async ({ one, scores, place }: (typeof scored)[number]): Promise<Overlay> => ({
    title: `${one.sample.modality}: image ${one.sample.id}`,
    caption: place === 0 ? 'right' : `wrong: its own text is at place ${place + 1} of ${encoded.length}`,
    image: await imageOf(one),
    ranking: bestTexts(encoded, scores, one.texts.id, 3),
  });
  const shown = async (title: string, caption: string, chosen: typeof scored): Promise<OverlayGroup[]> =>
    chosen.length ? [{ title, caption, overlays: await Promise.all(chosen.map(panel)) }] : [];
  return [
    ...(await shown(
      'Retrieval, right',
      `${scored.filter(({ place }) => place === 0).length} of ${encoded.length} images find their own text first (or one that says the same); here the first of different modalities. Cosine and text, a text that several images have once; ✓ is the image's own.`,
      right,
    )),
    ...(await shown('Retrieval, worst', 'The images whose own text comes latest.', wrong.slice(0, count))),
  ];
}

/** The best texts that differ, and the image's own where it is not among them. */
export function bestTexts(
  encoded: readonly EncodedSample[],
  scores: readonly number[],
  own: number,
  count: number,
): RankedText[] {
  const order = scores.map((_, j) => j).sort((a, b) => scores[b]! - scores[a]! || a - b);
  const seen = new Set<number>();
  const best = order.flatMap((j, place): RankedText[] => {
    const { texts, sample } = encoded[j]!;
    if (seen.has(texts.id)) return [];
    seen.add(texts.id);
    return [{ rank: place + 1, text: sample.report, score: scores[j]!, right: texts.id === own }];
  });
  return best.filter(({ right }, i) => i < count || right);
}

/** ROIs with their caption among its negatives: right ones, and those with a negative furthest above. */
export async function hardNegativeExamples(encoded: readonly EncodedSample[], count: number): Promise<OverlayGroup[]> {
  const all = encoded.flatMap((one) => {
    const { caption, negatives } = one.texts;
    if (negatives.length === 0) return [];
    return one.rois.map((roi) => {
      const wrong = negatives.map((negative) => dot(roi.fused, negative));
      const own = dot(roi.fused, caption);
      return { one, roi, own, wrong, margin: own - Math.max(...wrong) };
    });
  });
  const panel = async ({ one, roi, own, wrong, margin }: (typeof all)[number]): Promise<Overlay> => {
    const { sample } = one;
    const texts: RankedText[] = [
      { text: sample.regionCaption, score: own, right: true },
      ...wrong.map((score, n) => ({ text: sample.negativeCaptions[n]!, score, right: false })),
    ];
    return {
      title: `${sample.modality}: image ${sample.id}`,
      caption: `${margin > 0 ? 'right' : 'wrong'}: the caption is ${Math.abs(margin).toFixed(3)} ${margin > 0 ? 'above' : 'below'} the best negative`,
      image: await imageOf(one),
      boxes: [{ ...sample.rois[roi.number]!, label: `ROI ${roi.number + 1}` }],
      ranking: texts.sort((a, b) => b.score - a.score || Number(a.right) - Number(b.right)),
    };
  };
  const right = all.filter(({ margin }) => margin > 0);
  const worst = all.filter(({ margin }) => margin <= 0).sort((a, b) => a.margin - b.margin);
  const shown = async (title: string, caption: string, chosen: typeof all): Promise<OverlayGroup[]> =>
    chosen.length ? [{ title, caption, overlays: await Promise.all(chosen.map(panel)) }] : [];
  return [
    ...(await shown(
      'Hard negatives, right',
      `${right.length} of ${all.length} ROIs are closer to the region caption of their image than to every negative; here the first of different modalities. Cosine and caption; ✓ is the true one.`,
      inTurn(right, ({ one }) => one, count),
    )),
    ...(await shown('Hard negatives, worst', 'The ROIs with a negative furthest above their caption.', worst.slice(0, count))), // biome-ignore format: one call
  ];
}

/** The first of each modality, then the second of each. */
function inTurn<T>(items: readonly T[], of: (item: T) => EncodedSample, count: number): T[] {
  const seen = new Map<string, number>();
  const turns = items.map((item) => {
    const { modality } = of(item).sample;
    const turn = seen.get(modality) ?? 0;
    seen.set(modality, turn + 1);
    return { item, turn };
  });
  return turns
    .sort((a, b) => a.turn - b.turn)
    .slice(0, count)
    .map(({ item }) => item);
}

/** Pictures of the same image are stored once: the same array each time. */
const images = new WeakMap<EncodedSample, ReportImage>();
async function imageOf(one: EncodedSample): Promise<ReportImage> {
  const known = images.get(one);
  if (known) return known;
  const { data, width, height, channels } = await loadImage(one.sample.image);
  const image = { data, width, height, channels: channels as 1 | 3 };
  images.set(one, image);
  return image;
}
