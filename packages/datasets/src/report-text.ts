import { reportSections } from './text';
import { DataError } from './types';

/** Which part of a report is the text: `longest` is the longer of findings and impression. */
export const reportParts = ['findings', 'impression', 'both', 'longest', 'full'] as const;
/** One of the names in {@link reportParts}. */
export type ReportPart = (typeof reportParts)[number];

/** Options of {@link reportText}. */
export interface ReportTextOptions {
  text?: ReportPart;
  /** De-identification blanks (`___`): one token each (`___`, or a word of your own), or dropped. */
  blanks?: 'token' | 'drop' | { token: string };
}

/** The text of a report, and where in the report it stood. */
export interface ReportText {
  text: string;
  /** What it was taken from. `lastParagraph`: the report has neither findings nor an impression. */
  from: 'findings' | 'impression' | 'both' | 'full' | 'lastParagraph';
}

const sectionNames = {
  findings: ['findings', 'finding'],
  impression: ['impression', 'impressions', 'conclusion', 'conclusions'],
  combined: ['findings and impression', 'findings/impression', 'findings & impression', 'impression and findings'],
};

/** A run of blanks (`___ ___`, `___-___`) becomes one token or nothing; a space before punctuation goes with it. */
function withoutBlanks(text: string, blanks: NonNullable<ReportTextOptions['blanks']>): string {
  const token = blanks === 'drop' ? '' : blanks === 'token' ? '___' : blanks.token;
  const replaced = text.replace(/_{2,}(?:[\s,/-]*_{2,})*/g, token).replace(/[ \t]{2,}/g, ' ');
  return (token === '' ? replaced.replace(/[ \t]+([.,;:)])/g, '$1') : replaced).trim();
}

function lastParagraph(report: string): string {
  const paragraphs = report.split(/\r?\n[ \t]*(?:\r?\n[ \t]*)+/).map((part) => part.replace(/\s+/g, ' ').trim());
  return paragraphs.filter(Boolean).at(-1) ?? '';
}

/**
 * The part of a radiology report that stands for its image: every retrieval number depends on the choice, so say it.
 *
 * Sections are found by `reportSections` (`CONCLUSION` counts as impression; `FINDINGS AND IMPRESSION` as either, and
 * alone as both). A report with neither section gives its last paragraph; one that has the other section alone
 * gives nothing, since the wanted one was not dictated.
 *
 * @param report the whole report, with its lines.
 * @param options `text` both, `blanks` token.
 * @returns the text on one line and where it is from, or undefined if there is none.
 * @throws {DataError} on an unknown option.
 * @example
 * const report = 'FINDINGS: Clear ___ lungs.\n\nIMPRESSION: Normal.';
 * reportText(report, { text: 'findings', blanks: 'drop' })?.text; // "Clear lungs."
 * reportText(report)?.text; // "Clear ___ lungs. Normal."
 * reportText('CHEST\n\nNo effusion.', { text: 'impression' })?.from; // "lastParagraph"
 */
export function reportText(
  report: string,
  { text = 'both', blanks = 'token' }: ReportTextOptions = {},
): ReportText | undefined {
  if (!reportParts.includes(text)) {
    throw new DataError(`reportText: text: expected one of ${reportParts.join(', ')}, got '${text}'`);
  }
  const finished = (found: string | undefined, from: ReportText['from']) => {
    const clean = withoutBlanks(found ?? '', blanks);
    return /[\p{L}\p{N}]/u.test(clean) ? { text: clean, from } : undefined;
  };
  if (text === 'full') return finished(report.replace(/\s+/g, ' '), 'full');
  const sections = reportSections(report);
  const section = (kind: keyof typeof sectionNames) =>
    sectionNames[kind].map((name) => sections.get(name)).find((body) => body !== undefined);
  const combined = section('combined');
  const [findings, impression] = [section('findings'), section('impression')];
  if (findings === undefined && impression === undefined && combined === undefined) {
    return finished(lastParagraph(report), 'lastParagraph');
  }
  if (text === 'findings') return finished(findings ?? combined, 'findings');
  if (text === 'impression') return finished(impression ?? combined, 'impression');
  const both = [findings ?? combined, impression].filter((part) => part !== undefined);
  const onlyOne = findings === undefined ? 'impression' : 'findings';
  if (text === 'both') return finished(both.join(' '), both.length === 2 || combined ? 'both' : onlyOne);
  if (findings === undefined && impression === undefined) return finished(combined, 'both');
  const words = (part = '') => part.split(/\s+/).filter(Boolean).length;
  return words(findings) >= words(impression) ? finished(findings, 'findings') : finished(impression, 'impression');
}
