// Abbreviations whose full stop does not end a sentence.
const abbreviations = /(?:\b(?:dr|mr|mrs|ms|prof|vs|no|fig|approx|cf|st|e\.g|i\.e|a\.m|p\.m|m\.d))\.$/i;

/**
 * Cuts a report into sentences. Decimals (`2.5 cm`), list numbers (`1. …`) and common abbreviations (`Dr.`, `e.g.`)
 * keep their full stop; a new paragraph or list item begins a sentence; empty ones are dropped.
 *
 * @example
 * sentences('Nodule of 2.5 cm. No effusion.\n1. Stable. 2. Follow up.').length; // 4
 * sentences('Seen by Dr. Smith today.').length; // 1
 */
export function sentences(text: string): string[] {
  const result: string[] = [];
  const blocks = text.split(/\n\s*\n|\n(?=\s*(?:\d{1,2}[.)]|[-*•])\s)/);
  for (const block of blocks) {
    const line = block.replace(/\s+/g, ' ').trim();
    let begin = 0;
    for (const { index, 0: mark } of line.matchAll(/[.!?]+(?=\s|$)/g)) {
      const end = index + mark.length;
      const so = line.slice(begin, end).trim();
      // "1." before its text is the item's number, and the number belongs to the sentence that follows.
      const listNumber = /^\d{1,2}\.$/.test(so) && end < line.length;
      if (listNumber || (abbreviations.test(so) && end < line.length)) continue;
      if (/\w/.test(so)) result.push(so);
      begin = end;
    }
    const rest = line.slice(begin).trim();
    if (/\w/.test(rest)) result.push(rest);
  }
  return result;
}

/**
 * The sections of a radiology report: a header is capitals and a colon at the start of a line. Names are in lower
 * case; of several sections with one name the last wins; text before any header is under `''`.
 *
 * @example
 * const report = reportSections('EXAM: chest\nFINDINGS: Clear lungs.\nIMPRESSION: Normal.');
 * report.get('findings').length; // 12
 */
export function reportSections(text: string): Map<string, string> {
  const sections = new Map<string, string>();
  const header = /^[ \t]*([A-Z][A-Z /&()-]{2,60}):/gm;
  let name = '';
  let begin = 0;
  const close = (end: number) => {
    const body = text.slice(begin, end).replace(/\s+/g, ' ').trim();
    if (body !== '') sections.set(name, body);
  };
  for (const found of text.matchAll(header)) {
    close(found.index);
    name = found[1]!.trim().toLowerCase();
    begin = found.index + found[0].length;
  }
  close(text.length);
  return sections;
}
