import { checkNumber, OptionError } from '@medalign/similarity';
import { selectNames } from './name-patterns';
import { checkStage, type Stage, type StageOptions } from './stage';

/** Where a run stands: what is done of the stage, of its epoch, and altogether. */
export interface CurriculumPosition {
  /** number of the stage, 0, 1, …; the number of stages when all is done */
  stage: number;
  /** epochs done in the stage */
  epoch: number;
  /** steps done in the epoch */
  step: number;
  /** steps done in the stage, for its schedule */
  stageStep: number;
  /** steps done in all */
  totalStep: number;
}

/** What a checkpoint keeps, plain JSON: the position, and the stages it counts in. */
export interface CurriculumState extends CurriculumPosition {
  stages: { name: string; epochs: number; batchSize: number }[];
}

/** An epoch that is due. */
export interface CurriculumEpoch {
  stage: Stage;
  /** of the stage, from 0 */
  epoch: number;
  /** of the run, from 0: what a loader shuffles by */
  totalEpoch: number;
  /** steps of this epoch that are done already, when a run was resumed inside it: take the batches from there */
  step: number;
  /** nothing of the stage is done: reset the optimiser if the stage says so (parameters are frozen after a resume, too) */
  startsStage: boolean;
}

/** Steps of a run. */
export interface CurriculumSteps {
  total: number;
  stages: { name: string; stepsPerEpoch: number; steps: number }[];
}

/**
 * Training in stages (RegionMed-CLIP): which losses, parameters, learning rate and batch size there are, and where a run stands.
 *
 * It trains nothing. The loop takes the epochs that are due, calls `step()` after each step, and puts `state()` into its
 * checkpoints; a curriculum that is given the state by `restore` goes on at that step, in the middle of an epoch too.
 *
 * @example
 * const curriculum = new Curriculum([
 *   { name: 'global', epochs: 2, learningRate: 1e-3, batchSize: 4, losses: ['global'] },
 *   { name: 'joint', epochs: 1, learningRate: 1e-4, batchSize: 2, losses: ['global', 'roi'], freeze: ['text.*'] },
 * ]);
 * const done = [];
 * for (const { stage, epoch } of curriculum) {
 *   for (let batch = 0; batch < 8 / stage.batchSize; batch++) curriculum.step();
 *   done.push(`${stage.name} ${epoch}`);
 * }
 * done; // ["global 0", "global 1", "joint 0"]
 * curriculum.position.totalStep; // 8
 */
export class Curriculum implements Iterable<CurriculumEpoch> {
  readonly stages: readonly Stage[];
  private at: CurriculumPosition = { stage: 0, epoch: 0, step: 0, stageStep: 0, totalStep: 0 };

  /**
   * @param stages in order; see {@link StageOptions}.
   * @throws {OptionError} naming the stage and what is wrong with it.
   */
  constructor(stages: readonly StageOptions[]) {
    if (!Array.isArray(stages) || stages.length === 0)
      throw new OptionError(`stages: expected a list of at least one stage, got ${JSON.stringify(stages)}`);
    this.stages = Object.freeze(stages.map(checkStage));
    const names = this.stages.map(({ name }) => name);
    const twice = names.find((name, i) => names.indexOf(name) !== i);
    if (twice !== undefined) throw new OptionError(`stages: expected names that differ, got '${twice}' twice`);
    if (this.stages.every(({ epochs }) => epochs === 0))
      throw new OptionError('stages: expected a stage with epochs, got 0 in all of them');
    this.skipFinished();
  }

  /** Where the run stands. */
  get position(): CurriculumPosition {
    return { ...this.at };
  }

  /** The stage that is due; undefined when all is done. */
  get stage(): Stage | undefined {
    return this.stages[this.at.stage];
  }

  /** Counts a training step. */
  step(): void {
    if (!this.stage) throw new OptionError('step: expected a stage that is due, but the curriculum is done');
    this.at.step += 1;
    this.at.stageStep += 1;
    this.at.totalStep += 1;
  }

  /** The epochs that are due. An epoch counts as done when the next one is asked for; leaving the loop leaves it open. */
  *[Symbol.iterator](): Generator<CurriculumEpoch> {
    while (this.stage) {
      const { epoch, step, stageStep } = this.at;
      const before = this.stages.slice(0, this.at.stage).reduce((sum, { epochs }) => sum + epochs, 0);
      const startsStage = epoch === 0 && stageStep === 0;
      yield { stage: this.stage, epoch, totalEpoch: before + epoch, step, startsStage };
      this.endEpoch();
    }
  }

