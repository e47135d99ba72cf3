import { ConfigError } from './errors';

/**
 * The seeds of `--seeds 0,1,2`.
 *
 * @throws {ConfigError} if one is no whole number of 0 or more, or comes twice.
 * @example
 * seedList('0,1,2') // [0,1,2]
 */
export function seedList(text: string): number[] {
  const seeds = text.split(',').map((seed) => (seed.trim() === '' ? Number.NaN : Number(seed)));
  if (!seeds.every((seed) => Number.isSafeInteger(seed) && seed >= 0) || new Set(seeds).size !== seeds.length)
    throw new ConfigError(`--seeds: expected different whole numbers such as 0,1,2, got '${text}'`);
  return seeds;
}

/**
 * The settings of an ablation that `--settings "one name; a table"` asks for, in the order of all.
 *
 * @param all every setting: its own name, and that of the table it belongs to.
 * @param wanted names of settings or tables, separated by `;`; without it all are wanted.
 * @throws {ConfigError} naming what there is, if a name is none of them.
 * @example
 * const all = [{ name: 'T = 2', group: 'iterations' }, { name: 'loss', group: 'losses' }];
 * chooseSettings(all, 'iterations').length // 1
 */
export function chooseSettings<Setting extends { name: string; group: string }>(
  all: readonly Setting[],
  wanted?: string,
): Setting[] {
  if (wanted === undefined) return [...all];
  const names = wanted.split(';').map((name) => name.trim());
  for (const name of names)
    if (!all.some((setting) => setting.name === name || setting.group === name)) {
      const tables = [...new Set(all.map(({ group }) => group))].map((group) => `'${group}'`).join('; ');
      throw new ConfigError(
        `--settings: no setting or table '${name}'; there are ${all.map((setting) => `'${setting.name}'`).join('; ')}, and the tables ${tables} (separate them by ;)`,
      );
    }
  return all.filter((setting) => names.includes(setting.name) || names.includes(setting.group));
}
