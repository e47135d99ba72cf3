import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { allowedImports, corePackages, enginePackages, importedModules } from './imports';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const packages = readdirSync(join(root, 'packages')).filter((name) =>
  existsSync(join(root, 'packages', name, 'package.json')),
);
const manifest = (name: string) => JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8'));
const isTest = (file: string) => /\.test\.tsx?$/.test(file) || file.includes('/test/') || file.includes('/testing/');

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter(
      (entry) =>
        entry.isFile() &&
        /\.(ts|mts|js|mjs)$/.test(entry.name) &&
        !/node_modules|\/dist\b|generated/.test(entry.parentPath),
    )
    .map((entry) => join(entry.parentPath, entry.name));
}

describe('the allowed imports', () => {
  let edges: { from: string; to: string }[] = [];

  beforeAll(() => {
    const folder = mkdtempSync(join(tmpdir(), 'medalign-graph-'));
    const file = join(folder, 'graph.json');
    execFileSync(process.execPath, [join(root, 'node_modules/nx/dist/bin/nx.js'), 'graph', `--file=${file}`], {
      cwd: root,
      env: { ...process.env, NX_DAEMON: 'false', NX_TUI: 'false', NX_CACHE_PROJECT_GRAPH: 'false' },
      stdio: 'pipe',
    });
    const { graph } = JSON.parse(readFileSync(file, 'utf8'));
    rmSync(folder, { recursive: true });
    edges = Object.values(graph.dependencies as Record<string, { source: string; target: string }[]>)
      .flat()
      .map(({ source, target }) => ({ from: source.replace('@medalign/', ''), to: target.replace('@medalign/', '') }));
  });

  it('covers every package', () => {
    expect(Object.keys(allowedImports).sort()).toEqual(packages.sort());
  });

  it("holds for nx's project graph", () => {
    const own = edges.filter(({ from, to }) => packages.includes(from) && packages.includes(to) && from !== to);
    expect(own.length).toBeGreaterThan(5); // an empty graph would prove nothing
    const testOnly = ({ from, to }: { from: string; to: string }) =>
      manifest(from).devDependencies?.[`@medalign/${to}`] !== undefined &&
      !manifest(from).dependencies?.[`@medalign/${to}`];
    const broken = own.filter((edge) => !allowedImports[edge.from]!.includes(edge.to) && !testOnly(edge));
    expect(broken).toEqual([]);
  });

  it.each(packages)('%s imports only what it may, and says so in its package.json', (name) => {
    const { dependencies = {}, peerDependencies = {}, optionalDependencies = {} } = manifest(name);
    const declared = Object.keys({ ...dependencies, ...peerDependencies, ...optionalDependencies });
    for (const file of sources(join(root, 'packages', name, 'src')).filter((f) => !isTest(f))) {
      for (const module of importedModules(readFileSync(file, 'utf8'))) {
        if (module.startsWith('.') || module.startsWith('node:')) continue;
        const wanted = module
          .split('/')
          .slice(0, module.startsWith('@') ? 2 : 1)
          .join('/');
        const where = `${relative(root, file)} imports ${module}`;
        expect(declared, where).toContain(wanted);
        if (wanted.startsWith('@medalign/'))
          expect(allowedImports[name], where).toContain(wanted.replace('@medalign/', ''));
      }
    }
  });

  it('no file reaches into another package’s src or dist', () => {
    const files = [
      ...packages.map((p) => join(root, 'packages', p)),
      join(root, 'examples'),
      join(root, 'tools'),
    ].flatMap(sources);
    const offenders = files.flatMap((file) =>
      importedModules(readFileSync(file, 'utf8'))
        .filter((module) => {
          if (/^@medalign\/[^/]+\/(src|dist)\b/.test(module)) return true;
          if (!module.startsWith('.')) return false;
          const home = relative(join(root, 'packages'), file).split('/')[0];
          const target = relative(join(root, 'packages'), resolve(dirname(file), module)).split('/');
          return target[0] !== '..' && target[0] !== home;
        })
        .map((module) => `${relative(root, file)} → ${module}`),
    );
    expect(offenders).toEqual([]);
  });

  it('the core depends on tfjs-core and the core alone; engines are imported by no library', () => {
    for (const name of corePackages) {
      const { dependencies = {}, peerDependencies = {} } = manifest(name);
      for (const dependency of Object.keys(dependencies))
        expect(
          corePackages.map((c) => `@medalign/${c}`),
          name,
        ).toContain(dependency);
      expect(
        Object.keys(peerDependencies).filter((peer) => peer !== '@tensorflow/tfjs-core'),
        name,
      ).toEqual([]);
    }
    for (const [name, may] of Object.entries(allowedImports))
      expect(
        may.filter((m) => enginePackages.includes(m)),
        name,
      ).toEqual([]);
  });

  it('finds imports of every form', () => {
    const text =
      "import a from 'x';\nimport 'y';\nexport { b } from \"z\";\nconst c = await import('w');\n// import d from 'commented'";
    expect(importedModules(text)).toEqual(['x', 'y', 'z', 'w']);
  });
});
