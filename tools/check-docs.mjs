// Runs every documented example: `@example` of each exported declaration, and every ```ts / ```js block of the READMEs and docs/.
//
//   node tools/check-docs.mjs [part of a file name]
//
// An expression statement whose line ends in a comment holding a JSON value (`f(x); // 1.0064`) is evaluated and compared;
// numbers to the digits shown. Docstring examples have `tf` and the exports of their package in scope; blocks of a
// README import what they use. All are type-checked, strictly. Also fails on an exported function, class or constant without a docstring.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import prepare from './prepare.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const cache = join(root, 'node_modules/.cache/medalign-docs');
const only = process.argv[2] ?? '';
const problems = [];
const snippets = [];

const files = (folder, pattern) =>
  existsSync(folder)
    ? readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter(
          (entry) =>
            entry.isFile() && pattern.test(entry.name) && !/node_modules|\/dist\b|generated/.test(entry.parentPath),
        )
        .map((entry) => join(entry.parentPath, entry.name))
    : [];

/** Names that a package's index.ts exports: `type` exports, or the others. */
function exportedNames(index, { types = false } = {}) {
  const source = ts.createSourceFile(index, readFileSync(index, 'utf8'), ts.ScriptTarget.Latest, true);
  return source.statements.flatMap((statement) =>
    ts.isExportDeclaration(statement) && statement.exportClause && ts.isNamedExports(statement.exportClause)
      ? statement.exportClause.elements
          .filter((element) => (statement.isTypeOnly || element.isTypeOnly) === types)
          .map((element) => element.name.text)
      : [],
  );
}

function docstringExamples(name) {
  const folder = join(root, 'packages', name, 'src');
  const names = exportedNames(join(folder, 'index.ts'));
  const types = exportedNames(join(folder, 'index.ts'), { types: true });
  const documented = new Set();
  for (const file of files(folder, /(?<!\.test|\.d)\.ts$/)) {
    const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true);
    const visit = (node, declared) => {
      const docs = ts.getJSDocCommentsAndTags(node).filter(ts.isJSDoc);
      if (docs.length && declared) documented.add(declared);
      for (const doc of docs) {
        for (const tag of doc.tags ?? []) {
          if (tag.tagName.text !== 'example') continue;
          const text = ts.getTextOfJSDocComment(tag.comment) ?? '';
          const line = source.getLineAndCharacterOfPosition(tag.pos).line + 1;
          snippets.push({
            where: `${relative(root, file)}:${line}`,
            code: text.replace(/^```\w*\n?|```$/gm, ''),
            package: name,
            names,
            types,
          });
        }
      }
    };
    for (const statement of source.statements) {
      const declared = ts.isVariableStatement(statement)
        ? statement.declarationList.declarations[0]?.name.getText()
        : statement.name?.getText();
      visit(statement, declared);
      if (ts.isClassDeclaration(statement)) for (const member of statement.members) visit(member);
    }
  }
  for (const exported of names) {
    if (!documented.has(exported)) problems.push(`packages/${name}: ${exported} is exported without a docstring`);
  }
}

function markdownExamples(file) {
  const text = readFileSync(file, 'utf8');
  for (const match of text.matchAll(/^```(ts|js|typescript|javascript)[^\n]*\n([\s\S]*?)^```/gm)) {
    const line = text.slice(0, match.index).split('\n').length;
    snippets.push({ where: `${relative(root, file)}:${line}`, code: match[2] });
  }
}

/** The arguments of `console.log(…)`: what it prints is what its comment shows. */
function printedArguments(expression) {
  return ts.isCallExpression(expression) && expression.expression.getText() === 'console.log'
    ? expression.arguments.map((argument) => argument.getText())
    : undefined;
}

/** A module that runs the snippet, with `expression; // value` lines turned into checks. */
function moduleOf({ code, where, package: name, names = [], types = [] }) {
  const source = ts.createSourceFile('snippet.ts', code, ts.ScriptTarget.Latest, true);
  let imports = '';
  let body = '';
  let checks = 0;
  for (const statement of source.statements) {
    const text = statement.getText();
    if (ts.isImportDeclaration(statement)) {
      imports += `${text}\n`;
      continue;
    }
    const comment = code
      .slice(statement.end)
      .match(/^[ \t]*\/\/[ \t]*(.+)/)?.[1]
      ?.trim();
    if (ts.isExpressionStatement(statement) && comment !== undefined) {
      const printed = printedArguments(statement.expression);
      const value = comment.replaceAll("'", '"');
      let wanted;
      try {
        wanted = JSON.parse(printed?.length > 1 ? `[${value.split(/\s+/).join(',')}]` : value);
      } catch {
        problems.push(`${where}: the comment "${comment}" behind an expression is not a value that can be checked`);
        continue;
      }
      checks += 1;
      const digits = JSON.stringify(comment);
      body += `await __check(${JSON.stringify(where)}, await (${printed ? (printed.length > 1 ? `[${printed.join(', ')}]` : printed[0]) : statement.expression.getText()}), ${JSON.stringify(wanted)}, ${digits});\n`;
    } else body += `${text}\n`;
  }
  const usesTf = /\bimport \* as tf\b/.test(imports);
  const used = (list) => list.filter((n) => new RegExp(`\\b${n}\\b`).test(body));
  const [own, ownTypes] = [used(names), used(types)];
  return {
    checks,
    text: [
      "import '@medalign/backend';",
      usesTf ? '' : "import * as tf from '@tensorflow/tfjs-core';",
      name && own.length ? `import { ${own.join(', ')} } from '@medalign/${name}';` : '',
      name && ownTypes.length ? `import type { ${ownTypes.join(', ')} } from '@medalign/${name}';` : '',
      imports,
      'export default async (__check: (where: string, actual: unknown, wanted: unknown, shown: string) => Promise<void>) => {',
      body,
      usesTf ? '' : 'void tf;',
      '};',
    ].join('\n'),
  };
}

