import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildVocabulary, createTokenizer, loadTokenizer } from './index';

const vocab = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', 'no', 'opac', '##ity', '.', 'left', '[', ']', 'sep'];
const tokenizer = createTokenizer({ vocab, lowercase: true });
const list = (values: ArrayLike<number>) => Array.from(values);

describe('encode', () => {
  it('pads a batch and says which word every piece belongs to', () => {
    const batch = tokenizer.encode(['No opacity.', 'left']);
    expect(batch.shape).toEqual([2, 6]);
    expect(list(batch.ids)).toEqual([2, 4, 5, 6, 7, 3, 2, 8, 3, 0, 0, 0]);
    expect(list(batch.attentionMask)).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0]);
    expect(list(batch.wordIndex)).toEqual([-1, 0, 1, 1, 2, -1, -1, 0, -1, -1, -1, -1]);
    expect(batch.maxWordsInBatch).toBe(3);
    expect(list(batch.wordMask)).toEqual([1, 1, 1, 1, 0, 0]);
    expect(batch.words).toEqual([['no', 'opacity', '.'], ['left']]);
    expect(batch.truncatedWords).toBe(0);
  });

  it('takes special tokens of a text as text', () => {
    expect(list(tokenizer.encode(['[SEP]']).ids)).toEqual([2, 9, 11, 10, 3]);
  });

  it('keeps an unknown word readable', () => {
    const { ids, words } = tokenizer.encode(['Effusion']);
    expect(list(ids)).toEqual([2, 1, 3]);
    expect(words).toEqual([['effusion']]);
  });

  it('cuts between words, and counts what it cut', () => {
    const byPieces = tokenizer.encode(['no opacity left'], { maxPieces: 4 });
    expect(list(byPieces.ids)).toEqual([2, 4, 3]);
    expect(byPieces.truncatedWords).toBe(2);
    const byWords = tokenizer.encode(['no opacity left'], { maxWords: 2 });
    expect(byWords.words).toEqual([['no', 'opacity']]);
    expect(byWords.truncatedWords).toBe(1);
  });

  it('pads to given sizes, and refuses sizes that are too small', () => {
    const batch = tokenizer.encode([''], { padTo: { pieces: 4, words: 2 } });
    expect(list(batch.ids)).toEqual([2, 3, 0, 0]);
    expect(list(batch.wordMask)).toEqual([0, 0]);
    expect(() => tokenizer.encode(['no opacity'], { padTo: { pieces: 4 } })).toThrow(
      /padTo.pieces: expected at least 5/,
    );
    expect(() => tokenizer.encode([])).toThrow(/at least one text/);
  });

  it('says which special tokens a vocabulary lacks', async () => {
    expect(() => createTokenizer({ vocab: ['a'], lowercase: true })).toThrow(/\[PAD\], \[UNK\], \[CLS\], \[SEP\]/);
    await expect(loadTokenizer('/nowhere/vocab.txt', { lowercase: true })).rejects.toThrow(/nowhere.*ENOENT/);
  });
});

describe('buildVocabulary', () => {
  it('lets every text of its characters be encoded without [UNK], and knows the frequent words', () => {
    const texts = ['Opacity in the left lung.', 'No opacity, naïve résumé; 2.5 cm (left)'];
    const built = buildVocabulary(texts, { size: 60 });
    expect(built).toContain('opacity');
    const own = createTokenizer({ vocab: built, lowercase: true });
    expect(list(own.encode(texts).ids)).not.toContain(own.special.unknown);
    const letters = built.filter((token) => /^[a-z]$/.test(token));
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...letters), { minLength: 1, maxLength: 20 }), (word) => {
        expect(list(own.encode([word.join('')]).ids)).not.toContain(own.special.unknown);
      }),
    );
    expect(() => buildVocabulary(texts, { size: 10 })).toThrow(/size: expected at least \d+/);
  });
});

const data = resolve(import.meta.dirname, '../../..', process.env.MEDALIGN_DATA ?? '../shared/data');
const folder = join(data, 'vocab');
const present = existsSync(folder);
if (!present)
  console.warn(`SKIPPED: no BERT vocabularies at ${folder}; set MEDALIGN_DATA to compare with Hugging Face`);

describe.skipIf(!present)('Hugging Face ids', () => {
  const golden = JSON.parse(readFileSync(new URL('../goldens/tokenizer.json', import.meta.url), 'utf8'));
  it.each(['uncased', 'cased'])('of the %s vocabulary', async (kind) => {
    const real = await loadTokenizer(join(folder, `bert_base_${kind}_vocab.txt`), { lowercase: kind === 'uncased' });
    golden.texts.forEach((text: string, i: number) => {
      expect(list(real.encode([text]).ids), JSON.stringify(text)).toEqual(golden[kind][i]);
    });
  });
});
