import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { captionId, cleanText, isNoFinding } from './index';

const negations = ['no', 'not', 'without', 'never', 'none', "isn't", 'doesn’t', "can't", "won't", 'non-uniform'];
const pieces = ['2.5', '12', 'cm', 'T1-T2', '___', 'Lung', 'clear.', '...', '(-50', '- 5', 'é', '½', '\n', ',', '"x"'];

describe('cleanText', () => {
  it.each([
    ['A 2.5 cm nodule, 1.2 x 0.8 cm before.', 'a 2.5 cm nodule 1.2 x 0.8 cm before'],
    ['No effusion! Not well-defined?', 'no effusion not well defined'],
    ['Measures 1,5 mm; 1,200 ml.', 'measures 1,5 mm 1,200 ml'],
    ['Ends with 3. Then 4', 'ends with 3 then 4'],
    ['Fat of −50 HU (-60), discs L4-L5 and 3-4 mm.', 'fat of -50 hu -60 discs l4 l5 and 3 4 mm'],
    ["The patient's lung isn’t clear, can't exclude.", 'the patients lung is not clear can not exclude'],
    ['___ > 50% ±2', '50 2'],
    ['  \n ', ''],
  ])('%s', (text, expected) => expect(cleanText(text)).toBe(expected));

  it('keeps every number and every negation, and leaves no other mark', () => {
    const word = fc.constantFrom(...negations, ...pieces);
    fc.assert(
      fc.property(fc.array(word, { maxLength: 20 }), (words) => {
        const clean = cleanText(words.join(' '));
        const count = (text: string, pattern: RegExp) => (text.match(pattern) ?? []).length;
        const denied = words.filter((w) => negations.includes(w)).length;
        expect(count(clean, /\b(no|not|without|never|none|non)\b/g)).toBe(denied);
        expect(count(clean, /2\.5/g)).toBe(words.filter((w) => w === '2.5').length);
        expect(clean).not.toMatch(/[A-Z]|\s\s|^\s|\s$|(?<!\d)[.]|[.](?!\d)|[_"'();!?]/);
      }),
    );
  });

  it('changes nothing the second time, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 40 }), (text) => {
        const once = cleanText(text);
        expect(cleanText(once)).toBe(once);
      }),
      { numRuns: 500 },
    );
  });
});

describe('isNoFinding', () => {
  it('knows the phrase and nothing else', () => {
    expect(['No Finding', 'no findings.', ' NO  FINDING '].every(isNoFinding)).toBe(true);
    expect(['', 'Finding', 'No finding in the lung', 'nofinding'].some(isNoFinding)).toBe(false);
  });
});

describe('captionId', () => {
  it('is one number for texts that clean to the same, and fits an int32', () => {
    expect(captionId('Round nodule, left.')).toBe(captionId('round nodule left'));
    expect(captionId('2.5 cm')).not.toBe(captionId('25 cm'));
    const ids = Array.from({ length: 1000 }, (_, i) => captionId(`nodule ${i}`));
    expect(new Set(ids).size).toBe(1000);
    for (const id of ids) expect(id === (id | 0) && id >= 0).toBe(true);
    // The first 31 bits of sha256("no finding"), by sha256sum: 073571ea…
    expect(captionId('No Finding')).toBe(0x073571ea >>> 1);
  });
});
