import type { Sample } from '@medalign/datasets';
import { GroundingReader, type Measurements } from './evaluate';
import { encodedBatches } from './features';
import type { MapKind } from './maps';
import { pictures } from './pictures';
import type { ResultTable, TaskResult } from './result';
import { type Estimate, type Grounding, summarize } from './summary';
import { cannotServe, hasWord, setting, type Task, withFindings } from './task';

/** What the three maps are, for captions. */
export const mapWords: Record<MapKind, string> = {
  words: "words: the mean over the phrase's words of their rows of S (Eq 4)",
  phrase: "phrase: the phrase's own vector against pixel features",
  gradcam: 'gradcam: Grad-CAM on the last block',
};

/** Phrase grounding in the form of the paper's Table II: CNR by category, by every kind of map. */
export async function grounding(task: Task): Promise<TaskResult & { measured: Measurements }> {
  const { samples, anatomy, silent } = phrasesOf(task);
  const reader = new GroundingReader(task.model, samples, task);
  for await (const batch of encodedBatches(task, samples, 'grounding')) await reader.add(batch, batch.images);
  const measured: Measurements = { records: reader.records, pairs: reader.pairs, retrieval: undefined };
  const options = { resamples: task.resamples, seed: task.seed };
  const summaries = task.kinds.map((kind) => summarize(measured, kind, options)!);
  const { phrases, images } = summaries[0]!;
  const on = `${setting(task)}; ${phrases} phrases on ${images} of them`;
  const what = anatomy ? ['Phrases are the names of lungs and boxes are lung boxes: anatomy, not findings.'] : [];
  if (silent > 0) what.push(`${silent} phrases without a word are left out.`);
  return {
    tables: [categoryTable(summaries, on), controlTable(summaries, on)],
    notes: what,
    details: {
      phrases,
      images,
      maps: Object.fromEntries(task.kinds.map((kind) => [kind, mapWords[kind]])),
      summaries,
      records: measured.records,
    },
    measured,
    pictures: await pictures(task, samples, ({ findings = [] }) =>
      findings.slice(0, 2).map(({ phrase, category, boxes }) => ({
        title: phrase,
        phrase,
        boxes: boxes.map((box) => ({ ...box, label: category })),
      })),
    ),
  };
}

/** The images with phrase boxes; without any, those with boxes of anatomy, by its name. Phrases without a word are counted. */
export function phrasesOf({ data }: Pick<Task, 'data'>): { samples: Sample[]; anatomy: boolean; silent: number } {
  const given = withFindings(data.samples);
  const found = withFindings(
    given.map((sample) => ({ ...sample, findings: sample.findings!.filter(({ phrase }) => hasWord(phrase)) })),
  );
  const count = (samples: readonly Sample[]) => samples.reduce((sum, { findings }) => sum + findings!.length, 0);
  const silent = count(given) - count(found);
  if (found.length > 0) return { samples: found, anatomy: false, silent };
  const samples = data.samples.flatMap((sample): Sample[] => {
    if (!sample.regions?.length) return [];
    const findings = sample.regions.map(({ name, box }) => ({
      category: name,
      phrase: name.toLowerCase(),
      box,
      boxes: [box],
    }));
    return [{ ...sample, findings }];
  });
  if (samples.length === 0) {
    throw cannotServe(
      'grounding',
      data,
      silent > 0 ? 'has boxes, but no phrase with a word' : 'has no phrases with boxes',
      'phantom, ms-cxr, rsna-pneumonia, covid-chestxray (lungs), pairs with a `boxes` column',
    );
  }
  return { samples, anatomy: true, silent };
}

function categoryTable(summaries: readonly Grounding[], on: string): ResultTable {
  const categories = Object.keys(summaries[0]!.categories).sort();
  const rows = summaries.flatMap(({ kind, categories: of, cnr, signedCnr }) => [
    [`CNR, ${kind}`, ...categories.map((name) => ({ mean: of[name]!.mean, std: of[name]!.std })), cnr.value],
    [
      `signed CNR, ${kind}`,
      ...categories.map((name) => ({ mean: of[name]!.signedMean, std: of[name]!.signedStd })),
      signedCnr.value,
    ],
  ]);
  return {
    title: 'Phrase grounding by category (form of Table II)',
    caption:
      `On ${on}. CNR = |mean inside − mean outside| / √(variance inside + variance outside); signed: without | |. ` +
      "Union of a phrase's boxes, maps bilinear to the original size, no smoothing, no clamp, pixels outside the crop left out; " +
      `mean ± population standard deviation over phrases; last column: mean of the categories' means. ${summaries
        .map(({ kind }) => mapWords[kind])
        .join('; ')}.`,
    columns: ['', ...categories, 'macro mean'],
    rows,
  };
}

const controls: [string, (summary: Grounding) => Estimate, string][] = [
  ['CNR, absolute (macro)', ({ cnr }) => cnr, '–'],
  ['  of a wrong phrase', ({ wrongPhraseCnr }) => wrongPhraseCnr, '–'],
  ['CNR, signed (macro)', ({ signedCnr }) => signedCnr, '0'],
  ['  of a wrong phrase', ({ wrongPhraseSignedCnr }) => wrongPhraseSignedCnr, '0'],
  ['specificity', ({ specificity }) => specificity, '0.5'],
  ['  same category', ({ sameCategorySpecificity }) => sameCategorySpecificity, '0.5'],
  ['pointing game (macro)', ({ pointing }) => pointing, '–'],
  ['mIoU (macro)', ({ meanIoU }) => meanIoU, '–'],
];

function controlTable(summaries: readonly Grounding[], on: string): ResultTable {
  const saturated = summaries.filter((summary) => summary.saturated > 0);
  return {
    title: "Is it the phrase's own region?",
    caption:
      `On ${on}. 95 % percentile bootstraps over images. Wrong phrase: that of another image, read over the same box. Specificity: ` +
      "the map of a phrase is higher inside its own box than inside another phrase's of the same image. Pointing: the first " +
      'maximum lies inside. mIoU: over thresholds 0.1…0.5 of the map scaled to [−1, 1]. n: phrases or pairs, per map where they differ.' +
      saturated.map(({ kind, saturated: n }) => ` ${kind}: ${n} phrases have a saturated CNR, left out.`).join(''),
    columns: ['', 'chance', ...summaries.map(({ kind }) => kind), 'n'],
    rows: controls.map(([name, of, chance]) => {
      const counts = summaries.map((summary) => of(summary).n);
      const n = new Set(counts).size === 1 ? String(counts[0]) : counts.join(' / ');
      const estimates = summaries.map((summary) => {
        const { value, low, high } = of(summary);
        return { value, low, high };
      });
      return [name, chance, ...estimates, n];
    }),
  };
}
