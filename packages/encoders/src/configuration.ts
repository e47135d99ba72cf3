import { OptionError } from '@medalign/similarity';
import type { BertOptions } from './bert';
import type { ResNetOptions } from './resnet';
import type { StateDict } from './state';
import type { VisionTransformerOptions } from './vision-transformer';

/** A configuration file's content. */
export type Configuration = Record<string, unknown>;

/** What a configuration describes, in the options of this package; of a BERT it only names, those of the arrays. */
export type Recipe =
  | { kind: 'bert'; options: BertOptions | ((state: StateDict) => BertOptions) }
  | { kind: 'resnet'; options: ResNetOptions }
  | { kind: 'vit'; options: VisionTransformerOptions; projectionName?: string };

/** Reads the values of a configuration by name; errors name the key, what was expected and what came. */
export class Fields {
  constructor(readonly values: Configuration) {}

  number(key: string, missing: number): number {
    const value = this.values[key] ?? missing;
    if (typeof value === 'number' && Number.isFinite(value)) return value;
    throw new OptionError(`${key}: expected a number, got ${JSON.stringify(value)}`);
  }

  numbers(key: string, missing: number[]): number[] {
    const value = this.values[key] ?? missing;
    if (Array.isArray(value) && value.every((item) => typeof item === 'number')) return value;
    throw new OptionError(`${key}: expected a list of numbers, got ${JSON.stringify(value)}`);
  }

  flag(key: string, missing: boolean): boolean {
    const value = this.values[key] ?? missing;
    if (typeof value === 'boolean') return value;
    throw new OptionError(`${key}: expected true or false, got ${JSON.stringify(value)}`);
  }

  /** One of the keys of a table, as its value. */
  choice<T>(key: string, missing: string, table: Record<string, T>): T {
    const value = this.values[key] ?? missing;
    if (typeof value === 'string' && Object.hasOwn(table, value)) return table[value]!;
    throw new OptionError(
      `${key}: expected one of ${Object.keys(table)
        .map((known) => `'${known}'`)
        .join(', ')}, got ${JSON.stringify(value)}`,
    );
  }

  /** @throws OptionError if a key has another value than the one this package implements (or its absence). */
  only(expected: Record<string, unknown>): void {
    for (const [key, wanted] of Object.entries(expected)) {
      const value = this.values[key];
      if (value === undefined || value === null || value === wanted) continue;
      throw new OptionError(
        `${key}: only ${JSON.stringify(wanted)} is implemented, the checkpoint has ${JSON.stringify(value)}`,
      );
    }
  }

  /** A nested object; empty if there is none. */
  inside(key: string): Fields {
    const value = this.values[key] ?? {};
    if (typeof value === 'object' && !Array.isArray(value)) return new Fields(value as Configuration);
    throw new OptionError(`${key}: expected an object, got ${JSON.stringify(value)}`);
  }

  /** A size in pixels: one number, or [height, width]. */
  size(key: string, missing: number | [number, number]): number | [number, number] {
    const value = this.values[key] ?? missing;
    const pair = typeof value === 'number' ? [value, value] : value;
    if (Array.isArray(pair) && pair.length === 2 && pair.every((side) => Number.isInteger(side) && side > 0))
      return pair[0] === pair[1] ? pair[0] : (pair as [number, number]);
    throw new OptionError(`${key}: expected pixels or [height, width], got ${JSON.stringify(value)}`);
  }
}
