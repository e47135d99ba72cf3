/** Refuses, with the place in the pickle; `fix` defaults to saving again. */
export type Fail = (why: string, fix?: string) => never;

/** What a call may use: to refuse, and to account for the work it does. */
export type Tools = { fail: Fail; charge(steps: number): void };

/** A name on the list: it can be called, if it has something to do, and does only what stands here. */
export class Callable {
  constructor(
    readonly name: string,
    readonly call: (args: unknown[], tools: Tools) => unknown,
    readonly isClass = false,
  ) {}

  get kind(): string {
    return this.name;
  }
}

/** A name that is not on the list, where the caller asked to skip these: nothing is known of it, and nothing is done. */
export class Foreign {
  constructor(readonly name: string) {}

  get kind(): string {
    return this.name;
  }
}
