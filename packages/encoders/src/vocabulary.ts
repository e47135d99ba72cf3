import { checkNumber, OptionError } from '@medalign/similarity';

/**
 * A small WordPiece vocabulary of one's own texts, for models trained from nothing.
 *
 * Special tokens first, then every character alone and as a continuation (so that any word of these characters can be
 * encoded), then the most frequent words; ties in alphabetical order, so the same texts give the same vocabulary.
 *
 * @param texts any.
 * @param options `size`: most tokens, default 1000; `lowercase`, default true, as for the tokenizer.
 * @returns tokens in the order of their ids, for `createTokenizer`.
 * @throws OptionError if `size` does not hold the special tokens and characters.
 * @example
 * buildVocabulary(['a b a'], { size: 10 }); // ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "##a", "##b"]
 */
export function buildVocabulary(
  texts: string[],
  { size = 1000, lowercase = true }: { size?: number; lowercase?: boolean } = {},
): string[] {
  checkNumber('size', size, { minimum: 6, integer: true });
  const counts = new Map<string, number>();
  for (const text of texts) {
    // As the tokenizer reads it: accents go with the capitals, punctuation marks are words.
    const clean = lowercase
      ? text
          .toLowerCase()
          .normalize('NFD')
          .replace(/\p{Mn}/gu, '')
      : text;
    for (const [word] of clean.matchAll(/[\p{P}$+<=>^`|~]|[^\s\p{P}$+<=>^`|~]+/gu)) {
      counts.set(word, (counts.get(word) ?? 0) + 1);
    }
  }
  const characters = [...new Set([...counts.keys()].flatMap((word) => [...word]))].sort();
  const tokens = new Set(['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', ...characters]);
  for (const character of characters) if (/[^\p{P}$+<=>^`|~]/u.test(character)) tokens.add(`##${character}`);
  if (tokens.size > size) {
    throw new OptionError(
      `size: expected at least ${tokens.size} for the special tokens and characters of these texts, got ${size}`,
    );
  }
  const byFrequency = [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
  for (const [word] of byFrequency) {
    if (tokens.size >= size) break;
    tokens.add(word);
  }
  return [...tokens];
}
