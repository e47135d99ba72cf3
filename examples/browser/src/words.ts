import type { Tokenizer } from '@medalign/encoders';

/** How a vocabulary meets the words of a phrase. */
export interface Vocabulary {
  /** Words with a piece that the vocabulary does not have: the model reads [UNK]. */
  unknown: string[];
  /** Words that are not in the vocabulary as a whole, with the number of their pieces. */
  spelled: { word: string; pieces: number }[];
  /** Words at the end that are more than the model reads. */
  cut: number;
  /** How many words it reads. */
  count: number;
}

/** What the vocabulary knows of a phrase. The model reads it anyway, as `npm run plan` does. */
export function knownWords(
  phrase: string,
  { encode, special }: Pick<Tokenizer, 'encode' | 'special'>,
  limits: { maxWords: number; maxPieces: number },
): Vocabulary {
  const { ids, wordIndex, words, truncatedWords } = encode([phrase], limits);
  const own = words[0]!;
  const pieces = own.map((_, i) => [...ids].filter((_, at) => wordIndex[at] === i));
  const isUnknown = (i: number) => pieces[i]!.includes(special.unknown);
  return {
    unknown: own.filter((_, i) => isUnknown(i)),
    spelled: own.flatMap((word, i) => {
      const { length } = pieces[i]!;
      return length > 1 && !isUnknown(i) ? [{ word, pieces: length }] : [];
    }),
    cut: truncatedWords,
    count: own.length,
  };
}

/** The same in words; nothing where every word is known. */
export function sayKnown({ unknown, spelled, cut, count }: Vocabulary): string {
  const quoted = (words: string[]) => words.map((word) => `“${word}”`).join(', ');
  const said = [
    unknown.length &&
      `The vocabulary does not know ${quoted(unknown)}: the model reads ${unknown.length > 1 ? 'them' : 'it'} as [UNK].`,
    spelled.length &&
      `Not in the vocabulary as a whole, read in pieces: ${spelled.map(({ word, pieces }) => `“${word}” (${pieces})`).join(', ')}.`,
    cut && `The model reads ${count} words at most: the last ${cut} are left out.`,
  ];
  return said.filter(Boolean).join(' ');
}
