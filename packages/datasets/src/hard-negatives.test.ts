import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DescriptorVocabulary, descriptorVocabulary, hardNegatives } from './index';

const truth = 'There is a round nodule located in the upper left of the image';

describe('hardNegatives', () => {
  it('changes one descriptor of the paper’s own example, to contrasting values', () => {
    const caption = 'There is homogenous mass located in the center of the image';
    const vocabulary = { texture: [['homogenous', 'uniform'], ['heterogeneous', 'varied'], ['speckled']] };
    expect(hardNegatives(caption, { vocabulary }).sort()).toEqual([
      'There is heterogeneous mass located in the center of the image',
      'There is speckled mass located in the center of the image',
      'There is varied mass located in the center of the image',
    ]);
    const all = hardNegatives(caption);
    expect(all.length).toBe(5);
    for (const text of all) expect(text).toMatch(/^There is [\w-]+ mass located in the \w+ of the image$/);
  });

  it('takes every attribute in turn before an attribute twice', () => {
    const changed = hardNegatives(truth, { count: 3 }).map((text) =>
      text.includes('round') ? (text.includes('left') ? 'height' : 'side') : 'shape',
    );
    expect(changed.sort()).toEqual(['height', 'shape', 'side']);
    expect(hardNegatives(truth, { attributes: ['height'], count: 2 }).sort()).toEqual([
      truth.replace('upper', 'lower'),
      truth.replace('upper', 'middle'),
    ]);
  });

  it('fits articles and capitals, and changes all mentions of a value together', () => {
    const vocabulary = { shape: [['round', 'circular'], ['oval']], size: [['large'], ['small']] };
    expect(hardNegatives('Round mass, a circular one', { vocabulary })).toEqual(['Oval mass, an oval one']);
    const oval = hardNegatives('An oval, large mass', { vocabulary });
    expect(oval).toContain('A round, large mass');
    expect(oval).toContain('An oval, small mass');
    expect(oval).toContain('A round, small mass');
    expect(new Set(oval)).toEqual(
      new Set(
        ['A round', 'A circular', 'An oval']
          .flatMap((a) => ['large', 'small'].map((b) => `${a}, ${b} mass`))
          .filter((t) => t !== 'An oval, large mass' && t !== 'A circular, small mass'),
      ),
    );
  });

  it('never offers a general term for one that it includes, nor what the caption says elsewhere', () => {
    const words = (caption: string) => hardNegatives(caption, { count: 50 }).join(' ');
    expect(words('speckled mass')).not.toMatch(/heterogeneous|non-uniform|mottled/);
    expect(words('speckled mass')).toMatch(/homogeneous/);
    expect(words('heterogeneous mass')).not.toMatch(/speckled|striated/);
    expect(words('elongated mass')).not.toMatch(/\boval|linear/);
    expect(words('nodules in the upper and lower lobe')).not.toMatch(/upper and upper|lower and lower/);
    expect(words('nodules in the upper and lower lobe')).toMatch(/middle and lower/);
  });

  it('leaves denied descriptors, names and longer words alone', () => {
    for (const text of [
      'No round nodule',
      'nodule without any spiculated margin',
      'small bowel wall',
      'mass of the left ventricle',
      'white matter',
      'non-spiculated mass',
      'surrounding tissue',
      'upper-lobe',
      '',
      'No Finding',
      'no findings.',
    ]) {
      expect(hardNegatives(text), text).toEqual([]);
    }
    const margin = hardNegatives('No effusion. Spiculated mass', { count: 9 });
    expect(margin).toContain('No effusion. Well-defined mass');
    expect(hardNegatives('well defined mass', { attributes: ['margin'], count: 1 })[0]).toMatch(
      /^(ill-defined|spicul)/,
    );
  });

  it('names wrong options and a vocabulary that contradicts itself', () => {
    expect(() => hardNegatives(truth, { count: 1.5 })).toThrow(/count: expected a whole number >= 0, got 1.5/);
    expect(() => hardNegatives(truth, { attributes: ['form'] })).toThrow(/expected names out of size, .* got 'form'/);
    expect(() => hardNegatives(truth, { vocabulary: { a: [['x']], b: [['X']] } })).toThrow(/'X' in a and in b/);
    expect(() => hardNegatives(truth, { vocabulary: { a: [['']] } })).toThrow(/an empty term in a/);
    expect(hardNegatives(truth, { vocabulary: {} })).toEqual([]);
    expect(hardNegatives(truth, { count: 0 })).toEqual([]);
  });
});

/** A caption of filler words and descriptors, with what each place says. */
const captions = (vocabulary: DescriptorVocabulary) => {
  const filler = fc.constantFrom('nodule', 'there is', 'in the lung', 'mass of 2.5 cm', 'a', 'with', 'seen');
  const descriptor = fc.constantFrom(
    ...Object.entries(vocabulary).flatMap(([name, lists]) => lists.flat().map((term) => ({ name, term }))),
  );
  return fc.array(fc.oneof(filler, descriptor), { minLength: 1, maxLength: 7 });
};

describe('hardNegatives, on any caption', () => {
  const together = (name: string, a: string, b: string) =>
    descriptorVocabulary[name]!.some((list) => list.includes(a) && list.includes(b));
  const places = (text: string) => text.split(' ; ').map((place) => place.replace(/^an? /, ''));
  const options = { seed: fc.integer(), count: fc.integer({ min: 0, max: 12 }) };

  it('gives distinct captions in which only descriptors changed, at least one, each to a contrast', () => {
    fc.assert(
      fc.property(captions(descriptorVocabulary), fc.record(options), (parts, { seed, count }) => {
        const text = parts.map((part) => (typeof part === 'string' ? part : `a ${part.term}`)).join(' ; ');
        const negatives = hardNegatives(text, { seed, count });
        expect(negatives.length).toBeLessThanOrEqual(count);
        expect(new Set(negatives).size).toBe(negatives.length);
        expect(hardNegatives(text, { seed, count })).toEqual(negatives);
        for (const negative of negatives) {
          expect(negative).not.toBe(text);
          const now = places(negative);
          const then = places(text);
          expect(now.length).toBe(then.length);
          let changes = 0;
          parts.forEach((part, i) => {
            if (now[i] === then[i]) return;
            changes++;
            if (typeof part === 'string') throw new Error(`'${part}' became '${now[i]}'`);
            const terms = descriptorVocabulary[part.name]!.flat();
            expect(terms).toContain(now[i]);
            // Against every descriptor of that attribute in the true caption, not only the one it replaces.
            for (const p of parts)
              if (typeof p !== 'string' && p.name === part.name) expect(together(p.name, p.term, now[i]!)).toBe(false);
          });
          expect(changes).toBeGreaterThan(0);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('finds five for every single descriptor of a large attribute, and none without a descriptor', () => {
    for (const term of ['round', 'oval', 'red', 'brown', 'well-defined']) {
      expect(hardNegatives(`a ${term} mass`).length, term).toBe(5);
    }
    fc.assert(
      fc.property(fc.array(fc.constantFrom('nodule', 'lung', 'a', '2.5', 'cm')), (words) => {
        expect(hardNegatives(words.join(' '))).toEqual([]);
      }),
    );
  });

  it('gives other negatives for another seed', () => {
    const seeds = Array.from({ length: 20 }, (_, seed) => hardNegatives(truth, { seed, count: 2 }).join());
    expect(new Set(seeds).size).toBeGreaterThan(5);
  });
});
