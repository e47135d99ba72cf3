import { createHash } from 'node:crypto';

/**
 * RegionMed-CLIP's text cleaning: lower case, without punctuation, single spaces; numbers and negation survive it.
 *
 * The point (or comma) between digits stays, so "2.5 cm" never becomes "25 cm", and so does the sign of a number
 * ("-50 HU"). Negation is never lost: "isn't" becomes "is not", "non-uniform" "non uniform". Other apostrophes close up
 * ("patient's" → "patients"); all other punctuation and symbols become a space. Cleaning twice changes nothing.
 *
 * @example
 * cleanText('No well-defined mass; nodule of 2.5 cm (−50 HU).'); // "no well defined mass nodule of 2.5 cm -50 hu"
 * cleanText("The lung isn't clear."); // "the lung is not clear"
 */
export function cleanText(text: string): string {
  return (
    text
      .normalize('NFKC')
      .toLowerCase()
      .replace(/[‘’ʼ]/g, "'")
      .replace(/\bwon't\b/g, 'will not')
      .replace(/\bcan't\b/g, 'can not')
      .replace(/n't\b/g, ' not')
      .replace(/(?<=\p{L})'(?=\p{L})/gu, '')
      .replace(/(?<=^|[\s(])−(?=\d)/g, '-')
      // All marks but a point or comma between digits, and a minus that begins a number.
      .replace(/(?!(?<=\d)[.,]\d)(?!(?<=^|[\s(])-\d)[\p{P}\p{S}]/gu, ' ')
      .replace(/\s+/g, ' ')
      .trim()
  );
}

/** What all texts of a normal image say. */
export const noFinding = 'No Finding';

/**
 * Whether a text is the "No Finding" of a normal image, however it is written.
 *
 * @example
 * isNoFinding('No finding.'); // true
 * isNoFinding('No finding in the left lung.'); // false
 */
export const isNoFinding = (text: string): boolean => /^no findings?$/.test(cleanText(text));

/**
 * A whole number that stands for a text: equal for texts that are equal after `cleanText`, so that a contrastive loss can
 * take captions of one wording as positives of each other. It fits an int32 tensor, and is the same in every process.
 *
 * @returns 0 … 2³¹ − 1, of the text's sha256.
 * @example
 * captionId('No Finding') - captionId('no finding.'); // 0
 */
export function captionId(text: string): number {
  return createHash('sha256').update(cleanText(text)).digest().readUInt32BE(0) >>> 1;
}
