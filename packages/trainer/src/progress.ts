import { type Options, SingleBar } from 'cli-progress';

/** What a step reports to {@link Progress}. */
export type ProgressUpdate = { terms?: Record<string, number>; images?: number; epoch?: number };

/**
 * Where training stands: a bar on a terminal, plain lines elsewhere.
 *
 * Both say step, epoch, loss terms, images per second (over about the last 10 seconds) and the time left. Plain lines (log files, CI) come at
 * most every `everySeconds`; the first appears before the first step ends, so that a slow start is not taken for a hang.
 * Everything goes to stderr: stdout is for data.
 *
 * @param options `total` steps; `start` the step resumed from (0); `label` in front; `everySeconds` (5); `stream` and `clock`
 *   (milliseconds) for tests.
 * @example
 * const progress = new Progress({ total: 100, label: 'train' });
 * progress.update(1, { terms: { loss: 0.7 }, images: 48 });
 * progress.stop();
 */
export class Progress {
  readonly #total: number;
  readonly #start: number;
  readonly #label: string;
  readonly #everyMs: number;
  readonly #stream: NodeJS.WritableStream & { isTTY?: boolean };
  readonly #clock: () => number;
  readonly #bar: SingleBar | undefined;
  #marks: { time: number; step: number; images: number }[];
  #lastLine: number;
  #images = 0;
  #latest = '';
  #written = '';

  constructor({
    total,
    start = 0,
    label = 'train',
    everySeconds = 5,
    stream = process.stderr,
    clock = Date.now,
  }: {
    total: number;
    start?: number;
    label?: string;
    everySeconds?: number;
    stream?: NodeJS.WritableStream & { isTTY?: boolean };
    clock?: () => number;
  }) {
    [this.#total, this.#start, this.#label] = [total, start, label];
    [this.#everyMs, this.#stream, this.#clock] = [everySeconds * 1000, stream, clock];
    this.#marks = [{ time: clock(), step: start, images: 0 }];
    this.#lastLine = clock();
    if (stream.isTTY) {
      const format = `${label} {bar} {value}/{total} {details}`;
      // noTTYOutput stays off: without a terminal this class writes its own lines.
      const options: Options = { stream, format, hideCursor: true, barsize: 24, linewrap: false, fps: 8 };
      this.#bar = new SingleBar({ ...options, barCompleteChar: '█', barIncompleteChar: '░', gracefulExit: false });
      this.#bar.start(total, start, { details: 'starting' });
    } else {
      this.#line(`${label} ${start}/${total} starting`);
    }
  }

  /**
   * Reports a finished step.
   *
   * @param step steps done so far, `start` + 1 … `total`.
   * @param update loss terms by name, images in this step, the epoch.
   */
  update(step: number, { terms = {}, images = 0, epoch }: ProgressUpdate = {}): void {
    const now = this.#clock();
    this.#images += images;
    this.#marks.push({ time: now, step, images: this.#images });
    while (this.#marks.length > 2 && now - this.#marks[1]!.time > 10_000) this.#marks.shift();
    const details = this.#details(step, terms, epoch);
    if (this.#bar) {
      this.#bar.update(step, { details });
      return;
    }
    this.#latest = `${this.#label} ${step}/${this.#total} ${details}`;
    if (now - this.#lastLine >= this.#everyMs || step === this.#start + 1 || step === this.#total) {
      this.#line(this.#latest);
    }
  }

  /** Ends the bar, or writes the last line if it was held back. */
  stop(): void {
    if (this.#bar) this.#bar.stop();
    else if (this.#latest && this.#latest !== this.#written) this.#line(this.#latest);
  }

  #details(step: number, terms: Record<string, number>, epoch: number | undefined): string {
    const [first, last] = [this.#marks[0]!, this.#marks.at(-1)!];
    const seconds = (last.time - first.time) / 1000;
    const parts = epoch === undefined ? [] : [`epoch ${epoch}`];
    for (const [name, value] of Object.entries(terms)) parts.push(`${name} ${Number(value.toPrecision(4))}`);
    if (seconds > 0) {
      const rate = (last.images - first.images) / seconds;
      if (rate > 0) parts.push(`${rate.toFixed(rate < 10 ? 1 : 0)} images/s`);
      const steps = (last.step - first.step) / seconds;
      if (steps > 0) parts.push(`${duration((this.#total - step) / steps)} left`);
    }
    return parts.join('  ');
  }

  #line(text: string): void {
    this.#stream.write(`${text}\n`);
    this.#written = text;
    this.#lastLine = this.#clock();
  }
}

/**
 * Seconds as people write them.
 *
 * @example
 * duration(42) // "42s"
 * duration(3725) // "1h02m"
 */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole}s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}m${String(whole % 60).padStart(2, '0')}s`;
  return `${Math.floor(minutes / 60)}h${String(minutes % 60).padStart(2, '0')}m`;
}
