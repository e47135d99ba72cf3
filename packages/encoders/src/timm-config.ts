import { OptionError } from '@medalign/similarity';
import { type Configuration, Fields, type Recipe } from './configuration';
import type { VisionTransformerOptions } from './vision-transformer';

const resnets: Record<string, { block: 'basic' | 'bottleneck'; layers: number[] }> = {
  resnet18: { block: 'basic', layers: [2, 2, 2, 2] },
  resnet34: { block: 'basic', layers: [3, 4, 6, 3] },
  resnet50: { block: 'bottleneck', layers: [3, 4, 6, 3] },
  resnet101: { block: 'bottleneck', layers: [3, 4, 23, 3] },
};

const sizes: Record<string, { width: number; layers: number; heads: number }> = {
  tiny: { width: 192, layers: 12, heads: 3 },
  small: { width: 384, layers: 12, heads: 6 },
  base: { width: 768, layers: 12, heads: 12 },
  large: { width: 1024, layers: 24, heads: 16 },
};

/** vit_base_patch16_224, vit_base_patch32_clip_quickgelu_224, vit_small_patch14_dinov2 */
const vit = /^vit_(tiny|small|base|large)_patch(8|14|16|32)(_clip|_clip_quickgelu)?_(\d+|dinov2)$/;

/** The names that are known, for a message. */
export const timmNames = `${Object.keys(resnets).join(', ')}, vit_{${Object.keys(sizes)}}_patch{8,14,16,32}[_clip[_quickgelu]]_<size>, vit_{small,base,large}_patch14_dinov2`;

/** Keys of `model_args` that change nothing in an encoder. */
const harmless = new Set(['num_classes', 'drop_rate', 'drop_path_rate', 'dynamic_img_size', 'zero_init_last']);

/** @returns undefined if it is not timm's, or of an unknown architecture. */
export function timmRecipe(config: Configuration): Recipe | undefined {
  if (typeof config.architecture !== 'string') return undefined;
  const name = config.architecture.replace(/\..*$/, ''); // what follows the dot names the weights
  const fields = new Fields(config);
  // input_size is [channels, height, width]; older files have it at the top
  const sized = config.pretrained_cfg === undefined ? fields : fields.inside('pretrained_cfg');
  const [inChannels = 3, ...pixels] = sized.values.input_size === undefined ? [] : sized.numbers('input_size', []);
  const given = fields.inside('model_args');
  const inputs = given.number('in_chans', inChannels);
  if (Object.hasOwn(resnets, name)) {
    refuseOthers(given, ['in_chans']);
    return { kind: 'resnet', options: { ...resnets[name]!, inChannels: inputs } };
  }
  const match = name.match(vit);
  if (!match) return undefined;
  const [, size, patch, clip, suffix] = match as unknown as [string, string, string, string | undefined, string];
  const own = sizes[size]!;
  const stored = pixels.length === 2 ? (pixels as [number, number]) : suffix === 'dinov2' ? 518 : Number(suffix);
  const width = given.number('embed_dim', own.width);
  const scale = given.values.init_values ?? (suffix === 'dinov2' ? 1e-5 : undefined);
  refuseOthers(given, ['in_chans', 'img_size', 'patch_size', 'embed_dim', 'depth', 'num_heads', 'mlp_ratio', 'init_values', 'qkv_bias', 'pre_norm', 'global_pool']); // biome-ignore format: one line
  given.only({ global_pool: 'token' });
  const options: VisionTransformerOptions = {
    imageSize: given.size('img_size', stored),
    patchSize: given.number('patch_size', Number(patch)),
    inChannels: inputs,
    width,
    layers: given.number('depth', own.layers),
    heads: given.number('num_heads', own.heads),
    intermediateSize: Math.floor(width * given.number('mlp_ratio', 4)),
    activation: clip?.endsWith('quickgelu') ? 'quick-gelu' : 'gelu',
    layerNormEpsilon: clip ? 1e-5 : 1e-6,
    qkvBias: given.flag('qkv_bias', true),
    preNorm: given.flag('pre_norm', clip !== undefined),
    ...(scale !== undefined && { layerScale: Number(scale) }),
    interpolation: 'timm',
  };
  return { kind: 'vit', options };
}

function refuseOthers({ values }: Fields, known: string[]): void {
  for (const key of Object.keys(values)) {
    if (known.includes(key) || harmless.has(key)) continue;
    throw new OptionError(
      `model_args: '${key}' is not implemented, the checkpoint has ${JSON.stringify(values[key])}; known are ${known.join(', ')}`,
    );
  }
}
