import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { chexpertLabels, labelsOf } from './chexpert-labels';
import { refuseLfsPointer } from './decode';
import { type ReportPart, type ReportTextOptions, reportText } from './report-text';
import {
  countNote,
  dropCounter,
  FileLookup,
  mapLimited,
  nearestName,
  readDelimited,
  requireColumns,
  requireRows,
} from './table';
import { DataError, type Dataset, type Sample } from './types';

/** Options of {@link mimicCxrJpg}. */
export interface MimicCxrJpgOptions extends Omit<ReportTextOptions, 'text'> {
  /** Which part of the report is the text; `none` reads no reports. */
  text?: ReportPart | 'none';
  /** `ViewPosition` to keep; null keeps all. */
  views?: readonly string[] | null;
  /** Attach the labels of one of the two labelers. */
  labels?: 'chexpert' | 'negbio';
  /** Parts of the publisher's split to read. */
  splits?: readonly ('train' | 'validate' | 'test')[];
  /** Subjects to leave out: those of a set to test on, such as `patientIds(await msCxr(…))`. */
  excludePatients?: Iterable<string>;
  /** Where the `files/` folder of the reports is, if not in the same folder (they are published apart). */
  reports?: string;
}

const published = { train: 368_960, validate: 2_991, test: 5_159 };

/** The table of that kind, packed or not. */
async function tablePath(folder: string, kind: string): Promise<string> {
  const names = await readdir(folder).catch((error) => {
    throw new DataError(`${folder}: cannot read the folder: ${error.message}`);
  });
  const pattern = new RegExp(`^mimic-cxr-2\\.\\d+\\.\\d+-${kind}\\.csv(\\.gz)?$`);
  const found = names.filter((name) => pattern.test(name)).sort();
  if (found.length === 0) {
    const wanted = `mimic-cxr-2.0.0-${kind}.csv`;
    const nearest = nearestName(wanted, names);
    throw new DataError(
      `${folder}: expected ${wanted} or ${wanted}.gz${names.length === 0 ? '; the folder is empty' : nearest === undefined ? '' : `. Nearest name: '${nearest}'`}`,
    );
  }
  return join(folder, found.at(-1)!);
}

async function readTable(folder: string, kind: string, columns: readonly string[]) {
  const path = await tablePath(folder, kind);
  const table = await readDelimited(path);
  requireColumns(path, table.columns, columns);
  return { path, rows: table.rows as Record<string, string>[] };
}

const studyFolder = (subject: string, study: string) =>
  join('files', `p${subject.slice(0, 2)}`, `p${subject}`, `s${study}`);

/**
 * MIMIC-CXR-JPG (Johnson et al. 2019, arXiv 1901.07042): chest X-rays with their reports, labels and split.
 *
 * A sample is an image; images of one study share the report. `patientId` is the subject, `split` the publisher's
 * (`givenSplit` uses it), `meta` has `view`, `frontal`, `studyDate`, `rows`, `columns`, `textFrom`. Rows of another view or
 * part, of excluded subjects, without an image, a report or the wanted section are left out and counted.
 * Which section is the text changes every retrieval number: see `reportText`; the choice goes into manifests.
 *
 * @param folder holds `mimic-cxr-2.0.0-metadata.csv`, `-split.csv`, `-chexpert.csv` or `-negbio.csv` (or `.csv.gz`) and
 * `files/p10/p10000032/s50414267/<dicom>.jpg`.
 * @param options `text` both, `blanks` token, `views` PA and AP, `labels` none, `splits` all, `excludePatients` nobody,
 * `reports` the same folder.
 * @throws {DataError} naming the file, the column, what was expected and the nearest name found; and if no row is left.
 */
