import { OptionError } from '@medalign/similarity';
import { nodeFiles } from './node';
import { createTokenizer, type Tokenizer, type TokenizerOptions } from './tokenizer';

type Json = Record<string, unknown>;

/**
 * The tokenizer of a checkpoint (Node): of a folder with `tokenizer.json` or `vocab.txt` and a `tokenizer_config.json`, or of
 * one of the first two files with the third beside it.
 *
 * How it reads texts is taken, in this order, from the options, from `tokenizer_config.json` (`do_lower_case`,
 * `strip_accents`, `tokenize_chinese_chars`), from the normaliser of `tokenizer.json`, and for a folder that says nothing
 * from Hugging Face's defaults: it lowercases. A `vocab.txt` given by its path without a configuration must be told.
 *
 * @param path of the folder or file.
 * @param options as for `createTokenizer`, over what the files say.
 * @throws OptionError naming the file if it is not a WordPiece tokenizer, or nothing says whether to lowercase.
 */
export async function loadTokenizer(path: string, options: Partial<TokenizerOptions> = {}): Promise<Tokenizer> {
  const { readFile, stat, basename, dirname, join } = nodeFiles();
  const read = (file: string) =>
    readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
  const parsed = async (file: string) => {
    const text = await read(file);
    return text === undefined ? undefined : at(file, () => parse(text));
  };
  let isFolder: boolean;
  try {
    isFolder = (await stat(path)).isDirectory();
  } catch (error) {
    throw new OptionError(`${path}: ${(error as Error).message}`, { cause: error });
  }
  const folder = isFolder ? path : dirname(path);
  const isJson = !isFolder && path.endsWith('.json');
  const jsonFile = isJson ? path : join(folder, 'tokenizer.json');
  const vocabFile = isFolder || isJson ? join(folder, 'vocab.txt') : path;
  const [json, text, config] = await Promise.all([
    isFolder || isJson ? parsed(jsonFile) : undefined,
    isJson ? undefined : read(vocabFile),
    parsed(join(folder, 'tokenizer_config.json')),
  ]);
  if (json) {
    return at(jsonFile, () => {
      const { vocab, normalizer } = wordPieceOf(json);
      return createTokenizer({ vocab, ...settings(config, normalizer), ...given(options) });
    });
  }
  if (text === undefined)
    throw new OptionError(
      `${folder}: expected a tokenizer.json or a vocab.txt, found none. Fix: the checkpoint's folder`,
    );
  if (!isFolder && !config && options.lowercase === undefined) {
    throw new OptionError(
      `${basename(path)}: nothing beside it says whether to lowercase. Fix: { lowercase: true } for an uncased vocabulary, or its tokenizer_config.json`,
    );
  }
  return at(vocabFile, () => createTokenizer({ vocab: text, ...settings(config, {}), ...given(options) }));
}

/** Options that are set: an undefined one does not hide what a file says. */
const given = (options: Partial<TokenizerOptions>) =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));

function settings(config: Json = {}, normalizer: Json): TokenizerOptions {
  const pick = (key: string, own: string, missing?: boolean) => {
    const value = config[key] ?? normalizer[own] ?? missing;
    if (value === undefined || value === null || typeof value === 'boolean') return value ?? undefined;
    throw new OptionError(`${key}: expected true or false, got ${JSON.stringify(value)}`);
  };
  return {
    lowercase: pick('do_lower_case', 'lowercase', true)!,
    stripAccents: pick('strip_accents', 'strip_accents'),
    splitChinese: pick('tokenize_chinese_chars', 'handle_chinese_chars', true),
  };
}

/** The vocabulary and the normaliser of a `tokenizer.json`, if it is BERT's. */
function wordPieceOf(json: Json): { vocab: Record<string, number>; normalizer: Json } {
  const kind = (part: unknown) => (part as Json | null | undefined)?.type ?? 'none';
  const wanted = { model: 'WordPiece', normalizer: 'BertNormalizer', pre_tokenizer: 'BertPreTokenizer' };
  for (const [part, type] of Object.entries(wanted)) {
    // old files leave the model's type out
    if (kind(json[part]) === type || (part === 'model' && json.model && kind(json.model) === 'none')) continue;
    throw new OptionError(`${part}: expected ${type} (BERT), got ${kind(json[part])}`);
  }
  const { vocab, ...model } = json.model as Json;
  for (const [key, expected] of Object.entries({ continuing_subword_prefix: '##', max_input_chars_per_word: 100 })) {
    if ((model[key] ?? expected) === expected) continue;
    throw new OptionError(`model.${key}: expected ${expected} (BERT), got ${JSON.stringify(model[key])}`);
  }
  if (typeof vocab !== 'object' || vocab === null || Array.isArray(vocab))
    throw new OptionError('model.vocab: expected ids by token, got something else');
  return { vocab: vocab as Record<string, number>, normalizer: json.normalizer as Json };
}

function parse(text: string): Json {
  const value = JSON.parse(text);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw new OptionError(`expected an object, got ${text.slice(0, 40)}`);
}

function at<T>(file: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw new OptionError(`${file}: ${(error as Error).message}`, { cause: error });
  }
}
