import { OptionError } from '@medalign/similarity';
import type { BertOptions } from './bert';
import { type Configuration, Fields, type Recipe } from './configuration';
import { findPrefix } from './names';
import type { StateDict } from './state';

const wordTable = 'embeddings.word_embeddings.weight';

/** Attention heads by width: the one size that no array tells, and of which Google's two published BERTs leave no doubt. */
const heads: Record<number, number> = { 768: 12, 1024: 16 };

/**
 * The text tower of an open_clip configuration, if it is a BERT of Hugging Face (BiomedCLIP). The configuration only names
 * that model: its sizes are those of the arrays.
 *
 * @returns undefined if it is not open_clip's.
 * @throws OptionError for another text tower.
 */
export function openClipTextRecipe(config: Configuration): Recipe | undefined {
  const model = config.model_cfg === undefined ? new Fields(config) : new Fields(config).inside('model_cfg');
  if (model.values.text_cfg === undefined) return undefined;
  const { hf_model_name: name } = model.inside('text_cfg').values;
  if (typeof name !== 'string') {
    throw new OptionError(
      `text_cfg: expected hf_model_name, a BERT of Hugging Face; the text tower is CLIP's own transformer, which is not implemented. Fix: expect: 'vit' for the image tower`,
    );
  }
  return { kind: 'bert', options: (state) => sizesOf(state, name) };
}

function sizesOf(state: StateDict, name: string): BertOptions {
  const prefix = findPrefix(state.keys(), wordTable);
  if (prefix === undefined) {
    throw new OptionError(`hf_model_name: '${name}' is not a BERT: the checkpoint has no array …${wordTable}`);
  }
  const rows = (array: string, axis = 0) => state.get(prefix + array)?.shape[axis] ?? 0;
  const hiddenSize = rows(wordTable, 1);
  const typeVocabSize = rows('embeddings.token_type_embeddings.weight');
  // RoBERTa has BERT's names, but counts its positions from another number.
  if (typeVocabSize !== 2) {
    throw new OptionError(
      `hf_model_name: '${name}' is not a BERT: it has ${typeVocabSize} token types (RoBERTa has 1), expected 2`,
    );
  }
  if (heads[hiddenSize] === undefined) {
    throw new OptionError(
      `hf_model_name: how many attention heads '${name}' has is in no file: expected the width of BERT-base (768) or BERT-large (1024), got ${hiddenSize}. Fix: its own config.json beside the weights, or as the config option`,
    );
  }
  let layers = 0;
  while (state.has(`${prefix}encoder.layer.${layers}.attention.self.query.weight`)) layers++;
  return {
    vocabSize: rows(wordTable),
    hiddenSize,
    layers,
    heads: heads[hiddenSize],
    intermediateSize: rows('encoder.layer.0.intermediate.dense.weight'),
    maxPositions: rows('embeddings.position_embeddings.weight'),
    typeVocabSize,
  };
}
