import { OptionError } from '@medalign/similarity';

/** Whether a name fits a pattern, in which `*` stands for any characters, dots too, and `?` for one. */
export function fits(pattern: string, name: string): boolean {
  const escaped = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${escaped}$`, 's').test(name);
}

/**
 * The names that fit one of the patterns, in the order of the names.
 *
 * @throws {OptionError} for a pattern that fits none, with names that start like it.
 */
export function selectNames(option: string, patterns: readonly string[], names: readonly string[]): string[] {
  for (const pattern of patterns) {
    if (names.some((name) => fits(pattern, name))) continue;
    const near = [...names].sort((a, b) => shared(pattern, b) - shared(pattern, a)).slice(0, 3);
    throw new OptionError(
      `${option}: expected a pattern that fits one of the ${names.length} parameters, '${pattern}' fits none. ` +
        `Nearest: ${near.join(', ') || 'none'}. Fix: a part's parameters are 'part.*'`,
    );
  }
  return names.filter((name) => patterns.some((pattern) => fits(pattern, name)));
}

/** How many characters two texts have in common at the start. */
function shared(a: string, b: string): number {
  let count = 0;
  while (count < a.length && a[count] === b[count]) count++;
  return count;
}
