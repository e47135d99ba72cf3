import { OptionError } from '@medalign/similarity';

/** Names by pattern: in a string `*` stands for any characters (dots too) and `?` for one; or a RegExp to be found in the name. */
export type NamePattern = string | RegExp;

/** Whether a name fits a pattern. */
export function matches(pattern: NamePattern, name: string): boolean {
  if (pattern instanceof RegExp) return name.search(pattern) >= 0; // search() ignores the state of /g and /y
  const escaped = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${escaped}$`).test(name);
}

/**
 * The names that fit at least one of the patterns, in the order of the names.
 *
 * @throws OptionError for a pattern that fits none, with the names nearest to it.
 */
export function selectNames(option: string, patterns: NamePattern | readonly NamePattern[], names: string[]): string[] {
  const list: readonly NamePattern[] = [patterns].flat();
  for (const pattern of list) {
    if (names.some((name) => matches(pattern, name))) continue;
    throw new OptionError(
      `${option}: expected a pattern that fits one of the ${names.length} parameters, ${pattern instanceof RegExp ? pattern : `'${pattern}'`} fits none. Nearest: ${nearest(String(pattern), names).join(', ')}. Fix: a part's parameters are 'part.*'`,
    );
  }
  return names.filter((name) => list.some((pattern) => matches(pattern, name)));
}

/** The three names that share most pairs of letters with a text. */
function nearest(text: string, names: string[]): string[] {
  const wanted = pairs(text);
  const score = (name: string) => {
    const own = pairs(name);
    const shared = [...own].filter((pair) => wanted.has(pair)).length;
    return (2 * shared) / (own.size + wanted.size);
  };
  const scored = names.map((name) => ({ name, score: score(name) }));
  return scored
    .sort((a, b) => b.score - a.score)
    .slice(0, 3)
    .map(({ name }) => name);
}

const pairs = (text: string) =>
  new Set(Array.from({ length: Math.max(0, text.length - 1) }, (_, i) => text.slice(i, i + 2)));
