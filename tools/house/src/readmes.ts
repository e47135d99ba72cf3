import ts from 'typescript';

/** What an `index.ts` exports that is there when the program runs: everything but types. It has to be a list of names. */
export function exportedValues(index: string): string[] {
  const source = ts.createSourceFile('index.ts', index, ts.ScriptTarget.Latest);
  return source.statements.filter(ts.isExportDeclaration).flatMap(({ exportClause, isTypeOnly }) => {
    if (!exportClause || !ts.isNamedExports(exportClause))
      throw new Error('index.ts: expected `export { name } from …`, got `export *`. Fix: name what is public');
    if (isTypeOnly) return [];
    return exportClause.elements.filter((element) => !element.isTypeOnly).map(({ name }) => name.text);
  });
}

/**
 * The names that no code span of a README begins with (`` `name(…)` ``, `` `new Name(…)` ``). Being an option of something
 * else, or standing in an example, is no description.
 */
export function undescribed(names: readonly string[], readme: string): string[] {
  const text = readme.replace(/^ *```[\s\S]*?^ *```/gm, '');
  const described = new Set([...text.matchAll(/`(?:new )?([A-Za-z_$][\w$]*)[^`]*`/g)].map((match) => match[1]!));
  return names.filter((name) => !described.has(name));
}
