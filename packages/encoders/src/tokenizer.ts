import { Tokenizer as WordPiece } from '@huggingface/tokenizers';
import { checkNumber, OptionError } from '@medalign/similarity';

/** A batch of texts as arrays, ready for `tf.tensor(values, shape, dtype)`. */
export type EncodedTexts = {
  /** `[b, n]`: [CLS], pieces, [SEP], then [PAD]. */
  ids: Int32Array;
  /** `[b, n]`: 1 for everything but padding. */
  attentionMask: Float32Array;
  /** `[b, n]`: which word a piece belongs to; −1 for special tokens and padding. */
  wordIndex: Int32Array;
  /** `[b, l]`: 1 for every word a text has. */
  wordMask: Float32Array;
  /** The words themselves, normalised as the tokenizer reads them. */
  words: string[][];
  /** `[b, n]`. */
  shape: [number, number];
  /** l, the most words of a text in this batch (at least 1), or `padTo.words`. */
  maxWordsInBatch: number;
  /** Words left out because of `maxWords` or `maxPieces`, over all texts. */
  truncatedWords: number;
};

/** How long texts may be, and whether shapes are the same for every batch. */
export type EncodeOptions = {
  /** Most words of a text, default 97 (PLAN). */
  maxWords?: number;
  /** Most pieces of a text with [CLS] and [SEP], default 512. A word that does not fit is left out as a whole. */
  maxPieces?: number;
  /** Pad to these sizes instead of to the longest text of the batch. */
  padTo?: { pieces?: number; words?: number };
};

/** Made by `createTokenizer`. */
export type Tokenizer = {
  /** The ids of the special tokens. */
  special: { pad: number; unknown: number; start: number; end: number };
  vocabSize: number;
  encode: (texts: string[], options?: EncodeOptions) => EncodedTexts;
};

/**
 * BERT's WordPiece tokenizer, with the word of every piece.
 *
 * Pieces are those of Hugging Face's `BertTokenizer`; special tokens written in a text ("[SEP]") are plain text. A word is
 * what the pre-tokenizer yields: letters and digits between spaces, or one punctuation mark.
 *
 * @param options `vocab`: the tokens in the order of their ids, or the text of a `vocab.txt`; `lowercase`: true for uncased
 *   vocabularies; take it from the checkpoint's tokenizer configuration (Bio_ClinicalBERT lowercases a cased vocabulary).
 * @returns a tokenizer.
 * @throws OptionError if the vocabulary lacks [PAD], [UNK], [CLS] or [SEP].
 * @example
 * const vocab = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', 'no', 'opac', '##ity', '.'];
 * const tokenizer = createTokenizer({ vocab, lowercase: true });
 * const { ids, wordIndex, words } = tokenizer.encode(['No opacity.']);
 * ids; // [2, 4, 5, 6, 7, 3]
 * wordIndex; // [-1, 0, 1, 1, 2, -1]
 * words; // [["no", "opacity", "."]]
 */
export function createTokenizer({ vocab, lowercase }: { vocab: string[] | string; lowercase: boolean }): Tokenizer {
  const tokens = typeof vocab === 'string' ? vocab.replace(/\r?\n$/, '').split(/\r?\n/) : vocab;
  const idOf = new Map(tokens.map((token, id) => [token, id]));
  const special = { pad: '[PAD]', unknown: '[UNK]', start: '[CLS]', end: '[SEP]' };
  const missing = Object.values(special).filter((token) => !idOf.has(token));
  if (missing.length > 0) {
    throw new OptionError(
      `vocab: expected the tokens ${missing.join(', ')} among its ${tokens.length}, got none. Fix: the lines of a BERT vocab.txt, one token each`,
    );
  }
  const ids = Object.fromEntries(Object.entries(special).map(([name, token]) => [name, idOf.get(token)!]));
  const split = wordSplitter(idOf, lowercase);
  const known = ids as Tokenizer['special'];
  return {
    special: known,
    vocabSize: tokens.length,
    encode: (texts, options) => encodeBatch(texts, split, known, options),
  };
}

/**
 * A tokenizer from a `vocab.txt` on disk (Node).
 *
 * @param path of the file.
 * @param options as for `createTokenizer`.
 * @throws OptionError naming the path if it is not a BERT vocabulary.
 */
