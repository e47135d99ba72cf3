import { ancestors, findPrefix, fitsBehind, type NameMap, type Source, stackRows } from './names';
import { fromEcosystem, type StateDict } from './state';

/** One library's names for the parts of a vision transformer; the model's own are timm's. `#` is a block's number. */
type Family = {
  /** A name that only this family has. */
  known: string;
  /** What of the prefix belongs to the tower itself, so that projections beside it are found. */
  tower?: string;
  /** The model's part, or whole name, → the file's; several are stacked row by row. A leading ^ is beside the tower. */
  parts?: Record<string, string | string[]>;
};

const attention = (start: string, names: string[]) => names.map((name) => `${start}.${name}`);

const huggingFace = (layers: string, projections: string[], rest: Record<string, string>): Family['parts'] => ({
  cls_token: 'embeddings.cls_token',
  pos_embed: 'embeddings.position_embeddings',
  'patch_embed.proj': 'embeddings.patch_embeddings.projection',
  'blocks.#.attn.qkv': attention(`${layers}.#`, projections),
  ...Object.fromEntries(Object.entries(rest).map(([own, name]) => [`blocks.#.${own}`, `${layers}.#.${name}`])),
  norm: 'layernorm',
});
const separate = ['query', 'key', 'value'].map((name) => `attention.attention.${name}`);
const short = ['q', 'k', 'v'].map((name) => `attention.${name}_proj`);
const vit = { norm1: 'layernorm_before', norm2: 'layernorm_after' };
const dinov2 = {
  norm1: 'norm1',
  norm2: 'norm2',
  'ls1.gamma': 'layer_scale1.lambda1',
  'ls2.gamma': 'layer_scale2.lambda1',
  'mlp.fc1': 'mlp.fc1',
  'mlp.fc2': 'mlp.fc2',
};

const families: Family[] = [
  { known: 'patch_embed.proj.weight', tower: 'trunk.', parts: { proj: '^head.proj' } },
  {
    known: 'encoder.layer.0.layernorm_before.weight',
    parts: huggingFace('encoder.layer', separate, {
      ...vit,
      'attn.proj': 'attention.output.dense',
      'mlp.fc1': 'intermediate.dense',
      'mlp.fc2': 'output.dense',
    }),
  },
  {
    // The names that transformers 5 has in memory; it saves the ones above.
    known: 'layers.0.layernorm_before.weight',
    parts: huggingFace('layers', short, {
      ...vit,
      'attn.proj': 'attention.o_proj',
      'mlp.fc1': 'mlp.fc1',
      'mlp.fc2': 'mlp.fc2',
    }),
  },
  {
    known: 'encoder.layer.0.attention.attention.query.weight',
    parts: huggingFace('encoder.layer', separate, { ...dinov2, 'attn.proj': 'attention.output.dense' }),
  },
  {
    known: 'encoder.layer.0.attention.q_proj.weight',
    parts: huggingFace('encoder.layer', short, { ...dinov2, 'attn.proj': 'attention.o_proj' }),
  },
  {
    known: 'embeddings.patch_embedding.weight',
    tower: 'vision_model.',
    parts: {
      cls_token: 'embeddings.class_embedding',
      pos_embed: 'embeddings.position_embedding.weight',
      'patch_embed.proj': 'embeddings.patch_embedding',
      norm_pre: 'pre_layrnorm',
      'blocks.#.norm1': 'encoder.layers.#.layer_norm1',
      'blocks.#.attn.qkv': attention('encoder.layers.#.self_attn', ['q_proj', 'k_proj', 'v_proj']),
      'blocks.#.attn.proj': 'encoder.layers.#.self_attn.out_proj',
      'blocks.#.norm2': 'encoder.layers.#.layer_norm2',
      'blocks.#.mlp.fc1': 'encoder.layers.#.mlp.fc1',
      'blocks.#.mlp.fc2': 'encoder.layers.#.mlp.fc2',
      norm: 'post_layernorm',
      proj: '^visual_projection',
    },
  },
  {
    known: 'class_embedding',
    tower: 'visual.',
    parts: {
      cls_token: 'class_embedding',
      pos_embed: 'positional_embedding',
      'patch_embed.proj': 'conv1',
      norm_pre: 'ln_pre',
      'blocks.#.norm1': 'transformer.resblocks.#.ln_1',
      'blocks.#.attn.qkv.weight': 'transformer.resblocks.#.attn.in_proj_weight',
      'blocks.#.attn.qkv.bias': 'transformer.resblocks.#.attn.in_proj_bias',
      'blocks.#.attn.proj': 'transformer.resblocks.#.attn.out_proj',
      'blocks.#.ls1': 'transformer.resblocks.#.ls_1',
      'blocks.#.norm2': 'transformer.resblocks.#.ln_2',
      'blocks.#.mlp.fc1': 'transformer.resblocks.#.mlp.c_fc',
      'blocks.#.mlp.fc2': 'transformer.resblocks.#.mlp.c_proj',
      'blocks.#.ls2': 'transformer.resblocks.#.ls_2',
      norm: 'ln_post',
      'proj.weight': 'proj',
    },
  },
];

/** Class heads, poolers and constants, wherever they lie. */
const unusedHere = /^(head|head_dist|fc_norm|classifier|pooler|embeddings\.(mask_token|position_ids))(\.|$)/;
/** The other tower of a CLIP and what lies between the two. */
const unusedBeside =
  /^(head|classifier|pooler|visual_projection|text_projection|text_model|text|transformer|token_embedding|positional_embedding|ln_final|logit_scale|logit_bias|decoder|lm_head)(\.|$)/;

/** Names of timm (the model's own), Hugging Face (ViT, DINOv2, CLIP) or open_clip, under any prefix. */
export function vitNames(state: StateDict): NameMap & { family: 'timm' | 'huggingface' | 'open_clip' } {
  const found = families
    .map((family) => ({ ...family, prefix: findPrefix(state.keys(), family.known) }))
    .find(({ prefix }) => prefix !== undefined);
  const { prefix = '', tower = '', parts = {}, known = '' } = found ?? {};
  const outer = tower && prefix.endsWith(tower) ? prefix.slice(0, -tower.length) : prefix;
  const place = (name: string) => (name.startsWith('^') ? outer + name.slice(1) : prefix + name);
  return {
    family: known === 'class_embedding' ? 'open_clip' : /^(patch_embed|$)/.test(known) ? 'timm' : 'huggingface',
    source: (name) => {
      if (state.has(prefix + name)) return { names: [prefix + name] };
      const [pattern, number = ''] = [name.replace(/\d+/, '#'), name.match(/\d+/)?.[0]];
      const dot = pattern.lastIndexOf('.');
      const [whole, part] = [parts[pattern], parts[pattern.slice(0, dot)]];
      const array = whole === undefined ? pattern.slice(dot) : '';
      const wanted = whole ?? part;
      if (wanted === undefined) return { names: [prefix + name] };
      const names = [wanted].flat().map((found) => place(found.replace('#', number) + array));
      return { names, join: joinOf(name, names) };
    },
    unused: (name) => fitsBehind(name, [prefix], unusedHere) || fitsBehind(name, ancestors(prefix), unusedBeside),
  };
}

function joinOf(name: string, names: string[]): Source['join'] {
  if (names.length > 1) return stackRows;
  // open_clip keeps its projection as [in, out], outside of any layer.
  if (name === 'proj.weight' && names[0]!.endsWith('proj')) {
    return ([matrix]) => fromEcosystem(matrix!, 'linear') as ReturnType<NonNullable<Source['join']>>;
  }
  return undefined;
}
