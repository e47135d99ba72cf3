import { closest, distance } from 'fastest-levenshtein';
import { z } from 'zod';

type Schema = z.core.$ZodType;

/**
 * Keys of a value that its zod schema does not name, with the nearest name, one message each.
 *
 * zod's plain objects drop unknown keys silently; this looks through objects, lists, records and wrappers (optional, default, …).
 * Unions and transforms are left to zod itself. An object with a catch-all or `looseObject` accepts any key.
 */
export function unknownKeys(schema: Schema, value: unknown, path: string[] = [], root: Schema = schema): string[] {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodArray && Array.isArray(value)) {
    return value.flatMap((item, i) => unknownKeys(inner.element, item, [...path, String(i)], root));
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
  if (inner instanceof z.ZodRecord) {
    return Object.entries(value).flatMap(([key, item]) => unknownKeys(inner.valueType, item, [...path, key], root));
  }
  if (!(inner instanceof z.ZodObject)) return [];
  const { shape } = inner;
  return Object.entries(value).flatMap(([key, item]) => {
    const known = Object.hasOwn(shape, key) ? (shape[key] as Schema) : undefined;
    if (known) return unknownKeys(known, item, [...path, key], root);
    if (inner.def.catchall) return strict(inner) ? [message(key, path, inner, root)] : [];
    return [message(key, path, inner, root)];
  });
}

const strict = (schema: z.ZodObject) => schema.def.catchall instanceof z.ZodNever;

function message(key: string, path: string[], schema: z.ZodObject, root: Schema): string {
  const names = Object.keys(schema.shape);
  const full = [...path, key].join('.');
  const elsewhere = paths(root).find((candidate) => candidate.at(-1) === key);
  const nearest = names.length > 0 ? closest(key, names) : '';
  if (nearest && distance(key, nearest) <= Math.max(2, key.length / 3)) {
    return `${full}: unknown setting: did you mean ${[...path, nearest].join('.')}?`;
  }
  if (elsewhere) return `${full}: unknown setting: did you mean ${elsewhere.join('.')}?`;
  return `${full}: unknown setting: known here: ${names.join(', ') || 'none'}`;
}

function paths(schema: Schema, path: string[] = []): string[][] {
  const inner = unwrap(schema);
  if (!(inner instanceof z.ZodObject)) return [path];
  return Object.entries(inner.shape).flatMap(([key, child]) => paths(child as Schema, [...path, key]));
}

function unwrap(schema: Schema): Schema {
  let current = schema;
  for (let def = current._zod.def; 'innerType' in def; def = current._zod.def) current = def.innerType as Schema;
  return current;
}
