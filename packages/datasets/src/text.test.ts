import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { reportSections, sentences } from './index';

describe('sentences', () => {
  it('keeps decimals, list numbers and abbreviations', () => {
    expect(sentences('A 2.5 cm nodule, 1.2 cm before. No effusion! Stable?')).toEqual([
      'A 2.5 cm nodule, 1.2 cm before.',
      'No effusion!',
      'Stable?',
    ]);
    expect(sentences('1. Small effusion. 2. No pneumothorax.')).toEqual(['1. Small effusion.', '2. No pneumothorax.']);
    expect(sentences('1. Small effusion\n2. No pneumothorax')).toEqual(['1. Small effusion', '2. No pneumothorax']);
    expect(sentences('Discussed with Dr. Lee at 3 p.m. by phone. Done.')).toEqual([
      'Discussed with Dr. Lee at 3 p.m. by phone.',
      'Done.',
    ]);
  });

  it('joins broken lines, begins anew at paragraphs, drops what is empty', () => {
    expect(sentences('The lungs\nare clear. . ..\n\nHeart size normal\n\n')).toEqual([
      'The lungs are clear.',
      'Heart size normal',
    ]);
    expect(sentences('  \n ')).toEqual([]);
  });
});

describe('sentences, hard cases', () => {
  it.each([
    [
      'Comparison with No. 3 and Fig. 2. Effusion? No. Stable.',
      ['Comparison with No. 3 and Fig. 2.', 'Effusion?', 'No.', 'Stable.'],
    ],
    ['Seen by Dr. J. R. Smith. Clear.', ['Seen by Dr. J. R. Smith.', 'Clear.']],
    ['Right vs. left. Larger, e.g. 3.4 x 2.0 cm.', ['Right vs. left.', 'Larger, e.g. 3.4 x 2.0 cm.']],
    ['Compression fracture at T1-T2. No other.', ['Compression fracture at T1-T2.', 'No other.']],
    [
      'Called at 3:15 p.m. by phone. Read at 4 p.m. The lungs are clear.',
      ['Called at 3:15 p.m. by phone.', 'Read at 4 p.m.', 'The lungs are clear.'],
    ],
    ['St. Jude valve. Kerley B. The heart is large.', ['St. Jude valve.', 'Kerley B.', 'The heart is large.']],
    ['Lungs ... are clear... Heart normal.', ['Lungs ... are clear...', 'Heart normal.']],
    ['Tube 4.5 cm. above the carina. Fine.', ['Tube 4.5 cm. above the carina.', 'Fine.']],
    ['Nodule (stable.) No effusion.', ['Nodule (stable.)', 'No effusion.']],
    ['Discussed with Dr. ___. ___. Normal.', ['Discussed with Dr. ___.', 'Normal.']],
    [
      'Cough, fever etc. are denied. Normal etc. The end.',
      ['Cough, fever etc. are denied.', 'Normal etc.', 'The end.'],
    ],
  ])('%s', (text, expected) => {
    expect(sentences(text)).toEqual(expected);
  });

  it('joins the hard-wrapped lines of a report, whatever a line begins with', () => {
    const report =
      ' There is a nodule of\n 2.5 cm at the level of T\n 12. No effusion. The right\n lung is clear.\n \n 1.  Stable.\n 2.  Follow up in\n 3 months.';
    expect(sentences(report)).toEqual([
      'There is a nodule of 2.5 cm at the level of T 12.',
      'No effusion.',
      'The right lung is clear.',
      '1. Stable.',
      '2. Follow up in 3 months.',
    ]);
  });

  it('loses no word, and never touches a negation', () => {
    const word = fc.constantFrom(
      'no',
      'No',
      'not',
      'without',
      'Dr.',
      '2.5',
      '1.',
      'cm.',
      '___',
      'Lung',
      'clear.',
      '...',
      'A.',
      '\n',
      '\n\n',
      'vs.',
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 30 }), (words) => {
        const kept = (text: string) => text.split(/\s+/).filter((w) => /[a-z0-9]/i.test(w));
        expect(kept(sentences(words.join(' ')).join(' '))).toEqual(kept(words.join(' ')));
      }),
    );
  });
});

describe('reportSections', () => {
  it('knows a header with a comma, and does not let an empty section win', () => {
    const text = 'CHEST, PA AND LATERAL:  Clear.\nIMPRESSION:  Normal.\nIMPRESSION:\n\n';
    expect(Object.fromEntries(reportSections(text))).toEqual({
      'chest, pa and lateral': 'Clear.',
      impression: 'Normal.',
    });
  });

  it('reads capitals and a colon as a header; the last of a name wins', () => {
    const text = 'Dictated.\nFINDINGS: old\n\n FINDINGS: The lungs\nare clear: yes.\nIMPRESSION:\nNormal.';
    expect(Object.fromEntries(reportSections(text))).toEqual({
      '': 'Dictated.',
      findings: 'The lungs are clear: yes.',
      impression: 'Normal.',
    });
  });

  it('leaves a text without headers whole', () => {
    expect(Object.fromEntries(reportSections('Clear lungs.'))).toEqual({ '': 'Clear lungs.' });
  });
});