export async function loadTokenizer(path: string, { lowercase }: { lowercase: boolean }): Promise<Tokenizer> {
  const { readFile } = await import('node:fs/promises');
  try {
    return createTokenizer({ vocab: await readFile(path, 'utf8'), lowercase });
  } catch (error) {
    throw new OptionError(`${path}: ${(error as Error).message}`, { cause: error });
  }
}

type Word = { text: string; pieces: number[] };

function wordSplitter(idOf: Map<string, number>, lowercase: boolean): (text: string) => Word[] {
  const wordPiece = new WordPiece(
    {
      // No added tokens: special tokens in a user's text stay text.
      added_tokens: [],
      normalizer: {
        type: 'BertNormalizer',
        clean_text: true,
        handle_chinese_chars: true,
        strip_accents: null,
        lowercase,
      },
      pre_tokenizer: { type: 'BertPreTokenizer' },
      post_processor: null,
      decoder: null,
      model: {
        type: 'WordPiece',
        unk_token: '[UNK]',
        continuing_subword_prefix: '##',
        max_input_chars_per_word: 100,
        vocab: Object.fromEntries(idOf),
      },
    } as never,
    {} as never,
  );
  // Reports repeat their words; the trie-less WordPiece search costs more than a look-up.
  const seen = new Map<string, number[]>();
  const pieces = (word: string) => {
    let found = seen.get(word);
    if (!found) {
      found = wordPiece.model!([word]).map((piece) => idOf.get(piece)!);
      if (seen.size < 100_000) seen.set(word, found);
    }
    return found;
  };
  return (text) => {
    const normalised = wordPiece.normalizer!(text);
    return wordPiece.pre_tokenizer!(normalised, {}).map((word) => ({ text: word, pieces: pieces(word) }));
  };
}

function encodeBatch(
  texts: string[],
  split: (text: string) => Word[],
  special: Tokenizer['special'],
  { maxWords = 97, maxPieces = 512, padTo = {} }: EncodeOptions = {},
): EncodedTexts {
  checkNumber('maxWords', maxWords, { minimum: 1, integer: true });
  checkNumber('maxPieces', maxPieces, { minimum: 2, integer: true });
  if (texts.length === 0) throw new OptionError('texts: expected at least one text, got none');
  let truncatedWords = 0;
  const kept = texts.map((text) => {
    const words = split(text);
    let pieces = 2;
    let count = 0;
    while (count < words.length && count < maxWords && pieces + words[count]!.pieces.length <= maxPieces) {
      pieces += words[count++]!.pieces.length;
    }
    truncatedWords += words.length - count;
    return { words: words.slice(0, count), pieces };
  });
  const n = padded('padTo.pieces', Math.max(...kept.map(({ pieces }) => pieces)), padTo.pieces);
  const l = padded('padTo.words', Math.max(1, ...kept.map(({ words }) => words.length)), padTo.words);
  const ids = new Int32Array(texts.length * n).fill(special.pad);
  const attentionMask = new Float32Array(texts.length * n);
  const wordIndex = new Int32Array(texts.length * n).fill(-1);
  const wordMask = new Float32Array(texts.length * l);
  kept.forEach(({ words, pieces }, row) => {
    let at = row * n;
    attentionMask.fill(1, at, at + pieces);
    wordMask.fill(1, row * l, row * l + words.length);
    ids[at++] = special.start;
    words.forEach((word, index) => {
      for (const piece of word.pieces) {
        ids[at] = piece;
        wordIndex[at++] = index;
      }
    });
    ids[at] = special.end;
  });
  const words = kept.map(({ words }) => words.map(({ text }) => text));
  return {
    ids,
    attentionMask,
    wordIndex,
    wordMask,
    words,
    shape: [texts.length, n],
    maxWordsInBatch: l,
    truncatedWords,
  };
}

function padded(option: string, needed: number, wanted = needed): number {
  checkNumber(option, wanted, { minimum: 1, integer: true });
  if (wanted < needed) {
    throw new OptionError(
      `${option}: expected at least ${needed}, the longest text of the batch, got ${wanted}. Fix: maxPieces or maxWords no larger than it`,
    );
  }
  return wanted;
}
