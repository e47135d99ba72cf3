import { readFileSync } from 'node:fs';
import { parse, parseDocument, stringify } from 'yaml';
import type { z } from 'zod';
import { ConfigError } from './errors';
import { unknownKeys } from './unknown-keys';

/**
 * Reads a YAML configuration, applies `--set` overrides, and checks the whole against a zod schema.
 *
 * The schema holds the defaults: an empty file gives them all. Overrides are dotted paths with YAML values
 * (`train.steps=20`, `model.layers=[2, 2]`, `data.name=null`); a number names a place in a list. A key that
 * the schema does not know is refused, with the nearest one, whether or not the schema is strict: a misspelt setting must
 * not train with the default. YAML 1.2: `1e-5` is a number, `no` is a word.
 *
 * @param options `schema` (a zod object), `file` (optional path), `sets` (overrides, later ones win).
 * @returns the resolved configuration, typed by the schema.
 * @throws {ConfigError} naming the file or override; for values the path, what was expected and what came, one line each.
 * @example
 * const { z } = await import('zod');
 * const schema = z.object({ train: z.object({ steps: z.number().default(100) }).prefault({}) });
 * loadConfig({ schema, sets: ['train.steps=20'] }) // {"train":{"steps":20}}
 */
export function loadConfig<Schema extends z.ZodType>({
  file,
  sets = [],
  schema,
}: {
  file?: string;
  sets?: string[];
  schema: Schema;
}): z.output<Schema> {
  const config = file === undefined ? {} : readYaml(file);
  for (const set of sets) applySet(config, set);
  const unknown = unknownKeys(schema, config);
  const result = schema.safeParse(config);
  // A strict schema reports unknown keys as well, without the nearest name.
  const issues = (result.error?.issues ?? []).filter((issue) => !unknown.length || issue.code !== 'unrecognized_keys');
  const problems = [...unknown, ...issues.map((issue) => describe(issue, config))];
  if (problems.length > 0 || !result.success) {
    const source = [file, ...sets.map((set) => `--set ${set}`)].filter(Boolean).join(', ') || 'the configuration';
    throw new ConfigError(`${source}:\n  ${problems.join('\n  ')}`);
  }
  return result.data;
}

/**
 * A resolved configuration as YAML that {@link loadConfig} reads back: what `config.resolved.yaml` holds and
 * `--print-config` prints.
 *
 * @param config plain JSON values.
 * @returns YAML 1.2, with a line feed at the end.
 * @example
 * configText({ train: { steps: 20 } }) // "train:\n  steps: 20\n"
 */
export const configText = (config: unknown): string => stringify(config);

function readYaml(file: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError(`--config ${file}: cannot be read: ${(error as Error).message}`, { cause: error });
  }
  const document = parseDocument(text);
  const [problem] = document.errors;
  if (problem) throw new ConfigError(`${file}: not valid YAML: ${problem.message}`, { cause: problem });
  const value = document.toJS() ?? {};
  if (!isObject(value)) throw new ConfigError(`${file}: expected "key: value" lines at the top, got ${show(value)}`);
  return value;
}

function applySet(config: Record<string, unknown>, set: string): void {
  const equals = set.indexOf('=');
  const path = set.slice(0, Math.max(equals, 0)).split('.');
  if (equals < 1 || path.some((key) => key === '' || key === '__proto__')) {
    throw new ConfigError(`--set ${set}: expected a.b=value, for example --set train.steps=20`);
  }
  let value: unknown;
  try {
    value = parse(set.slice(equals + 1));
  } catch (error) {
    throw new ConfigError(`--set ${set}: the value is not valid YAML: ${(error as Error).message}`, { cause: error });
  }
  let target: Record<string, unknown> | unknown[] = config;
  path.forEach((key, i) => {
    if (Array.isArray(target) && !(/^\d+$/.test(key) && Number(key) <= target.length)) {
      const at = path.slice(0, i).join('.');
      throw new ConfigError(`--set ${set}: ${at} is a list of ${target.length}: expected a place in it, got '${key}'`);
    }
    const container = target as Record<string, unknown>;
    if (i === path.length - 1) {
      container[key] = value;
      return;
    }
    const inner = Object.hasOwn(container, key) ? container[key] : undefined;
    if (inner !== undefined && inner !== null && typeof inner !== 'object') {
      throw new ConfigError(
        `--set ${set}: ${path.slice(0, i + 1).join('.')} is ${show(inner)}, it has no settings inside`,
      );
    }
    container[key] = inner ?? {};
    target = container[key] as Record<string, unknown> | unknown[];
  });
}

function describe(issue: z.core.$ZodIssue, config: unknown): string {
  const path = issue.path.map(String).join('.') || 'the configuration';
  const value = issue.path.reduce<unknown>((inner, key) => (inner as Record<PropertyKey, unknown>)?.[key], config);
  const got = value === undefined ? 'nothing' : show(value);
  if (issue.code === 'invalid_type') return `${path}: expected ${issue.expected}, got ${got}`;
  return `${path}: ${issue.message.replace(/^Invalid (input|option): /, '')}, got ${got}`;
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  const type = value === null ? '' : ` (${Array.isArray(value) ? 'list' : typeof value})`;
  return `${text.length > 60 ? `${text.slice(0, 57)}…` : text}${type}`;
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
