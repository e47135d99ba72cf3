import type { ErrorObject, ValidateFunction } from 'ajv';
import schema from '../schema/medregion.schema.json';
import { cleanText, isNoFinding } from './clean-text';
import type { MedRegionModality, MedRegionProblem, MedRegionProblemKind } from './medregion-types';
import { sentences } from './text';
import type { Roi } from './types';

/** A line of `records.jsonl`, as it is in the file. */
export interface MedRegionRecord {
  id: string;
  patient_id: string;
  image: string;
  modality: MedRegionModality;
  summary_caption: string;
  report: string;
  region_caption: string;
  negative_captions?: string[];
  rois?: Roi[];
  mask?: string;
  labels?: Record<string, number>;
  meta?: Record<string, unknown>;
}

/** A problem before its place in the file is known. */
export type Problem = Pick<MedRegionProblem, 'kind' | 'message'>;

const captions = ['summary_caption', 'report', 'region_caption'] as const;

let compiled: ValidateFunction | undefined;

/** The schema's own check. Ajv is loaded with the first record: everything else works without it. */
async function validator(): Promise<ValidateFunction> {
  if (!compiled) {
    const { Ajv } = await import('ajv');
    compiled = new Ajv({ allErrors: true, verbose: true }).compile(schema);
  }
  return compiled;
}

const shown = (value: unknown) => {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
};

/** What the schema found, by the names that people look for. */
function schemaProblem({ instancePath, keyword, params, message, data }: ErrorObject): Problem | undefined {
  const at = instancePath
    .slice(1)
    .replace(/\/(\d+)/g, '[$1]')
    .replaceAll('/', '.');
  const missing = keyword === 'required' ? (params as { missingProperty: string }).missingProperty : undefined;
  const field = missing ?? at;
  const kind = (): MedRegionProblemKind => {
    if ((captions as readonly string[]).includes(field) && (missing || keyword === 'pattern')) return 'caption missing';
    if (/^negative_captions\[|^rois\[\d+\]\.caption$/.test(field) && keyword === 'pattern') return 'caption missing';
    if (/^rois\[\d+\]\.(width|height)$/.test(field) && keyword === 'exclusiveMinimum') return 'box without area';
    if (field === 'negative_captions' && /Items$/.test(keyword)) return 'wrong number of negatives';
    return 'not in the schema';
  };
  // Both branches of "five or none" fail together: one of them tells.
  if (keyword === 'anyOf' || (keyword === 'maxItems' && (params as { limit: number }).limit === 0)) return undefined;
  if (missing) return { kind: kind(), message: `${at ? `${at}: ` : ''}expected '${missing}', got none` };
  if (kind() === 'wrong number of negatives') {
    return { kind: kind(), message: `negative_captions: expected 5 or none, got ${(data as unknown[]).length}` };
  }
  const wanted =
    keyword === 'pattern'
      ? field === 'image' || field === 'mask'
        ? "a path inside the folder, with '/'"
        : 'a text that is not empty'
      : keyword === 'enum'
        ? `one of ${(params as { allowedValues: unknown[] }).allowedValues.join(', ')}`
        : (message ?? keyword).replace(/^must be /, '');
  return { kind: kind(), message: `${at || 'record'}: expected ${wanted}, got ${shown(data)}` };
}

/** Words between spaces, as people count them: "well-defined" is one. */
const wordCount = (text: string) => text.trim().split(/\s+/).length;

/** What a record's texts and boxes say about each other. */
function* contentProblems(record: MedRegionRecord): Generator<Problem> {
  const { region_caption: truth, negative_captions: negatives = [], rois = [] } = record;
  const normal = captions.filter((name) => isNoFinding(record[name]));
  if (normal.length > 0 && normal.length < captions.length) {
    const others = captions.filter((name) => !normal.includes(name));
    const message = `expected "No Finding" in all texts or in none, got it in ${normal.join(', ')} and not in ${others.join(', ')}`;
    yield { kind: 'No Finding mixed', message };
  }
  const isNormal = isNoFinding(truth);
  const repeatsNormal = isNormal && negatives.every(isNoFinding);
  if (isNormal && negatives.length > 0 && !repeatsNormal) {
    const message = `negative_captions: expected none for "No Finding", got ${negatives.length}`;
    yield { kind: 'wrong number of negatives', message };
  }
  if (!isNormal) {
    const truths = new Set([truth, ...rois.flatMap(({ caption }) => (caption ? [caption] : []))].map(cleanText));
    const seen = new Set<string>();
    for (const [i, negative] of negatives.entries()) {
      const clean = cleanText(negative);
      if (truths.has(clean)) {
        yield {
          kind: 'negative equals truth',
          message: `negative_captions[${i}]: says what is true: ${shown(negative)}`,
        };
      } else if (seen.has(clean)) {
        yield {
          kind: 'negatives repeat',
          message: `negative_captions[${i}]: repeats an earlier one: ${shown(negative)}`,
        };
      }
      seen.add(clean);
    }
    if (negatives.length === 0) yield { kind: 'no negatives', message: 'negative_captions: expected 5, got none' };
    if (rois.length === 0) yield { kind: 'no region', message: 'rois: expected at least one for a finding, got none' };
    const words = wordCount(record.summary_caption);
    const parts = sentences(record.summary_caption).length;
    if (words < 10 || words > 15 || parts !== 1) {
      const got = `${words} words${parts === 1 ? '' : ` in ${parts} sentences`}`;
      const message = `summary_caption: expected one sentence of 10 to 15 words, got ${got}`;
      yield { kind: 'summary not a sentence of 10 to 15 words', message };
    }
  }
}

/** Everything wrong with the text of one line. */
export async function recordProblems(
  line: string,
): Promise<{ record?: MedRegionRecord; id?: string; problems: Problem[] }> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    return {
      problems: [{ kind: 'not JSON', message: `expected a JSON object on one line: ${(error as Error).message}` }],
    };
  }
  const validate = await validator();
  const named = (value as { id?: unknown } | null)?.id;
  const id = typeof named === 'string' ? named : undefined;
  if (validate(value))
    return { record: value as MedRegionRecord, id, problems: [...contentProblems(value as MedRegionRecord)] };
  return { id, problems: validate.errors!.flatMap((error) => schemaProblem(error) ?? []) };
}

/** A box that is not inside an image of that size; half a thousandth of a pixel is rounding. */
export function* boxProblems(
  { rois = [] }: MedRegionRecord,
  image: { width: number; height: number },
): Generator<Problem> {
  const slack = 5e-4;
  for (const [i, { x, y, width, height }] of rois.entries()) {
    if (x >= -slack && y >= -slack && x + width <= image.width + slack && y + height <= image.height + slack) continue;
    const got = `x ${x}…${x + width}, y ${y}…${y + height}`;
    yield {
      kind: 'box outside the image',
      message: `rois[${i}]: expected a box inside ${image.width} × ${image.height}, got ${got}`,
    };
  }
}
