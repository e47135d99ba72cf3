import { createTokenizer } from '@medalign/encoders';
import { expect, it } from 'vitest';
import { knownWords, sayKnown } from './words';

const vocab = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', 'no', 'opac', '##ity', '.'];
const tokenizer = createTokenizer({ vocab, lowercase: true });
const limits = { maxWords: 4, maxPieces: 16 };

it('says nothing of words that are known', () => {
  const known = knownWords('No.', tokenizer, limits);
  expect(known).toEqual({ unknown: [], spelled: [], cut: 0, count: 2 });
  expect(sayKnown(known)).toBe('');
});

it('names unknown words, words in pieces and words that are too many', () => {
  const known = knownWords('No opacity, effusion. No.', tokenizer, limits);
  expect(known).toEqual({ unknown: [',', 'effusion'], spelled: [{ word: 'opacity', pieces: 2 }], cut: 3, count: 4 });
  expect(sayKnown(known)).toBe(
    'The vocabulary does not know “,”, “effusion”: the model reads them as [UNK]. ' +
      'Not in the vocabulary as a whole, read in pieces: “opacity” (2). ' +
      'The model reads 4 words at most: the last 3 are left out.',
  );
});
