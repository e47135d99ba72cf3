import { OptionError } from '@medalign/similarity';
import { type Configuration, Fields, type Recipe } from './configuration';
import { timmNames, timmRecipe } from './timm-config';

/** @returns undefined if it is not open_clip's. */
export function openClipRecipe(config: Configuration): Recipe | undefined {
  const model = config.model_cfg === undefined ? new Fields(config) : new Fields(config).inside('model_cfg');
  if (model.values.vision_cfg === undefined) return undefined;
  const vision = model.inside('vision_cfg');
  const projection = model.number('embed_dim', 512);
  if (vision.values.timm_model_name != null) return timmTower(vision, projection);
  if (Array.isArray(vision.values.layers)) {
    throw new OptionError(
      `layers: [${vision.values.layers}] is CLIP's own ResNet with an attention pool, which is not implemented. Fix: a vision transformer, or the ResNets of torchvision`,
    );
  }
  vision.only({
    attentional_pool: false,
    no_ln_pre: false,
    pos_embed_type: 'learnable',
    final_ln_after_pool: false,
    pool_type: 'tok',
    qk_norm: false,
    scaled_cosine_attn: false,
    scale_heads: false,
    scale_attn_inner: false,
    scale_attn: false,
    scale_fc: false,
    act_kwargs: null,
    norm_kwargs: null,
  });
  const width = vision.number('width', 768);
  const scale = vision.values.ls_init_value;
  return {
    kind: 'vit',
    options: {
      imageSize: vision.size('image_size', 224),
      patchSize: vision.number('patch_size', 16),
      width,
      layers: vision.number('layers', 12),
      heads: Math.floor(width / vision.number('head_width', 64)),
      intermediateSize: Math.floor(width * vision.number('mlp_ratio', 4)),
      activation: model.flag('quick_gelu', false) ? 'quick-gelu' : 'gelu',
      layerNormEpsilon: 1e-5,
      preNorm: true,
      ...(scale != null && { layerScale: Number(scale) }),
      projection,
      interpolation: 'timm',
    },
  };
}

/** An image tower that is one of timm's models, with a linear map behind it (BiomedCLIP). */
function timmTower(vision: Fields, projection: number): Recipe {
  const name = String(vision.values.timm_model_name);
  const recipe = timmRecipe({ architecture: name });
  if (!recipe)
    throw new OptionError(
      `timm_model_name: expected an architecture that is known, got '${name}'. Known: ${timmNames}`,
    );
  if (recipe.kind !== 'vit') return recipe;
  vision.only({ timm_proj: 'linear', timm_proj_bias: false });
  const pool = vision.values.timm_pool ?? 'avg';
  if (pool !== '' && pool !== 'token')
    throw new OptionError(
      `timm_pool: only the class token ('' or 'token') is implemented, the checkpoint has '${pool}'`,
    );
  const imageSize = vision.size('image_size', 224);
  return { kind: 'vit', options: { ...recipe.options, imageSize, projection } };
}
