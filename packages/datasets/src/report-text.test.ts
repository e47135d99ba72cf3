import { describe, expect, it } from 'vitest';
import { type ReportPart, reportParts, reportText } from './index';

const report =
  ' FINAL REPORT\n FINDINGS: \n \n Wrong.\n \n FINDINGS:  No edema, compared\n with ___.\n \n IMPRESSION:  No acute process in the chest today.\n';
const each = (text: string) =>
  Object.fromEntries(reportParts.map((part) => [part, reportText(text, { text: part as ReportPart })?.text]));

describe('reportText', () => {
  it('takes the last section of a name, and keeps the negation', () => {
    expect(each(report)).toEqual({
      findings: 'No edema, compared with ___.',
      impression: 'No acute process in the chest today.',
      both: 'No edema, compared with ___. No acute process in the chest today.',
      longest: 'No acute process in the chest today.',
      full: 'FINAL REPORT FINDINGS: Wrong. FINDINGS: No edema, compared with ___. IMPRESSION: No acute process in the chest today.',
    });
    expect(reportText(report, { text: 'longest' })!.from).toBe('impression');
  });

  it('takes a section that is both for either, and a conclusion for an impression', () => {
    const combined = each(' FINDINGS AND IMPRESSION:  Mild edema.');
    expect(combined).toMatchObject({
      findings: 'Mild edema.',
      impression: 'Mild edema.',
      both: 'Mild edema.',
      longest: 'Mild edema.',
    });
    expect(reportText('CONCLUSION: Normal.', { text: 'impression' })).toEqual({ text: 'Normal.', from: 'impression' });
  });

  it('gives nothing where the wanted section was not dictated, and says what it has', () => {
    expect(reportText('IMPRESSION: Normal.', { text: 'findings' })).toBeUndefined();
    expect(reportText('IMPRESSION: Normal.', { text: 'both' })).toEqual({ text: 'Normal.', from: 'impression' });
    expect(reportText('IMPRESSION: ___.', { text: 'impression' })).toBeUndefined();
    expect(reportText('', { text: 'full' })).toBeUndefined();
  });

  it('falls back to the last paragraph of a report without sections', () => {
    const text = ' FINAL REPORT\n INDICATION:  Cough.\n \n First.\n \n The lungs\n are clear.\n \n \n';
    for (const part of ['findings', 'impression', 'both', 'longest'] as const) {
      expect(reportText(text, { text: part })).toEqual({ text: 'The lungs are clear.', from: 'lastParagraph' });
    }
  });

  it('makes one token of blanks, or a word, or nothing', () => {
    const text = 'FINDINGS: Compared with ___ ___, ___-___ and ___. Seen on ___ .';
    const blanked = (blanks: 'token' | 'drop' | { token: string }) =>
      reportText(text, { text: 'findings', blanks })!.text;
    expect(blanked('token')).toBe('Compared with ___ and ___. Seen on ___ .');
    expect(blanked({ token: 'deid' })).toBe('Compared with deid and deid. Seen on deid .');
    expect(blanked('drop')).toBe('Compared with and. Seen on.');
  });

  it('names the choices', () => {
    expect(() => reportText('', { text: 'finding' as ReportPart })).toThrow(
      /text: expected one of findings, impression, both, longest, full, got 'finding'/,
    );
  });
});
