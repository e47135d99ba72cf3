import { describe, expect, it } from 'vitest';
import { nearestName, requireColumns } from './table';

describe('nearestName', () => {
  it('finds slips, other cases and other punctuation', () => {
    const names = ['patient', 'label', 'Label_Text', 'image', 'id'];
    const found = ['patent', 'lable', 'label text', 'Image', 'patient_id', 'ids'].map((name) =>
      nearestName(name, names),
    );
    expect(found).toEqual(['patient', 'label', 'Label_Text', 'image', 'patient', 'id']);
  });

  it('finds nothing far off', () => {
    expect(nearestName('image', ['5', 'caption', 'age of patient'])).toBeUndefined();
    expect(nearestName('id', ['5', 'x1'])).toBeUndefined();
    expect(nearestName('text', ['sex'])).toBeUndefined();
    expect(nearestName('text', [])).toBeUndefined();
  });
});

describe('requireColumns', () => {
  const missing = (columns: string[], options?: { firstLine: boolean }) => () =>
    requireColumns('a.csv', columns, ['image', 'text'], options);

  it('asks for the header if nothing looks like one', () => {
    expect(missing(['a.png', '5'])).toThrow(
      "a.csv: column 'image' is missing; expected image, text; found a.png, 5. Is the first line the header?",
    );
    expect(missing(['a.png', '5'], { firstLine: false })).toThrow(/found a\.png, 5$/);
    expect(missing(['image', 'caption'])).toThrow(/found image, caption$/);
    expect(missing(['picture', 'texts'])).toThrow(/found picture, texts$/);
    expect(missing(['imgae', '5'])).toThrow(/Nearest name: 'imgae'$/);
  });
});
