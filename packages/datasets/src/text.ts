// Words whose full stop does not end a sentence, whatever follows.
const titles = /\b(?:dr|drs|mr|mrs|ms|prof|st|vs|approx|cf|resp|incl|e\.g|i\.e)\.$/i;
// Their full stop ends a sentence only before a capital or the end of the line: "at 3 p.m. by phone", "at 3 p.m. The".
const unlessCapital = /\b(?:a\.m|p\.m|m\.d|etc|min|max|cm|mm|ml|[a-z])\.$/i;
// Abbreviations only before a number: "No. 3", "Fig. 2"; "Effusion? No." ends a sentence.
const beforeNumber = /\b(?:nos?|figs?|ser|im|img|pt|vol|ver)\.$/i;
// The initials of a name: "Dr. J. Smith", "read by A. B. Jones".
const initial = /(?:^|\b(?:dr|mr|mrs|ms|prof|by|with|to|from)\.? |\b[A-Z]\. ?)[A-Z]\.$/i;

/** Whether the full stop that `so` ends with belongs to its last word, given what follows on the line. */
function abbreviated(so: string, rest: string): boolean {
  if (rest === '') return false;
  if (titles.test(so) || (/[A-Z]\.$/.test(so) && initial.test(so))) return true;
  if (/^\d/.test(rest) && beforeNumber.test(so)) return true;
  const startsSmall = /^\p{Ll}/u.test(rest);
  return startsSmall && (unlessCapital.test(so) || /(?:\.\.|…)$/.test(so));
}

/** Paragraphs and list items. A wrapped line may begin with "12. ": it is an item only if 11 (or nothing) came before. */
function blocks(text: string): string[] {
  const result: string[] = [];
  let lines: string[] = [];
  let item = 0;
  const close = () => {
    const block = lines.join(' ').replace(/\s+/g, ' ').trim();
    if (block !== '') result.push(block);
    lines = [];
  };
  for (const line of text.split(/\r?\n/)) {
    const number = Number(/^\s*(\d{1,2})[.)]\s/.exec(line)?.[1] ?? 0);
    const isItem = number > 0 && (number === 1 || number === item + 1);
    if (line.trim() === '' || isItem || /^\s*[-*•]\s/.test(line)) close();
    if (isItem) item = number;
    lines.push(line);
  }
  close();
  return result;
}

/**
 * Cuts a report into sentences. Decimals (`2.5 cm`), list numbers (`1. …`), abbreviations (`Dr.`, `vs.`, `No. 3`),
 * initials, times (`3 p.m. by phone`) and dots of omission inside a sentence keep their full stop; wrapped lines are
 * joined; a new paragraph or list item begins a sentence; what has no letter and no digit is dropped.
 *
 * @example
 * sentences('Nodule of 2.5 cm. No effusion.\n1. Stable. 2. Follow up.').length; // 4
 * sentences('Seen by Dr. J. Smith at 3 p.m. by phone, image No. 3 vs. the prior.').length; // 1
 */
export function sentences(text: string): string[] {
  const result: string[] = [];
  const push = (sentence: string) => {
    if (/[\p{L}\p{N}]/u.test(sentence)) result.push(sentence);
  };
  for (const block of blocks(text)) {
    let begin = 0;
    for (const { index, 0: mark } of block.matchAll(/(?:[.!?]+|…)["'”’)\]]*(?=\s|$)/g)) {
      const end = index + mark.length;
      const so = block.slice(begin, end).trim();
      const rest = block.slice(end).trimStart();
      // "1." before its text is the item's number, and the number belongs to the sentence that follows.
      const listNumber = /^\d{1,2}\.$/.test(so) && rest !== '';
      if (listNumber || abbreviated(so, rest)) continue;
      push(so);
      begin = end;
    }
    push(block.slice(begin).trim());
  }
  return result;
}

/**
 * The sections of a radiology report: a header is capitals and a colon at the start of a line. Names are in lower
 * case; of several sections with one name the last that is not empty wins; text before any header is under `''`.
 *
 * @example
 * const report = reportSections('EXAM: chest\nFINDINGS: Clear lungs.\nIMPRESSION: Normal.');
 * report.get('findings')?.length; // 12
 */
export function reportSections(text: string): Map<string, string> {
  const sections = new Map<string, string>();
  const header = /^[ \t]*([A-Z][A-Z ,/&()-]{2,60}):/gm;
  let name = '';
  let begin = 0;
  const close = (end: number) => {
    const body = text.slice(begin, end).replace(/\s+/g, ' ').trim();
    if (body !== '') sections.set(name, body);
  };
  for (const found of text.matchAll(header)) {
    close(found.index);
    name = found[1]!.trim().replace(/\s+/g, ' ').toLowerCase();
    begin = found.index + found[0].length;
  }
  close(text.length);
  return sections;
}
