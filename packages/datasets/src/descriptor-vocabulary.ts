import { DataError } from './types';

/**
 * Descriptors by attribute: lists of terms that may describe the same thing. Two terms of one attribute contrast if they
 * share no list: a general term (`heterogeneous`) stands in every list of what it may mean (`speckled`, `striated`), and so
 * is never offered as the opposite of one of them. The first term of a list is the one that replaces others.
 */
export type DescriptorVocabulary = Readonly<Record<string, readonly (readonly string[])[]>>;

/**
 * English descriptors of lesions in nine attributes: size, shape, texture, margin, brightness, colour, and position up and
 * down, left and right, front and back.
 *
 * @example
 * Object.keys(descriptorVocabulary).length; // 9
 */
export const descriptorVocabulary: DescriptorVocabulary = {
  size: [
    ['small', 'tiny', 'minute', 'subcentimeter'],
    ['large', 'big', 'sizable', 'bulky', 'giant'],
  ],
  shape: [
    ['round', 'rounded', 'circular', 'spherical'],
    ['oval', 'ovoid', 'elliptical'],
    ['elongated', 'spindle-shaped', 'oval', 'ovoid', 'elliptical'],
    ['linear', 'elongated', 'tubular', 'band-like'],
    ['lobulated', 'multilobulated', 'lobed', 'irregular'],
    ['annular', 'ring-shaped', 'ring-like'],
    ['irregular', 'irregularly shaped', 'asymmetric', 'stellate', 'star-shaped'],
  ],
  texture: [
    ['homogeneous', 'homogenous', 'uniform', 'even-textured'],
    ['speckled', 'stippled', 'granular', 'heterogeneous', 'inhomogeneous', 'non-uniform', 'varied', 'mottled'],
    ['striated', 'streaky', 'striped', 'heterogeneous', 'inhomogeneous', 'non-uniform', 'varied'],
  ],
  margin: [
    ['well-defined', 'well-circumscribed', 'circumscribed', 'sharply marginated', 'sharply defined', 'sharp'],
    ['ill-defined', 'poorly defined', 'indistinct', 'blurred', 'hazy', 'obscured'],
    ['spiculated', 'spiky'],
  ],
  brightness: [
    ['bright', 'hyperdense', 'hyperintense', 'hyperechoic', 'hyperattenuating', 'echogenic', 'radiopaque'],
    ['dark', 'hypodense', 'hypointense', 'hypoechoic', 'hypoattenuating', 'anechoic', 'radiolucent', 'lucent'],
    ['isodense', 'isointense', 'isoechoic', 'isoattenuating'],
  ],
  colour: [
    ['red', 'reddish', 'erythematous'],
    ['yellow', 'yellowish'],
    ['white', 'whitish'],
    ['brown', 'brownish', 'tan'],
    ['black', 'blackish'],
    ['blue', 'bluish', 'purple', 'violet', 'purplish'],
    ['green', 'greenish'],
  ],
  height: [
    ['upper', 'superior', 'top'],
    ['middle', 'mid'],
    ['lower', 'inferior', 'bottom'],
  ],
  side: [['left', 'left-sided'], ['right', 'right-sided'], ['center', 'central', 'centre'], ['bilateral']],
  depth: [
    ['anterior', 'ventral'],
    ['posterior', 'dorsal'],
  ],
};

/** Words that look like descriptors but are part of a name. */
const names =
  /(?<![\p{L}\p{N}])(?:small|large) (?:bowel|intestine|cell|vessels?)|(?:white|gr[ae]y) matter|(?:red|white) blood|(?:left|right) (?:ventric|atri)\p{L}*/giu;
/** A descriptor that is denied says nothing about what is there. */
const denied = /\b(?:no|not|without|never|nor)(?:[\s-]+\p{L}+){0,2}[\s-]+$/iu;

/** A descriptor in a text. */
export interface FoundTerm {
  attribute: string;
  /** As the vocabulary spells it. */
  term: string;
  start: number;
  end: number;
}

const escaped = (term: string) => term.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/[\s-]+/g, '[\\s-]+');

/** Terms of a vocabulary, ready to be found in texts. */
export class TermFinder {
  private readonly byTerm = new Map<string, string>();
  private readonly pattern: RegExp;

  constructor(readonly vocabulary: DescriptorVocabulary) {
    for (const [attribute, lists] of Object.entries(vocabulary)) {
      for (const term of lists.flat()) {
        const plain = term.toLowerCase().replace(/[\s-]+/g, ' ');
        const other = this.byTerm.get(plain);
        if (plain.trim() === '' || (other !== undefined && other !== attribute)) {
          const what =
            plain.trim() === '' ? `an empty term in ${attribute}` : `'${term}' in ${other} and in ${attribute}`;
          throw new DataError(`vocabulary: expected each term in one attribute, got ${what}`);
        }
        this.byTerm.set(plain, attribute);
      }
    }
    // Longest first, so that "non-uniform" is never read as "uniform"; a hyphen continues a word.
    const terms = [...this.byTerm.keys()].sort((a, b) => b.length - a.length).map(escaped);
    this.pattern = new RegExp(`(?<![\\p{L}\\p{N}-])(?:${terms.join('|') || '(?!)'})(?![\\p{L}\\p{N}]|-\\p{L})`, 'giu');
  }

  /** Every descriptor of the text that is neither denied nor part of a name, in order. */
  find(text: string): FoundTerm[] {
    const taken = [...text.matchAll(names)].map(({ index, 0: name }) => [index, index + name.length] as const);
    return [...text.matchAll(this.pattern)].flatMap(({ index: start, 0: word }) => {
      const end = start + word.length;
      if (taken.some(([a, b]) => start < b && end > a) || denied.test(text.slice(0, start))) return [];
      const term = word.toLowerCase().replace(/[\s-]+/g, ' ');
      return [{ attribute: this.byTerm.get(term)!, term, start, end }];
    });
  }

  /** Whether two terms of one attribute cannot both be true. */
  contrast(attribute: string, a: string, b: string): boolean {
    const plain = (term: string) => term.replace(/[\s-]+/g, ' ');
    return !this.vocabulary[attribute]!.some((list) => {
      const terms = list.map(plain);
      return terms.includes(plain(a)) && terms.includes(plain(b));
    });
  }
}
