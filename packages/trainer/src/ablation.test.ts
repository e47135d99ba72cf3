import { describe, expect, it } from 'vitest';
import { chooseSettings, seedList } from './ablation';

describe('seedList', () => {
  it('reads whole numbers', () => expect(seedList('3, 0')).toEqual([3, 0]));
  it.each(['', '1,', '-1', '0.5', 'one', '1,1', '1e99'])('refuses %j', (text) =>
    expect(() => seedList(text)).toThrow(`got '${text}'`),
  );
});

describe('chooseSettings', () => {
  const all = [
    { name: 'T = 2', group: 'iterations' },
    { name: 'T = 3', group: 'iterations' },
    { name: 'loss', group: 'losses' },
  ];
  it('takes all without a word', () => expect(chooseSettings(all)).toEqual(all));
  it('takes names and tables, each once and in the order of all', () =>
    expect(chooseSettings(all, 'loss; T = 3;iterations')).toEqual(all));
  it('names what there is', () =>
    expect(() => chooseSettings(all, 'T = 4')).toThrow(
      "no setting or table 'T = 4'; there are 'T = 2'; 'T = 3'; 'loss', and the tables 'iterations'; 'losses' (separate them by ;)",
    ));
});
