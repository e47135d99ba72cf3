/** What `package-lock.json` says of an installed package, as far as it matters here. */
export interface Locked {
  version?: string;
  license?: string;
  hasInstallScript?: boolean;
  link?: boolean;
  resolved?: string;
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
  peerDependenciesMeta?: Record<string, { optional?: boolean }>;
  devDependencies?: Record<string, string>;
}

export type Lock = Record<string, Locked>;

/** The place of `name` as seen from `from`: the nearest node_modules, as Node looks for it. */
function placeOf(name: string, from: string, lock: Lock): string | undefined {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/')))) {
    const place = `${folder && `${folder}/`}node_modules/${name}`;
    const found = lock[place];
    if (found) return found.link ? found.resolved! : place;
    if (!folder) return undefined;
  }
}

/**
 * Everything that a user of these packages gets: their dependencies and what those need, without optional peers and without
 * what only development needs. Optional dependencies count where the lock has them.
 *
 * @param folders of the packages, as the lock names them (`packages/losses`).
 * @returns place in the lock by name, and who asked for it first.
 */
export function installedWith(folders: string[], lock: Lock): Map<string, { name: string; by: string }> {
  const found = new Map<string, { name: string; by: string }>();
  const waiting = [...folders];
  while (waiting.length > 0) {
    const from = waiting.pop()!;
    const { dependencies, optionalDependencies, peerDependencies, peerDependenciesMeta = {} } = lock[from]!;
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })) {
      if (peerDependenciesMeta[name]?.optional) continue;
      const place = placeOf(name, from, lock);
      if (!place) {
        if (optionalDependencies?.[name]) continue; // for another system
        throw new Error(`package-lock.json: ${from} depends on ${name}, which is not there. Fix: npm install`);
      }
      if (found.has(place) || folders.includes(place)) continue;
      found.set(place, { name, by: from });
      waiting.push(place);
    }
  }
  return found;
}

/** Ranges that are asked for one third-party package by several of ours: `name: range (folders), other range (folders)`. */
export function differingRanges(manifests: Map<string, Locked>): string[] {
  const asked = new Map<string, Map<string, string[]>>();
  for (const [folder, { dependencies, devDependencies, peerDependencies, optionalDependencies }] of manifests) {
    for (const list of [dependencies, devDependencies, peerDependencies, optionalDependencies]) {
      for (const [name, range] of Object.entries(list ?? {})) {
        if (range === '*') continue; // private to the repository
        const ranges = asked.get(name) ?? new Map<string, string[]>();
        ranges.set(range, [...(ranges.get(range) ?? []), folder]);
        asked.set(name, ranges);
      }
    }
  }
  return [...asked]
    .filter(([, ranges]) => ranges.size > 1)
    .map(
      ([name, ranges]) =>
        `${name}: ${[...ranges].map(([range, folders]) => `${range} (${folders.join(', ')})`).join(', ')}`,
    );
}
