import { checkChoice, checkNumber, OptionError } from '@medalign/similarity';

/** How the learning rate goes within a stage, as data: the training loop makes a schedule of it. */
export interface StageSchedule {
  /** the stage's learning rate throughout, or half a cosine down to `minimum` at its end; 'constant' */
  kind?: 'constant' | 'cosine';
  /** steps of a straight climb before that; 0 */
  warmupSteps?: number;
  /** learning rate at the end of a cosine; 0 */
  minimum?: number;
}

/** One stage of a curriculum. */
export interface StageOptions {
  /** told apart by it: in errors, states and steps */
  name: string;
  /** 0 leaves the stage out */
  epochs: number;
  learningRate: number;
  batchSize: number;
  /** names of the losses that are active */
  losses: readonly string[];
  /** patterns of parameter names that do not learn; `*` stands for any characters, `?` for one; none */
  freeze?: readonly string[];
  schedule?: StageSchedule;
  /** whether the optimiser forgets its momentum when the stage begins; true */
  resetOptimizer?: boolean;
}

/** A checked stage, with every default filled in. */
export type Stage = Readonly<Required<Omit<StageOptions, 'schedule'>>> & {
  readonly schedule: Readonly<Required<StageSchedule>>;
};

const keys = ['name', 'epochs', 'learningRate', 'batchSize', 'losses', 'freeze', 'schedule', 'resetOptimizer'];
const scheduleKeys = ['kind', 'warmupSteps', 'minimum'];

/** Checks a stage, which may come from a configuration file, and fills the defaults in. */
export function checkStage(options: StageOptions, index: number): Stage {
  const at = `stages[${index}]`;
  checkKeys(at, options, keys);
  const { name, epochs, learningRate, batchSize, losses, freeze = [], schedule = {}, resetOptimizer = true } = options;
  if (typeof name !== 'string' || name === '') throw new OptionError(`${at}.name: expected a text, got ${quote(name)}`);
  const where = `${at} '${name}'`;
  checkNumber(`${where}: epochs`, epochs, { minimum: 0, integer: true });
  checkNumber(`${where}: learningRate`, learningRate, { above: 0 });
  checkNumber(`${where}: batchSize`, batchSize, { minimum: 1, integer: true });
  checkTexts(`${where}: losses`, losses);
  if (losses.length === 0) throw new OptionError(`${where}: losses: expected at least one, got none`);
  checkTexts(`${where}: freeze`, freeze);
  if (typeof resetOptimizer !== 'boolean')
    throw new OptionError(`${where}: resetOptimizer: expected true or false, got ${quote(resetOptimizer)}`);
  checkKeys(`${where}: schedule`, schedule, scheduleKeys);
  const { kind = 'constant', warmupSteps = 0, minimum = 0 } = schedule;
  checkChoice(`${where}: schedule.kind`, kind, ['constant', 'cosine']);
  checkNumber(`${where}: schedule.warmupSteps`, warmupSteps, { minimum: 0, integer: true });
  checkNumber(`${where}: schedule.minimum`, minimum, { minimum: 0, maximum: learningRate });
  return Object.freeze({
    name,
    epochs,
    learningRate,
    batchSize,
    losses: Object.freeze([...losses]),
    freeze: Object.freeze([...freeze]),
    schedule: Object.freeze({ kind, warmupSteps, minimum }),
    resetOptimizer,
  });
}

function checkKeys(where: string, value: unknown, allowed: string[]): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new OptionError(`${where}: expected an object, got ${quote(value)}`);
  const stranger = Object.keys(value).find((key) => !allowed.includes(key));
  if (stranger !== undefined)
    throw new OptionError(`${where}: expected the keys ${allowed.join(', ')}, got '${stranger}'`);
}

function checkTexts(where: string, list: unknown): asserts list is string[] {
  if (!Array.isArray(list)) throw new OptionError(`${where}: expected a list of names, got ${quote(list)}`);
  const wrong = list.find((entry) => typeof entry !== 'string' || entry === '');
  if (wrong !== undefined) throw new OptionError(`${where}: expected names, got ${quote(wrong)}`);
  const twice = list.find((entry, i) => list.indexOf(entry) !== i);
  if (twice !== undefined) throw new OptionError(`${where}: expected each name once, got '${twice}' twice`);
}

const quote = (value: unknown) => (typeof value === 'string' ? `'${value}'` : JSON.stringify(value));
