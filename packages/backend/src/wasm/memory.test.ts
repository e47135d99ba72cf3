import { expect, it } from 'vitest';
import { EngineError } from '../index';
import { reportExhaustion } from './memory';

it('says how much was asked for and what to do when no memory is left', () => {
  const module = {
    _malloc: (bytes: number) => (bytes > 100 ? 0 : 64),
    HEAPU8: new Uint8Array(3 * 2 ** 20),
    onAbort: undefined as never,
  };
  reportExhaustion(module);
  const watched = module._malloc;
  reportExhaustion(module);
  expect(module._malloc).toBe(watched);
  expect(module._malloc(100)).toBe(64);
  expect(module._malloc(0)).toBe(64);
  expect(() => module._malloc(5 * 2 ** 20)).toThrow(EngineError);
  expect(() => module._malloc(5 * 2 ** 20)).toThrow(
    /out of memory: 5 MB more .* 3 MB in use of the 4096 MB.*Fix: smaller/,
  );
  expect(() => (module.onAbort as (what: string) => void)('OOM')).toThrow(/a kernel stopped \(OOM\)/);
});
