import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { refuseLfsPointer } from './decode';
import { countNote, dropCounter, FileLookup, requireRows } from './table';
import { DataError, type Region } from './types';
import { answerTypeOf, normalizeAnswer, oneLine, readRows, type VqaDataset, type VqaSample } from './vqa';

/** Options of {@link slake}. */
export interface SlakeOptions {
  /** Of the question: `en`, `zh`, or null for both. */
  language?: 'en' | 'zh' | null;
}

const fields = ['img_name', 'question', 'answer', 'q_lang', 'answer_type', 'content_type', 'qid'];
/** Part → names of its file, and published English questions. */
const parts = [
  { split: 'train', names: ['train.json'], english: 4919 },
  { split: 'validation', names: ['validate.json', 'validation.json'], english: 1053 },
  { split: 'test', names: ['test.json'], english: 1061 },
] as const;

/** `[{"Liver": [x, y, width, height]}, …]`; no file, no boxes. Boxes without area are left out, told by `bad`. */
async function organBoxes(path: string, bad: () => void): Promise<Region[] | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const wanted = 'expected [{"<organ>": [x, y, width, height]}, …]';
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch (error) {
    throw new DataError(`${path}: ${wanted}: ${(error as Error).message}`);
  }
  if (!Array.isArray(list)) throw new DataError(`${path}: ${wanted}, got ${JSON.stringify(list).slice(0, 60)}`);
  return list.flatMap((entry) =>
    Object.entries((entry ?? {}) as Record<string, unknown>).flatMap(([name, box]): Region[] => {
      const numbers = Array.isArray(box) ? box.map(Number) : [];
      const [x, y, width, height] = numbers as [number, number, number, number];
      if (numbers.length !== 4 || !numbers.every(Number.isFinite)) {
        throw new DataError(`${path}: ${wanted}, got ${JSON.stringify(entry).slice(0, 60)}`);
      }
      if (width > 0 && height > 0) return [{ name, box: { x, y, width, height } }];
      bad();
      return [];
    }),
  );
}

/**
 * SLAKE (Liu et al. 2021, arXiv 2102.09542): questions in English and Chinese about radiology images, with organ boxes.
 *
 * The split is the published one, and no image is in two parts of it: `givenSplit` works. `questionTypes` has the
 * `content_type`; `regions` are the organ boxes of `detection.json`, where present; `meta` has `answer`, `language`,
 * `location`, `modality`, `base` (vqa, kvqa), `triple`, `mask` (a path). Questions in another language and those whose
 * image is missing are left out and counted. Answers are normalised by `normalizeAnswer`. `patientId` is the image's
 * folder: which images are of one patient is not in the files.
 *
 * @param folder holds `train.json`, `validate.json` (or `validation.json`), `test.json` and `imgs/xmlab<n>/source.jpg`.
 * @param options `language` en.
 * @throws {DataError} naming the file, the question and what was expected; if no question is left.
 */
export async function slake(folder: string, { language = 'en' }: SlakeOptions = {}): Promise<VqaDataset> {
  const files = new FileLookup();
  const { dropped, drop } = dropCounter();
  const samples: VqaSample[] = [];
  const boxes = new Map<string, Region[] | undefined>();
  const found: Record<string, number> = {};
  let [rows, flat] = [0, 0];
  for (const { split, names } of parts) {
    const present = await Promise.all(names.map((name) => files.has(join(folder, name))));
    const path = join(folder, names[Math.max(0, present.indexOf(true))]!);
    const seen = new Set<string>();
    for (const [i, row] of (await readRows(path, fields)).entries()) {
      rows++;
      const where = `${path}: question ${i + 1}`;
      const id = `${split}-${row.qid}`;
      if (seen.has(id)) throw new DataError(`${where}: qid ${row.qid} is already that of an earlier question`);
      seen.add(id);
      const answerType = answerTypeOf(row.answer_type, where);
      const spoken = oneLine(row.q_lang);
      const name = oneLine(row.img_name);
      const image = join(folder, 'imgs', name);
      const [question, answer] = [oneLine(row.question), normalizeAnswer(row.answer as string)];
      if (language !== null && spoken !== language) drop(`language ${spoken}`);
      else if (!(await files.has(image))) drop('image file missing');
      else if (question === '' || answer === '') drop(question === '' ? 'no question' : 'no answer');
      else {
        const at = dirname(image);
        if (!boxes.has(at)) boxes.set(at, await organBoxes(join(at, 'detection.json'), () => flat++));
        const regions = boxes.get(at);
        const mask = join(at, 'mask.png');
        samples.push({
          id,
          patientId: dirname(name),
          image: { kind: 'file', path: image },
          text: question,
          question,
          answer,
          answerType,
          questionTypes: [oneLine(row.content_type)],
          split,
          ...(regions && { regions }),
          meta: {
            answer: row.answer,
            language: spoken,
            location: row.location,
            modality: row.modality,
            base: row.base_type,
            triple: row.triple,
            ...((await files.has(mask)) && { mask }),
          },
        });
        found[split] = (found[split] ?? 0) + 1;
      }
    }
  }
  requireRows(
    folder,
    rows,
    samples.length,
    dropped,
    'unpack `imgs` next to the JSON files, or ask for another language',
  );
  await refuseLfsPointer((samples[0]!.image as { path: string }).path);
  return {
    name: 'slake',
    samples,
    counts: { rows, kept: samples.length, dropped },
    notes: [
      ...(language === 'en'
        ? parts.flatMap(({ split, english }) => countNote(`English questions in ${split}`, english, found[split] ?? 0))
        : []),
      ...(flat ? [`${flat} organ boxes without area were left out.`] : []),
    ],
    options: { language },
  };
}
