import { join, parse } from 'node:path';
import { refuseLfsPointer } from './decode';
import { countNote, dropCounter, FileLookup, requireRows } from './table';
import { DataError } from './types';
import { answerTypeOf, normalizeAnswer, oneLine, readRows, type VqaDataset, type VqaSample } from './vqa';

const fields = [
  'qid',
  'phrase_type',
  'image_name',
  'image_organ',
  'question',
  'question_type',
  'answer',
  'answer_type',
];
const phrases = ['freeform', 'para', 'test_freeform', 'test_para'];
/** As two questions have them. */
const misspelt: Record<string, string> = { ATRIB: 'ATTRIB', PRSE: 'PRES' };

const typesOf = (value: unknown) =>
  oneLine(value)
    .toUpperCase()
    .split(',')
    .map((name) => misspelt[name.trim()] ?? name.trim())
    .filter(Boolean);

/**
 * VQA-RAD (Lau et al. 2018, doi:10.1038/sdata.2018.251): clinicians' questions about radiology images.
 *
 * The split is the published one: `test_freeform` and `test_para` questions are the test part (451 of 2,248), the others
 * train. **The parts share images**: 202 of the 203 test images are in train too, with other questions, as everybody's
 * numbers on this set have it. So take `samples.filter(({ split }) => split === 'test')`; `givenSplit` refuses it, and
 * `splitByPatient` makes a split by image. Each image is of another patient.
 *
 * Answers are normalised by `normalizeAnswer` (five are JSON numbers, some have tabs), combined question types are lists,
 * two misspelt ones are put right. `meta` has `answer`, `organ`, `phrase` (freeform, para), `linked` (questions that
 * rephrase each other share it), `evaluated`. Questions whose image is missing are left out and counted.
 *
 * @param folder holds `VQA_RAD Dataset Public.json` and `VQA_RAD Image Folder/`.
 * @throws {DataError} naming the file, the question and what was expected; if two questions share a qid; if no image is there.
 */
export async function vqaRad(folder: string): Promise<VqaDataset> {
  const path = join(folder, 'VQA_RAD Dataset Public.json');
  const rows = await readRows(path, fields);
  const files = new FileLookup();
  const { dropped, drop } = dropCounter();
  const samples: VqaSample[] = [];
  const seen = new Set<string>();
  for (const [i, row] of rows.entries()) {
    const where = `${path}: question ${i + 1}`;
    const id = String(row.qid);
    if (seen.has(id)) throw new DataError(`${where}: qid ${id} is already that of an earlier question`);
    seen.add(id);
    const phrase = oneLine(row.phrase_type);
    if (!phrases.includes(phrase)) {
      throw new DataError(`${where}: phrase_type: expected one of ${phrases.join(', ')}, got '${phrase}'`);
    }
    const answerType = answerTypeOf(row.answer_type, where);
    const image = oneLine(row.image_name);
    const file = join(folder, 'VQA_RAD Image Folder', image);
    const question = oneLine(row.question);
    const answer = normalizeAnswer(row.answer as string | number);
    if (!(await files.has(file))) drop('image file missing');
    else if (question === '' || answer === '') drop(question === '' ? 'no question' : 'no answer');
    else {
      samples.push({
        id,
        patientId: parse(image).name,
        image: { kind: 'file', path: file },
        text: question,
        question,
        answer,
        answerType,
        questionTypes: typesOf(row.question_type),
        split: phrase.startsWith('test_') ? 'test' : 'train',
        meta: {
          answer: row.answer,
          organ: row.image_organ,
          phrase: phrase.replace('test_', ''),
          linked: row.qid_linked_id,
          evaluated: row.evaluation,
        },
      });
    }
  }
  requireRows(path, rows.length, samples.length, dropped, 'unpack `VQA_RAD Image Folder` next to the JSON file');
  await refuseLfsPointer((samples[0]!.image as { path: string }).path);
  const inPart = (split: string) => samples.filter((sample) => sample.split === split);
  const trained = new Set(inPart('train').map(({ patientId }) => patientId));
  const tested = new Set(inPart('test').map(({ patientId }) => patientId));
  const shared = [...tested].filter((image) => trained.has(image)).length;
  return {
    name: 'vqa-rad',
    samples,
    counts: { rows: rows.length, kept: samples.length, dropped },
    notes: [
      ...countNote('Questions', 2248, rows.length),
      ...countNote('Questions in train', 1797, inPart('train').length),
      ...countNote('Questions in test', 451, inPart('test').length),
      `The published parts share images: ${shared} of ${tested.size} test images are in train too.`,
    ],
  };
}
