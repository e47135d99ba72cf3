import fc from 'fast-check';
import { expect, it } from 'vitest';
import { matches, selectNames } from './patterns';

const name = fc.array(fc.constantFrom('layer', 'conv1', '0', '12', 'a+b', '(x)', '$'), { minLength: 1, maxLength: 5 });

it('a name with a part replaced by * or a letter by ? fits, itself fits, and a longer one does not', () => {
  fc.assert(
    fc.property(name, fc.nat(), fc.nat(), (parts, from, length) => {
      const text = parts.join('.');
      const start = from % text.length;
      const end = start + (length % (text.length - start + 1));
      expect(matches(text, text)).toBe(true);
      expect(matches(`${text.slice(0, start)}*${text.slice(end)}`, text)).toBe(true);
      expect(matches(`${text.slice(0, start)}?${text.slice(start + 1)}`, text)).toBe(true);
      expect(matches(text, `${text}.more`)).toBe(false);
      expect(matches(text, `more.${text}`)).toBe(false);
      expect(matches(text.replaceAll('.', '_'), text)).toBe(parts.length === 1);
    }),
  );
});

it('a regular expression is looked for anywhere, again and again', () => {
  const pattern = /bn\d/g;
  expect([1, 2, 3].map(() => matches(pattern, 'layer1.0.bn2.weight'))).toEqual([true, true, true]);
  expect(selectNames('freeze', [pattern, 'fc.*'], ['fc.bias', 'bn1.weight', 'conv1.weight'])).toEqual([
    'fc.bias',
    'bn1.weight',
  ]);
});