const packages = readdirSync(join(root, 'packages')).filter((p) =>
  existsSync(join(root, 'packages', p, 'src/index.ts')),
);
for (const name of packages) {
  docstringExamples(name);
  if (!existsSync(join(root, 'packages', name, 'README.md'))) problems.push(`packages/${name}: no README.md`);
}
for (const file of [
  join(root, 'README.md'),
  join(root, 'CONTRIBUTING.md'),
  ...files(join(root, 'docs'), /\.md$/),
  ...files(join(root, 'packages'), /^README\.md$/),
  ...files(join(root, 'examples'), /\.md$/),
]) {
  if (existsSync(file)) markdownExamples(file);
}

await prepare();
rmSync(cache, { recursive: true, force: true });
mkdirSync(cache, { recursive: true });
const chosen = snippets.filter(({ where }) => where.includes(only));
let checks = 0;
const modules = chosen.map((snippet, i) => {
  const { text, checks: found } = moduleOf(snippet);
  checks += found;
  writeFileSync(join(cache, `${i}.mts`), text);
  return { file: `./${i}.mts`, where: snippet.where };
});
writeFileSync(join(cache, 'runner.mts'), runner(modules));
const child = spawnSync(
  process.execPath,
  ['--conditions=@medalign/source', '--import', 'tsx', join(cache, 'runner.mts')],
  {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: '3' },
  },
);
// as strictly as a project of our users may be
const compilerOptions = { noUnusedLocals: false, noUncheckedIndexedAccess: false };
writeFileSync(
  join(cache, 'tsconfig.json'),
  JSON.stringify({
    extends: join(root, 'tsconfig.base.json'),
    compilerOptions,
    include: ['*.mts'],
    exclude: ['runner.mts'],
  }),
);
const typed = spawnSync('npx', ['tsc', '-p', cache, '--pretty', 'false'], { cwd: root, encoding: 'utf8' });
for (const line of typed.stdout.split('\n').filter((text) => /error TS/.test(text))) {
  const number = /(\d+)\.mts\(/.exec(line)?.[1];
  problems.push(`${number ? modules[number].where : 'types'}: ${line.slice(line.indexOf('error TS'))}`);
}
for (const problem of problems) console.error(problem);
console.error(`docs: ${chosen.length} examples, ${checks} values compared, ${problems.length} problems in the text`);
process.exitCode = problems.length || child.status ? 1 : 0;

function runner(list) {
  return `
import * as tf from '@tensorflow/tfjs-core';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { useBackend } from '@medalign/backend';
const list: { file: string; where: string }[] = ${JSON.stringify(list)};
const plain = async (value: unknown): Promise<unknown> =>
  value instanceof tf.Tensor ? Array.from(await value.data()) : ArrayBuffer.isView(value) ? Array.from(value as Float32Array) : value;
const flat = (value: unknown): unknown[] => (Array.isArray(value) ? value.flatMap(flat) : [value]);
async function check(where: string, actual: unknown, wanted: unknown, shown: string) {
  const got = await plain(actual);
  const digits = (shown.match(/-?[\\d.]+(?:e[+-]?\\d+)?/gi) ?? []).filter((s) => /\\d/.test(s));
  const fail = () => { throw new Error(where + ': the example says ' + shown + ', the code gives ' + JSON.stringify(got)); };
  const same = (a: unknown, w: unknown, place: { i: number }): boolean => {
    if (typeof w === 'number') {
      const text = digits[place.i++] ?? String(w);
      const decimals = (text.split('.')[1] ?? '').replace(/e.*/i, '').length;
      const exponent = Number(text.split(/e/i)[1] ?? 0);
      return typeof a === 'number' && Math.abs(a - w) <= 0.5001 * 10 ** (exponent - decimals) + 1e-7 * Math.abs(w);
    }
    if (Array.isArray(w)) {
      const [x, y] = Array.isArray(a) && a.length === w.length ? [a, w] : [flat(a), flat(w)];
      return x.length === y.length && y.every((v, i) => same(x[i], v, place));
    }
    if (w && typeof w === 'object') return Object.entries(w).every(([k, v]) => same((a as Record<string, unknown>)?.[k], v, place));
    return a === w;
  };
  if (!same(got instanceof Array ? got : got, Array.isArray(got) && !Array.isArray(wanted) && got.length === 1 ? [wanted] : wanted, { i: 0 })) fail();
}
const folder = mkdtempSync(join(tmpdir(), 'medalign-docs-'));
process.chdir(folder);
let failed = 0;
for (const { file, where } of list) {
  try {
    await useBackend('cpu');
    const module = await import(new URL(file, import.meta.url).href);
    await module.default(check);
  } catch (error) {
    failed += 1;
    console.error('FAILED ' + where + '\\n  ' + String((error as Error).message ?? error).split('\\n').slice(0, 4).join('\\n  '));
  }
}
rmSync(folder, { recursive: true, force: true });
console.error(list.length - failed + ' examples passed, ' + failed + ' failed');
process.exitCode = failed ? 1 : 0;
`;
}
