import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Trainer, trainers } from './trainers';

/** What was asked for cannot be made: which argument, what was expected, what came, the fix. */
export class CreateError extends Error {
  override name = 'CreateError';
}

const packed = fileURLToPath(new URL('./trainers', import.meta.url));

const typescript = {
  compilerOptions: {
    target: 'ES2022',
    module: 'ESNext',
    moduleResolution: 'bundler',
    strict: true,
    noEmit: true,
    skipLibCheck: true,
  },
  include: ['src'],
};

const readme = (name: string, { script, title }: Trainer) => `# ${name}

${title}. A copy of medalign's trainer, to run, read and change.

\`\`\`sh
npm install
npm run ${script} -- --smoke          # does everything run?
npm run ${script} -- --help           # every option
npm run ${script} -- --print-config   # every setting; src/config.ts says what each means
npm run typecheck
\`\`\`

Settings of your own: a YAML file like those in \`configs/\`, with \`--config\`. Results go to \`runs/\`.
`;

/**
 * Copies a trainer into a new folder, as a project of its own: its program, its settings and a `package.json` that
 * depends on the published packages. Nothing is installed or run.
 *
 * @param name `'plan'` or `'regionmed'`.
 * @param target the folder to make; it must be absent or empty.
 * @param options `from`: where the trainers lie; this package's own copy by default.
 * @returns the commands that come next.
 * @throws {CreateError} for another name, and for a folder that holds something.
 * @example
 * const failed = (error: Error) => error.name;
 * await Promise.resolve('plane').then((name) => createTrainer(name, 'my-plane')).catch(failed); // "CreateError"
 */
export function createTrainer(name: string, target: string, { from = packed }: { from?: string } = {}): string[] {
  const trainer = Object.hasOwn(trainers, name) ? trainers[name as keyof typeof trainers] : undefined;
  if (!trainer) {
    const names = Object.keys(trainers).join(' or ');
    throw new CreateError(`expected ${names}, got '${name}'. Fix: npm create @medalign plan my-folder`);
  }
  if (existsSync(target) && readdirSync(target).length > 0) {
    throw new CreateError(`${target}: expected a new or empty folder, it holds files. Fix: another name`);
  }
  mkdirSync(target, { recursive: true });
  for (const part of ['src', 'configs'])
    cpSync(join(from, trainer.folder, part), join(target, part), { recursive: true });
  const { dependencies, devDependencies } = JSON.parse(
    readFileSync(join(from, trainer.folder, 'dependencies.json'), 'utf8'),
  );
  const manifest = {
    name: basename(resolve(target))
      .toLowerCase()
      .replace(/[^a-z0-9-]+/g, '-'),
    private: true,
    type: 'module',
    scripts: { [trainer.script]: 'tsx src/main.ts', typecheck: 'tsc' },
    dependencies,
    devDependencies,
  };
  writeFileSync(join(target, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  writeFileSync(join(target, 'tsconfig.json'), `${JSON.stringify(typescript, null, 2)}\n`);
  writeFileSync(join(target, 'README.md'), readme(manifest.name, trainer));
  writeFileSync(join(target, '.gitignore'), 'node_modules/\nruns/\n');
  return [
    `cd ${/^[\w./@:-]+$/.test(target) ? target : JSON.stringify(target)}`,
    'npm install',
    `npm run ${trainer.script} -- --smoke`,
  ];
}
