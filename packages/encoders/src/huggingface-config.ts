import type { Activation } from './activation';
import { type Configuration, Fields, type Recipe } from './configuration';

const activations: Record<string, Activation> = {
  gelu: 'gelu',
  gelu_python: 'gelu',
  gelu_new: 'gelu-tanh',
  gelu_fast: 'gelu-tanh',
  gelu_pytorch_tanh: 'gelu-tanh',
  quick_gelu: 'quick-gelu',
  relu: 'relu',
};

/** What a key means when a configuration leaves it out is what Hugging Face's class has for it. */
const recipes: Record<string, (fields: Fields) => Recipe> = {
  bert: (fields) => {
    fields.only({ position_embedding_type: 'absolute', is_decoder: false, add_cross_attention: false });
    const dropout = fields.number('hidden_dropout_prob', 0.1);
    return {
      kind: 'bert',
      options: {
        vocabSize: fields.number('vocab_size', 30522),
        hiddenSize: fields.number('hidden_size', 768),
        layers: fields.number('num_hidden_layers', 12),
        heads: fields.number('num_attention_heads', 12),
        intermediateSize: fields.number('intermediate_size', 3072),
        maxPositions: fields.number('max_position_embeddings', 512),
        typeVocabSize: fields.number('type_vocab_size', 2),
        dropout,
        attentionDropout: fields.number('attention_probs_dropout_prob', 0.1),
        activation: fields.choice('hidden_act', 'gelu', activations),
        layerNormEpsilon: fields.number('layer_norm_eps', 1e-12),
      },
    };
  },
  vit: (fields) => ({
    kind: 'vit',
    options: {
      ...common(fields, { imageSize: 224, patchSize: 16, epsilon: 1e-12, activation: 'gelu' }),
      intermediateSize: fields.number('intermediate_size', 3072),
      qkvBias: fields.flag('qkv_bias', true),
      dropout: fields.number('hidden_dropout_prob', 0),
      attentionDropout: fields.number('attention_probs_dropout_prob', 0),
    },
  }),
  dinov2: (fields) => {
    fields.only({ use_swiglu_ffn: false });
    const options = common(fields, { imageSize: 224, patchSize: 14, epsilon: 1e-6, activation: 'gelu' });
    return {
      kind: 'vit',
      options: {
        ...options,
        intermediateSize: Math.floor(options.width * fields.number('mlp_ratio', 4)),
        qkvBias: fields.flag('qkv_bias', true),
        layerScale: fields.number('layerscale_value', 1),
        dropout: fields.number('hidden_dropout_prob', 0),
        attentionDropout: fields.number('attention_probs_dropout_prob', 0),
      },
    };
  },
  clip_vision_model: (fields) => ({
    kind: 'vit',
    projectionName: 'visual_projection.weight',
    options: {
      ...common(fields, { imageSize: 224, patchSize: 32, epsilon: 1e-5, activation: 'quick_gelu' }),
      intermediateSize: fields.number('intermediate_size', 3072),
      attentionDropout: fields.number('attention_dropout', 0),
      preNorm: true,
    },
  }),
  clip: (fields) => recipes.clip_vision_model!(fields.inside('vision_config')),
  resnet: (fields) => {
    fields.only({ hidden_act: 'relu' });
    const block = fields.choice('layer_type', 'bottleneck', { basic: 'basic', bottleneck: 'bottleneck' } as const);
    const layers = fields.numbers('depths', [3, 4, 6, 3]);
    const outputs = fields.numbers('hidden_sizes', [256, 512, 1024, 2048]);
    const first = fields.flag('downsample_in_first_stage', false) ? 2 : 1;
    return {
      kind: 'resnet',
      options: {
        block,
        layers,
        widths: block === 'basic' ? outputs : outputs.map((size) => Math.floor(size / 4)),
        stemWidth: fields.number('embedding_size', 64),
        inChannels: fields.number('num_channels', 3),
        strides: layers.map((_, stage) => (stage === 0 ? first : 2)),
        strideIn: fields.flag('downsample_in_bottleneck', false) ? '1x1' : '3x3',
      },
    };
  },
};

/** The values of `model_type` that are known. */
export const modelTypes = Object.keys(recipes).sort();

/** @returns undefined if it is not Hugging Face's, or of an unknown type. */
export function huggingFaceRecipe(config: Configuration): Recipe | undefined {
  // Google's own bert_config.json, and the oldest files, have no model_type.
  const type = config.model_type ?? ('type_vocab_size' in config ? 'bert' : undefined);
  const recipe = typeof type === 'string' && Object.hasOwn(recipes, type) ? recipes[type] : undefined;
  return recipe?.(new Fields(config));
}

type Defaults = { imageSize: number; patchSize: number; epsilon: number; activation: string };

function common(fields: Fields, { imageSize, patchSize, epsilon, activation }: Defaults) {
  return {
    imageSize: fields.size('image_size', imageSize),
    patchSize: fields.number('patch_size', patchSize),
    inChannels: fields.number('num_channels', 3),
    width: fields.number('hidden_size', 768),
    layers: fields.number('num_hidden_layers', 12),
    heads: fields.number('num_attention_heads', 12),
    activation: fields.choice('hidden_act', activation, activations),
    layerNormEpsilon: fields.number('layer_norm_eps', epsilon),
    interpolation: 'huggingface' as const,
  };
}
