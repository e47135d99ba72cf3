/** Packages that pending changesets name: the part between the first two `---` of each. */
export function namedIn(changesets: string[]): Set<string> {
  return new Set(
    changesets.flatMap((text) => {
      const [, front = ''] = text.split(/^---$/m);
      return [...front.matchAll(/^\s*['"]?(@[^'":\s]+)['"]?\s*:\s*(?:patch|minor|major)\s*$/gm)].map(
        (match) => match[1]!,
      );
    }),
  );
}
