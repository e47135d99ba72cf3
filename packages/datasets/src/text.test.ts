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

describe('reportSections', () => {
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
