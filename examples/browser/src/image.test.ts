import { expect, it } from 'vitest';
import { imageKind, toRgb } from './image';

it('knows an image by its bytes', () => {
  expect(imageKind(Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a))).toBe('PNG');
  expect(imageKind(Uint8Array.of(0xff, 0xd8, 0xff, 0xe0))).toBe('JPEG');
  expect(imageKind(new TextEncoder().encode('DICM'))).toBeUndefined();
  expect(imageKind(new Uint8Array())).toBeUndefined();
});

it('leaves the opacity out', () => {
  const data = Uint8ClampedArray.of(1, 2, 3, 255, 4, 5, 6, 255);
  expect(toRgb({ data, width: 1, height: 2 })).toEqual({
    data: Uint8Array.of(1, 2, 3, 4, 5, 6),
    width: 1,
    height: 2,
    channels: 3,
  });
});
