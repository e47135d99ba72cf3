import { ancestors, findPrefix, fitsBehind, type NameMap } from './names';
import { type StateDict, StateDictError } from './state';

const heads = /^(fc|classifier|head)\./;

/** Names of torchvision and timm (the same), or of Hugging Face, under any prefix. */
export function resnetNames(state: StateDict): NameMap {
  const deep = findPrefix(state.keys(), 'conv1.0.weight');
  if (deep !== undefined) {
    throw new StateDictError(
      `'${deep}conv1.0.weight' is the first of three convolutions (timm's deep stem, as in resnet50d). Fix: a checkpoint with the plain 7×7 stem`,
    );
  }
  const huggingFace = findPrefix(state.keys(), 'embedder.embedder.convolution.weight');
  const prefix = huggingFace ?? findPrefix(state.keys(), 'layer1.0.conv1.weight') ?? '';
  const around = [prefix, ...ancestors(prefix)];
  return {
    source: (name) => ({ names: [prefix + (huggingFace === undefined ? name : toHuggingFace(name))] }),
    unused: (name) => fitsBehind(name, around, heads),
  };
}

/** `layer2.0.conv1.weight` → `encoder.stages.1.layers.0.layer.0.convolution.weight`. */
function toHuggingFace(name: string): string {
  const array = name.slice(name.lastIndexOf('.') + 1);
  const kind = (part: string) => (part.startsWith('conv') ? 'convolution' : 'normalization');
  const stem = name.match(/^(conv1|bn1)\./);
  if (stem) return `embedder.embedder.${kind(stem[1]!)}.${array}`;
  const [, stage, block, part] = name.match(/^layer(\d+)\.(\d+)\.(.+)\.[^.]+$/)!;
  const at = `encoder.stages.${Number(stage) - 1}.layers.${block}`;
  const [, pair, index] = part!.match(/^(downsample|conv|bn)\.?(\d)$/)!;
  if (pair === 'downsample') return `${at}.shortcut.${index === '0' ? 'convolution' : 'normalization'}.${array}`;
  return `${at}.layer.${Number(index) - 1}.${kind(pair!)}.${array}`;
}
