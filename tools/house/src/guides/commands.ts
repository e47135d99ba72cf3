import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Commands of others, whose arguments nothing here can judge. */
const foreign = /^(cd|pip|apt-get|git|node|mkdir|rm)$/;

/** What `npm create @medalign` makes; the rehearsal runs it. */
const trainers = ['plan', 'regionmed'];

/** The commands of a shell block: comments gone, continued lines joined, split at `&&`. */
export function commandsOf(code: string): string[] {
  return code
    .replace(/\s*\\\n\s*/g, ' ')
    .split('\n')
    .map((line) => line.replace(/(^|\s)#.*$/, '').trim())
    .flatMap((line) => line.split(/\s+&&\s+/))
    .filter(Boolean);
}

/**
 * What is to be done with a command of a block that takes too long to be run, or needs data: it must be one that there is.
 * `run` is a command line that must exit with 0, or with 3 where `data` says that its data need not be there.
 */
export type Verdict = { problem?: string; run?: string; data?: boolean };

/** Judges one command, as {@link commandsOf} gives it, in the checkout at `root`. */
export function judge(command: string, root: string): Verdict {
  const words = command.replace(/^(\w+=\S+\s+)+/, '').split(/\s+/);
  const [program = '', verb] = words;
  if (foreign.test(program)) return {};
  if (program === 'npm' && verb === 'ci') return {};
  if (program === 'npm' && verb === 'test') return script('test', root);
  if (program === 'npm' && verb === 'install') return installed(words.slice(2), root);
  if (program === 'npm' && verb === 'create') {
    const there = words[2] === '@medalign' && trainers.includes(words[3]!);
    return there ? {} : { problem: `expected npm create @medalign ${trainers.join(' | ')}` };
  }
  if (program === 'npx') return binary(words.slice(1), root);
  if (program === 'npm' && verb === 'run') {
    const name = words.find((word, i) => i > 1 && !word.startsWith('-')) ?? '';
    const found = script(name, root);
    if (found.problem || !['plan', 'regionmed'].includes(name)) return found;
    const line = command
      .replace('npm run', 'npm run --silent')
      .replace(/--checkpoint runs\/[^ ]+/g, `--checkpoint runs/smoke-${name}`);
    // a smoke run holds too little for some of what a whole run (runs/…) is asked
    const data = / --(gallery-)?data /.test(command) || /runs\/[^ ]*(…|mine)/.test(command);
    if (/ evaluate /.test(line)) return { run: line, data };
    // what a run that goes on has for a configuration is in its folder
    return { run: `${line.replace(/ --resume [^ ]+/, '')}${/ -- /.test(line) ? '' : ' --'} --print-config` };
  }
  return { problem: 'no check knows this command' };
}

type Manifest = { name: string; scripts: Record<string, string>; bin?: Record<string, string> };
const manifest = (folder: string): Manifest => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));

function script(name: string, root: string): Verdict {
  return manifest(root).scripts[name] ? {} : { problem: `no script '${name}' in package.json` };
}

type Package = Manifest & { folder: string };
function packages(root: string): Package[] {
  const parent = join(root, 'packages');
  return readdirSync(parent).map((name) => ({ ...manifest(join(parent, name)), folder: join(parent, name) }));
}

function installed(names: readonly string[], root: string): Verdict {
  const ours = packages(root).map(({ name }) => name);
  for (const name of names.filter((word) => !word.startsWith('-'))) {
    const bare = name.replace(/(?<=.)@[^/]*$/, '');
    const there = bare.startsWith('@medalign/') ? ours.includes(bare) : existsSync(join(root, 'node_modules', bare));
    if (!there && !/^@tensorflow\/tfjs-node(-gpu)?$/.test(bare)) return { problem: `no package '${bare}'` };
  }
  return {};
}

function binary([name = '', verb = '']: readonly string[], root: string): Verdict {
  // npx takes a command, or a package with one command
  const found = packages(root).find(({ name: own, bin }) => bin && [own, ...Object.keys(bin)].includes(name));
  if (!found) return { problem: `no package has a command '${name} ${verb}'` };
  const verbs = verbsOf(found.folder);
  return !verbs.length || verbs.includes(verb) ? {} : { problem: `${name} has no '${verb}', only ${verbs.join(', ')}` };
}

/** What a package's command line can do, as its source says it: to commander, or in its text of usage. None: anything. */
function verbsOf(folder: string): string[] {
  const sources = ['cli.ts', 'command.ts'].map((file) => join(folder, 'src', file)).filter((file) => existsSync(file));
  const text = sources.map((file) => readFileSync(file, 'utf8')).join('\n');
  return [...text.matchAll(/\.command\('([\w-]+)'\)|Usage: medalign-[\w-]+ ([\w-]+)/g)].map(
    (match) => (match[1] ?? match[2])!,
  );
}
