import { isNoFinding } from './clean-text';
import { type DescriptorVocabulary, descriptorVocabulary, type FoundTerm, TermFinder } from './descriptor-vocabulary';
import { randomStream } from './random';
import { DataError } from './types';

/** Options of {@link hardNegatives}. */
export interface HardNegativeOptions {
  /** How many, at most. */
  count?: number;
  seed?: number;
  vocabulary?: DescriptorVocabulary;
  /** Attributes that may change: all of the vocabulary, or some, such as `['shape', 'texture']`. */
  attributes?: readonly string[];
}

/** Terms of one attribute that mean the same thing in this caption: they change together. */
interface Slot {
  terms: FoundTerm[];
  /** What may stand there instead: the first term of every contrasting list, then the others. */
  first: string[];
  others: string[];
}

function slotsOf(finder: TermFinder, caption: string, attributes: readonly string[]): Slot[] {
  const found = finder.find(caption).filter(({ attribute }) => attributes.includes(attribute));
  const slots: Slot[] = [];
  for (const term of found) {
    const slot = slots.find(
      ({ terms: [t] }) => t!.attribute === term.attribute && !finder.contrast(t!.attribute, t!.term, term.term),
    );
    if (slot) slot.terms.push(term);
    else slots.push({ terms: [term], first: [], others: [] });
  }
  return slots.map(({ terms }) => {
    const { attribute } = terms[0]!;
    const lists = finder.vocabulary[attribute]!;
    // A term that another part of the caption already uses could make it true again: "upper and lower" → "lower and lower".
    const present = found.filter((term) => term.attribute === attribute);
    const fits = (term: string) => present.every((p) => finder.contrast(attribute, p.term, term));
    const first = [...new Set(lists.flatMap(([term]) => term ?? []))].filter(fits);
    return { terms, first, others: [...new Set(lists.flat())].filter((t) => fits(t) && !first.includes(t)) };
  });
}

/** The caption with some terms replaced: capitals follow the word that was there, "a" and "an" the word that comes. */
function rewritten(caption: string, changes: readonly (readonly [Slot, string])[]): string {
  const edits = changes.flatMap(([slot, word]) => slot.terms.map(({ start, end }) => ({ start, end, word })));
  let text = caption;
  for (const { start, end, word } of edits.sort((a, b) => b.start - a.start)) {
    const capital = /^\p{Lu}/u.test(text.slice(start, end));
    const shown = capital ? word[0]!.toUpperCase() + word.slice(1) : word;
    const before = text.slice(0, start).replace(/\b(a)n?(\s+)$/i, `$1${/^(?!uni)[aeiou]/i.test(word) ? 'n' : ''}$2`);
    text = before + shown + text.slice(end);
  }
  return text;
}

/**
 * Captions that are wrong in one descriptor: RegionMed-CLIP's negative captions, generated.
 *
 * Each takes one descriptor of the caption (two, where one is not enough) to a contrasting value of the same attribute:
 * never to a synonym, to a term that includes it, or to one that the caption uses elsewhere. Nothing else changes, but
 * "a" and "an" before the new word. Descriptors that the caption denies ("no spiculated mass") and names ("small bowel")
 * are left alone. All mentions of one value change together.
 *
 * @param caption such as "There is a round nodule located in the upper left of the image".
 * @param options `count` 5, `seed` 0, `vocabulary` `descriptorVocabulary`, `attributes` all.
 * @returns distinct captions, the same for the same caption and seed; fewer than `count` if the vocabulary makes no
 * more; **none** for "No Finding" and for a caption without a known descriptor: mask these in the loss.
 * @throws {DataError} on a wrong option, or a vocabulary that has one term in two attributes.
 * @example
 * hardNegatives('There is a round nodule', { vocabulary: { shape: [['round'], ['oval']] } }); // ["There is an oval nodule"]
 * hardNegatives('There is homogenous mass located in the center of the image').length; // 5
 * hardNegatives('No Finding').length; // 0
 * @see RegionMed-CLIP, appendix F
 */
export function hardNegatives(caption: string, options: HardNegativeOptions = {}): string[] {
  const { count = 5, seed = 0, vocabulary = descriptorVocabulary } = options;
  const { attributes = Object.keys(vocabulary) } = options;
  if (!Number.isInteger(count) || count < 0) {
    throw new DataError(`hardNegatives: count: expected a whole number >= 0, got ${count}`);
  }
  const unknown = attributes.find((name) => !(name in vocabulary));
  if (unknown !== undefined) {
    throw new DataError(
      `hardNegatives: attributes: expected names out of ${Object.keys(vocabulary).join(', ')}, got '${unknown}'`,
    );
  }
  if (isNoFinding(caption)) return [];
  const slots = slotsOf(finderOf(vocabulary), caption, attributes);
  const random = randomStream(seed, 'negatives', caption);
  // The first swap of every descriptor before the second of any, so that no attribute gives all the negatives.
  const inTurn = (words: (slot: Slot) => string[]) => {
    const rows = random.shuffle(slots).map((slot) => random.shuffle(words(slot)).map((word) => [slot, word] as const));
    const longest = Math.max(0, ...rows.map((row) => row.length));
    return Array.from({ length: longest }, (_, i) => rows.flatMap((row) => (row[i] ? [[row[i]]] : []))).flat();
  };
  const single = inTurn(({ first }) => first);
  const double = () =>
    random.shuffle(
      single.flatMap(([a], i) => single.slice(i + 1).flatMap(([b]) => (a![0] === b![0] ? [] : [[a!, b!]]))),
    );
  const result = new Set<string>();
  for (const changes of [() => single, () => inTurn(({ others }) => others), double]) {
    if (result.size >= count) break;
    for (const change of changes()) {
      if (result.size >= count) break;
      result.add(rewritten(caption, change));
    }
  }
  return [...result];
}

const finders = new WeakMap<DescriptorVocabulary, TermFinder>();
function finderOf(vocabulary: DescriptorVocabulary): TermFinder {
  const known = finders.get(vocabulary) ?? new TermFinder(vocabulary);
  finders.set(vocabulary, known);
  return known;
}
