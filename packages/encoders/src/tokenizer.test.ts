import { copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { golden } from '../goldens/read';
import { buildVocabulary, createTokenizer, loadTokenizer } from './index';

const vocab = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', 'no', 'opac', '##ity', '.', 'left', '[', ']', 'sep'];
const tokenizer = createTokenizer({ vocab, lowercase: true });
const root = mkdtempSync(join(tmpdir(), 'medalign-tokenizers-'));
afterAll(() => rmSync(root, { recursive: true }));
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
  const { texts, cases } = golden('tokenizer');
  it.each(Object.keys(cases))('%s', async (name) => {
    const { vocabulary, config, specialTokens, ids } = cases[name];
    const checkpoint = mkdtempSync(join(root, 'shared-'));
    copyFileSync(join(folder, `bert_base_${vocabulary}_vocab.txt`), join(checkpoint, 'vocab.txt'));
    writeFileSync(join(checkpoint, 'tokenizer_config.json'), JSON.stringify(config));
    const real = await loadTokenizer(checkpoint, { specialTokens });
    texts.forEach((text: string, i: number) => {
      expect(list(real.encode([text]).ids), JSON.stringify(text)).toEqual(ids[i]);
    });
  });
});

describe('loadTokenizer', () => {
  const { vocabulary, text, cases } = golden('tokenizer-files');
  const write = (files: Record<string, unknown>) => {
    const checkpoint = mkdtempSync(join(root, 'files-'));
    for (const [name, content] of Object.entries(files))
      writeFileSync(join(checkpoint, name), typeof content === 'string' ? content : JSON.stringify(content));
    return checkpoint;
  };
  const lines = `${vocabulary.join('\n')}\n`;

  it.each(cases as { config: object; saved: Record<string, object>; ids: number[] }[])(
    'reads $config as Hugging Face does, from either file',
    async ({ config, saved, ids }) => {
      const old = write({ 'vocab.txt': lines, 'tokenizer_config.json': config });
      for (const path of [old, join(old, 'vocab.txt'), write(saved), join(write(saved), 'tokenizer.json')]) {
        const loaded = await loadTokenizer(path);
        expect(loaded.vocabSize).toBe(vocabulary.length);
        expect(list(loaded.encode([text]).ids), path).toEqual(ids);
      }
      // without a configuration the normaliser of tokenizer.json speaks
      const alone = await loadTokenizer(write({ 'tokenizer.json': saved['tokenizer.json'] }));
      expect(list(alone.encode([text]).ids)).toEqual(ids);
    },
  );

  it('takes options over what the files say, and lowercases when nothing says otherwise', async () => {
    const checkpoint = write({ 'vocab.txt': lines, 'tokenizer_config.json': { do_lower_case: false } });
    const ids = async (options: object) => list((await loadTokenizer(checkpoint, options)).encode(['A É']).ids);
    expect(await ids({})).toEqual([2, 5, 9, 3]);
    expect(await ids({ lowercase: undefined })).toEqual([2, 5, 9, 3]);
    expect(await ids({ lowercase: true })).toEqual([2, 6, 8, 3]);
    expect(await ids({ stripAccents: true })).toEqual([2, 5, 12, 3]);
    expect(list((await loadTokenizer(write({ 'vocab.txt': lines }))).encode(['A']).ids)).toEqual([2, 6, 3]);
  });

  it('refuses what it cannot know or read', async () => {
    const bare = join(write({ 'vocab.txt': lines }), 'vocab.txt');
    await expect(loadTokenizer(bare)).rejects.toThrow(/vocab\.txt: nothing beside it says whether to lowercase/);
    expect((await loadTokenizer(bare, { lowercase: false })).vocabSize).toBe(vocabulary.length);
    await expect(loadTokenizer(write({}))).rejects.toThrow(/expected a tokenizer\.json or a vocab\.txt, found none/);
    const { saved } = cases[0];
    const change = (part: string, value: unknown) =>
      loadTokenizer(write({ 'tokenizer.json': { ...saved['tokenizer.json'], [part]: value } }));
    await expect(change('model', { type: 'BPE', vocab: {} })).rejects.toThrow(
      /tokenizer\.json: model: expected WordPiece \(BERT\), got BPE/,
    );
    await expect(change('model', undefined)).rejects.toThrow(/model: expected WordPiece \(BERT\), got none/);
    await expect(change('model', { vocab: [] })).rejects.toThrow(/model\.vocab: expected ids by token/);
    const long = { ...saved['tokenizer.json'].model, max_input_chars_per_word: 200 };
    await expect(change('model', long)).rejects.toThrow(
      /model\.max_input_chars_per_word: expected 100 \(BERT\), got 200/,
    );
    await expect(change('pre_tokenizer', null)).rejects.toThrow(
      /pre_tokenizer: expected BertPreTokenizer \(BERT\), got none/,
    );
    const wrong = write({ 'vocab.txt': lines, 'tokenizer_config.json': { do_lower_case: 'no' } });
    await expect(loadTokenizer(wrong)).rejects.toThrow(/do_lower_case: expected true or false, got "no"/);
    await expect(loadTokenizer(write({ 'vocab.txt': lines, 'tokenizer_config.json': '{' }))).rejects.toThrow(
      /tokenizer_config\.json: .*JSON/,
    );
  });

  it('knows the special tokens of a text as tokens where it is asked to', () => {
    const plain = createTokenizer({ vocab, lowercase: true, specialTokens: 'tokens' });
    const { ids, wordIndex, words } = plain.encode(['no[SEP] [MASK] left']);
    // [MASK] is not in this vocabulary
    expect(list(ids)).toEqual([2, 4, 3, 9, 1, 10, 8, 3]);
    expect(list(wordIndex)).toEqual([-1, 0, 1, 2, 3, 4, 5, -1]);
    expect(words).toEqual([['no', '[SEP]', '[', 'mask', ']', 'left']]);
    expect(() => createTokenizer({ vocab, lowercase: true, specialTokens: 'both' as never })).toThrow(/specialTokens/);
  });
});