export async function mimicCxrJpg(folder: string, options: MimicCxrJpgOptions = {}): Promise<Dataset> {
  const { text = 'both', blanks = 'token', views = ['PA', 'AP'], labels, splits, reports = folder } = options;
  const excluded = new Set(options.excludePatients ?? []);
  const metadata = await readTable(folder, 'metadata', ['dicom_id', 'subject_id', 'study_id', 'ViewPosition']);
  const split = await readTable(folder, 'split', ['dicom_id', 'study_id', 'subject_id', 'split']);
  const splitOf = new Map(split.rows.map((row) => [row.dicom_id!, row.split!]));
  const labelTable = labels && (await readTable(folder, labels, ['subject_id', 'study_id', ...chexpertLabels]));
  const labelOf = new Map(
    labelTable?.rows.map((row, i) => [row.study_id!, labelsOf(row, `${labelTable.path}: row ${i + 1}`)]),
  );

  const { dropped, drop } = dropCounter();
  const seen = new Set<string>();
  const wanted = metadata.rows.filter((row) => {
    const part = splitOf.get(row.dicom_id!);
    const view = row.ViewPosition || 'not given';
    if (seen.size === seen.add(row.dicom_id!).size) drop('image already in an earlier row');
    else if (views && !views.includes(row.ViewPosition!)) drop(`view ${view}`);
    else if (part === undefined) drop('not in the split table');
    else if (splits && !(splits as readonly string[]).includes(part)) drop(`split ${part}`);
    else if (excluded.has(row.subject_id!)) drop('excluded patient');
    else return true;
    return false;
  });

  const files = new FileLookup();
  const reportOf = new Map<string, ReturnType<typeof readReport>>();
  const readReport = async (subject: string, study: string) => {
    const report = await readFile(join(reports, `${studyFolder(subject, study)}.txt`), 'utf8').catch(() => undefined);
    return { found: report !== undefined, part: reportText(report ?? '', { text: text as ReportPart, blanks }) };
  };
  const read = await mapLimited(wanted, async (row): Promise<Sample | string> => {
    const {
      dicom_id,
      subject_id,
      study_id,
      ViewPosition: view,
      StudyDate,
      Rows,
      Columns,
    } = row as Record<string, string>;
    const path = join(folder, studyFolder(subject_id!, study_id!), `${dicom_id}.jpg`);
    if (!(await files.has(path))) return 'image file missing';
    const sample: Sample = {
      id: dicom_id!,
      patientId: subject_id!,
      studyId: study_id!,
      image: { kind: 'file', path },
      text: '',
      ...(labels && { labels: labelOf.get(study_id!) }),
      split: splitOf.get(dicom_id!)!,
      meta: {
        view,
        frontal: view === 'PA' || view === 'AP',
        studyDate: StudyDate,
        rows: Number(Rows),
        columns: Number(Columns),
      },
    };
    if (text === 'none') return sample;
    const report = reportOf.get(study_id!) ?? readReport(subject_id!, study_id!);
    reportOf.set(study_id!, report);
    const { found, part } = await report;
    if (!part) return found ? `no text (${text})` : 'report file missing';
    return { ...sample, text: part.text, meta: { ...sample.meta, textFrom: part.from } };
  });
  for (const result of read) if (typeof result === 'string') drop(result);
  const samples = read.filter((result) => typeof result !== 'string');
  const fix = 'widen the filters; reports are published apart from the images, their folder is `reports`';
  requireRows(metadata.path, metadata.rows.length, samples.length, dropped, fix);
  await refuseLfsPointer((samples[0]!.image as { path: string }).path);

  const inSplit = (part: string) => split.rows.filter((row) => row.split === part).length;
  const fallbacks = samples.filter(({ meta }) => meta!.textFrom === 'lastParagraph').length;
  const unlabelled = labels ? samples.filter((sample) => sample.labels === undefined).length : 0;
  const sha256 = createHash('sha256')
    .update([...excluded].sort().join('\n'))
    .digest('hex');
  return {
    name: 'mimic-cxr-jpg',
    samples,
    counts: { rows: metadata.rows.length, kept: samples.length, dropped },
    notes: [
      ...countNote('Images', 377_110, metadata.rows.length),
      ...Object.entries(published).flatMap(([part, count]) => countNote(`Images in ${part}`, count, inSplit(part))),
      ...(fallbacks
        ? [`${fallbacks} images have a report with neither findings nor impression: its last paragraph is the text.`]
        : []),
      ...(unlabelled ? [`${unlabelled} images have no row in the ${labels} table.`] : []),
    ],
    options: {
      text,
      blanks,
      views,
      ...(labels && { labels }),
      ...(splits && { splits }),
      ...(excluded.size > 0 && { excludedPatients: { count: excluded.size, sha256 } }),
    },
  };
}

/**
 * The patients of a dataset, each once, in order: to leave them out of another one.
 *
 * @example
 * patientIds(phantomChest({ patients: 3 })).length; // 3
 */
export function patientIds({ samples }: Pick<Dataset, 'samples'>): string[] {
  return [...new Set(samples.map(({ patientId }) => patientId))].sort();
}
