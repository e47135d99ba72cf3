import { Tokenizer as WordPiece } from '@huggingface/tokenizers';
import { checkChoice, checkNumber, OptionError } from '@medalign/similarity';

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
  /** The tokens in the order of their ids, and how texts are read: `createTokenizer({ vocab: vocabulary, ...options })` is the same. */
  vocabulary: readonly string[];
  options: Readonly<TokenizerOptions>;
  /** Ids of the pieces of each text, and the word of every piece. */
  encode: (texts: string[], options?: EncodeOptions) => EncodedTexts;
};

/** How a BERT tokenizer reads texts; the names behind it are those of a `tokenizer_config.json`. */
export type TokenizerOptions = {
  /** `do_lower_case`: true for uncased vocabularies. */
  lowercase: boolean;
  /** `strip_accents`: whether é becomes e; default as `lowercase`. */
  stripAccents?: boolean;
  /** `tokenize_chinese_chars`: whether every Chinese character is a word, default true. */
  splitChinese?: boolean;
  /**
   * What "[SEP]", "[MASK]" and the like are when a text contains them: 'text' (default), so that a report cannot end its own
   * sequence; or 'tokens', as Hugging Face reads them unless it is told `split_special_tokens`.
   */
  specialTokens?: 'text' | 'tokens';
};

/**
 * BERT's WordPiece tokenizer, with the word of every piece.
 *
 * Pieces are those of Hugging Face's `BertTokenizer`. A word is what the pre-tokenizer yields: letters and digits between
 * spaces, or one punctuation mark. (Marks and accents that Unicode gained after 2015 may be split otherwise.)
 *
 * @param options `vocab`: the tokens in the order of their ids, the text of a `vocab.txt`, or ids by token; `lowercase`: take it
 *   from the checkpoint's tokenizer configuration (Bio_ClinicalBERT lowercases a cased vocabulary), or let `loadTokenizer`
 *   read it; the others see TokenizerOptions.
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
export function createTokenizer({
  vocab,
  ...options
}: { vocab: string[] | string | Readonly<Record<string, number>> } & TokenizerOptions): Tokenizer {
  const idOf = idsByToken(vocab);
  const special = { pad: '[PAD]', unknown: '[UNK]', start: '[CLS]', end: '[SEP]' };
  const missing = Object.values(special).filter((token) => !idOf.has(token));
  if (missing.length > 0) {
    throw new OptionError(
      `vocab: expected the tokens ${missing.join(', ')} among its ${idOf.size}, got none. Fix: the lines of a BERT vocab.txt, one token each`,
    );
  }
  const { specialTokens = 'text' } = options;
  checkChoice('specialTokens', specialTokens, ['text', 'tokens']);
  const ids = Object.fromEntries(Object.entries(special).map(([name, token]) => [name, idOf.get(token)!]));
  const plain = wordSplitter(idOf, options);
  const known = ids as Tokenizer['special'];
  const split = specialTokens === 'text' ? plain : aroundSpecialTokens(plain, idOf);
  return {
    special: known,
    vocabSize: idOf.size,
    vocabulary: tokensById(idOf),
    options,
    encode: (texts, limits) => encodeBatch(texts, split, known, limits),
  };
}

function idsByToken(vocab: string[] | string | Readonly<Record<string, number>>): Map<string, number> {
  if (typeof vocab !== 'string' && !Array.isArray(vocab)) return new Map(Object.entries(vocab));
  const tokens = typeof vocab === 'string' ? vocab.replace(/\r?\n$/, '').split(/\r?\n/) : vocab;
  return new Map(tokens.map((token, id) => [token, id]));
}

function tokensById(idOf: Map<string, number>): string[] {
  const tokens: string[] = [];
  for (const [token, id] of idOf) tokens[id] = token;
  return tokens;
}

type Word = { text: string; pieces: number[] };

/** Special tokens written in a text are words of one piece; what lies between them is split as ever. */
function aroundSpecialTokens(split: (text: string) => Word[], idOf: Map<string, number>): (text: string) => Word[] {
  return (text) =>
    text.split(/(\[(?:PAD|UNK|CLS|SEP|MASK)\])/).flatMap((part, i) => {
      const id = i % 2 === 1 ? idOf.get(part) : undefined;
      return id === undefined ? split(part) : [{ text: part, pieces: [id] }];
    });
}

/** Chinese characters that take more than 16 bits, which the library does not set apart. */
const rareChinese = /[\u{20000}-\u{2a6df}\u{2a700}-\u{2ceaf}\u{2f800}-\u{2fa1f}]/gu;

function wordSplitter(
  idOf: Map<string, number>,
  { lowercase, stripAccents, splitChinese = true }: TokenizerOptions,
): (text: string) => Word[] {
  const wordPiece = new WordPiece(
    {
      // No added tokens: special tokens in a user's text stay text.
      added_tokens: [],
      normalizer: {
        type: 'BertNormalizer',
        clean_text: true,
        handle_chinese_chars: splitChinese,
        strip_accents: stripAccents ?? null,
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
    const apart = splitChinese ? text.replace(rareChinese, ' $& ') : text;
    // Hugging Face lowercases letter by letter, and does not know the Greek s that ends a word.
    const normalised = wordPiece.normalizer!(lowercase ? apart.replaceAll('Σ', 'σ') : apart);
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