  /** Goes on to the next epoch or stage; the loop over the curriculum does so by itself. */
  endEpoch(): void {
    if (!this.stage) throw new OptionError('endEpoch: expected a stage that is due, but the curriculum is done');
    this.at.epoch += 1;
    this.at.step = 0;
    this.skipFinished();
  }

  /**
   * The steps of the whole run, for schedules and progress.
   *
   * @param samples of an epoch: a number, or one by stage name.
   * @param options `dropLast`: whether a last batch that is not full is left out (false).
   * @throws {OptionError} if a stage has no number of samples, or fewer than a batch.
   */
  steps(samples: number | Readonly<Record<string, number>>, { dropLast = false } = {}): CurriculumSteps {
    const stages = this.stages.map(({ name, epochs, batchSize }) => {
      const count = typeof samples === 'number' ? samples : samples[name];
      checkNumber(typeof samples === 'number' ? 'samples' : `samples.${name}`, count, { minimum: 1, integer: true });
      const stepsPerEpoch = dropLast ? Math.floor(count! / batchSize) : Math.ceil(count! / batchSize);
      if (stepsPerEpoch === 0 && epochs > 0)
        throw new OptionError(`samples: expected at least a batch of ${batchSize} in stage '${name}', got ${count}`);
      return { name, stepsPerEpoch, steps: stepsPerEpoch * epochs };
    });
    return { total: stages.reduce((sum, { steps }) => sum + steps, 0), stages };
  }

  /**
   * What is frozen in each stage, by stage name. Call it before training starts: a pattern that fits nothing is a mistake
   * that should not wait for its stage.
   *
   * @param names of all parameters.
   * @throws {OptionError} for a pattern that fits no name, or a stage with nothing left to learn.
   */
  frozen(names: Iterable<string>): Map<string, string[]> {
    const all = [...names];
    return new Map(
      this.stages.map(({ name, freeze }) => {
        const frozen = selectNames(`stage '${name}': freeze`, freeze, all);
        if (frozen.length === all.length)
          throw new OptionError(
            `stage '${name}': freeze: expected a parameter that learns, got all ${all.length} frozen`,
          );
        return [name, frozen];
      }),
    );
  }

  /** What `restore` wants back, plain JSON. */
  state(): CurriculumState {
    const stages = this.stages.map(({ name, epochs, batchSize }) => ({ name, epochs, batchSize }));
    return { ...this.at, stages };
  }

  /**
   * Goes on where another run stood. Stages that are done or begun must be those of the state; later ones may have changed,
   * and the begun one may have got more epochs.
   *
   * @throws {OptionError} if the state is none, or of another curriculum; the position is then as before.
   */
  restore(state: CurriculumState): void {
    const stages: unknown = state?.stages;
    if (!Array.isArray(stages)) throw new OptionError("state: expected what state() returned, got no 'stages'");
    const counts = ['stage', 'epoch', 'step', 'stageStep', 'totalStep'] as const;
    for (const name of counts) checkNumber(`state.${name}`, state[name], { minimum: 0, integer: true });
    if (state.stage > Math.min(stages.length, this.stages.length))
      throw new OptionError(`state.stage: expected one of ${this.stages.length} stages, got ${state.stage}`);
    (stages as CurriculumState['stages']).slice(0, state.stage + 1).forEach((was, i) => {
      const is = this.stages[i];
      const long = i === state.stage ? is && state.epoch < is.epochs : was?.epochs === is?.epochs;
      if (is && long && was?.name === is.name && was.batchSize === is.batchSize) return;
      const found = is && { name: is.name, epochs: is.epochs, batchSize: is.batchSize };
      throw new OptionError(
        `state: expected ${JSON.stringify(was)} as stage ${i}${i === state.stage ? ` with ${state.epoch} epochs done` : ''}, ` +
          `got ${found ? JSON.stringify(found) : 'no such stage'}. Fix: the stages the run had, or a new run`,
      );
    });
    this.at = Object.fromEntries(counts.map((name) => [name, state[name]])) as unknown as CurriculumPosition;
    this.skipFinished();
  }

  private skipFinished(): void {
    while (this.stage && this.at.epoch >= this.stage.epochs)
      this.at = { ...this.at, stage: this.at.stage + 1, epoch: 0, step: 0, stageStep: 0 };
  }
}
