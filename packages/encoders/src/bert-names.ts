import { ancestors, findPrefix, fitsBehind, type NameMap } from './names';
import type { StateDict } from './state';

/** Constants that old checkpoints carry, and the heads of Hugging Face's `BertFor…` models. */
const constants = /(^|\.)embeddings\.(position_ids|token_type_ids)$/;
const heads = /^(cls|classifier|qa_outputs|dropout)\./;
/** What an open_clip checkpoint has around a text tower: its projection and the image tower. */
const openClip = /(^|\.)text\.transformer\.$/;
const besideTower = /^(proj|visual|logit_scale|logit_bias)(\.|$)/;

/** Names of Hugging Face's BERT, under any prefix (open_clip's `text.transformer.`); checkpoints born in TensorFlow say gamma and beta. */
export function bertNames(state: StateDict): NameMap {
  const prefix = findPrefix(state.keys(), 'embeddings.word_embeddings.weight') ?? '';
  const old = state.has(`${prefix}embeddings.LayerNorm.gamma`);
  const around = [prefix, ...ancestors(prefix)];
  return {
    source: (name) => {
      const known = old
        ? name.replace(/LayerNorm\.weight$/, 'LayerNorm.gamma').replace(/LayerNorm\.bias$/, 'LayerNorm.beta')
        : name;
      return { names: [prefix + known] };
    },
    unused: (name) =>
      constants.test(name) ||
      fitsBehind(name, around, heads) ||
      (openClip.test(prefix) && fitsBehind(name, ancestors(prefix), besideTower)),
  };
}
