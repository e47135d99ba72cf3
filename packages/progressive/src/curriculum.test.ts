import { OptionError } from '@medalign/similarity';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Curriculum, type CurriculumState } from './curriculum';
import { regionMedCurriculum } from './region-med-curriculum';
import type { StageOptions } from './stage';

const stage = (name: string, more: Partial<StageOptions> = {}): StageOptions => ({
  name,
  epochs: 2,
  learningRate: 1e-3,
  batchSize: 4,
  losses: ['global'],
  ...more,
});

/** Runs until `limit` steps are done in all, and says which step of which epoch each was. */
function run(curriculum: Curriculum, samples: number, limit = Number.POSITIVE_INFINITY): string[] {
  const done: string[] = [];
  for (const { stage, epoch, step } of curriculum) {
    for (let batch = step; batch < Math.ceil(samples / stage.batchSize); batch++) {
      if (curriculum.position.totalStep >= limit) return done;
      const { stageStep } = curriculum.position;
      curriculum.step();
      done.push(`${stage.name} ${epoch} ${batch} ${stageStep}`);
    }
  }
  return done;
}

describe('Curriculum', () => {
  it('gives its epochs in order, and counts', () => {
    const curriculum = new Curriculum([stage('a', { epochs: 1 }), stage('b', { batchSize: 2 })]);
    const seen = [];
    for (const { stage, epoch, totalEpoch, step, startsStage } of curriculum) {
      seen.push([stage.name, epoch, totalEpoch, step, startsStage]);
      for (let i = 0; i < 4 / stage.batchSize; i++) curriculum.step();
    }
    expect(seen).toEqual([
      ['a', 0, 0, 0, true],
      ['b', 0, 1, 0, true],
      ['b', 1, 2, 0, false],
    ]);
    expect(curriculum.stage).toBeUndefined();
    expect(curriculum.position).toEqual({ stage: 2, epoch: 0, step: 0, stageStep: 0, totalStep: 5 });
    expect([...curriculum]).toEqual([]);
  });

  it('goes on from any step, in the middle of an epoch too, as if it had never stopped', () => {
    const cases = fc.record({
      stages: fc.array(
        fc.record({ epochs: fc.integer({ min: 0, max: 3 }), batchSize: fc.integer({ min: 1, max: 5 }) }),
        { minLength: 1, maxLength: 4 },
      ),
      samples: fc.integer({ min: 1, max: 9 }),
      cut: fc.nat(40),
    });
    fc.assert(
      fc.property(cases, ({ stages, samples, cut }) => {
        fc.pre(stages.some(({ epochs }) => epochs > 0));
        const make = () => new Curriculum(stages.map((own, i) => stage(`stage ${i}`, own)));
        const straight = run(make(), samples);
        const first = make();
        const before = run(first, samples, cut);
        const second = make();
        second.restore(JSON.parse(JSON.stringify(first.state())));
        expect(second.position).toEqual(first.position);
        expect([...before, ...run(second, samples)]).toEqual(straight);
        expect(make().steps(samples).total).toBe(straight.length);
        expect(second.state()).toEqual({ ...second.state(), totalStep: straight.length });
      }),
      { numRuns: 200, seed: 1 },
    );
  });

  it('leaves an epoch open when the loop is left, and says when a stage starts only once', () => {
    const curriculum = new Curriculum([stage('a')]);
    for (const _ of curriculum) {
      curriculum.step();
      break;
    }
    expect(curriculum.position).toEqual({ stage: 0, epoch: 0, step: 1, stageStep: 1, totalStep: 1 });
    const [again] = curriculum;
    expect(again).toMatchObject({ epoch: 0, step: 1, startsStage: false });
  });

  it('counts steps with the last batch or without, per stage if samples differ', () => {
    const curriculum = new Curriculum([stage('a'), stage('b', { epochs: 3, batchSize: 3 }), stage('c', { epochs: 0 })]);
    expect(curriculum.steps(10)).toEqual({
      total: 2 * 3 + 3 * 4,
      stages: [
        { name: 'a', stepsPerEpoch: 3, steps: 6 },
        { name: 'b', stepsPerEpoch: 4, steps: 12 },
        { name: 'c', stepsPerEpoch: 3, steps: 0 },
      ],
    });
    expect(curriculum.steps(10, { dropLast: true }).total).toBe(2 * 2 + 3 * 3);
    expect(curriculum.steps({ a: 4, b: 7, c: 1 }).total).toBe(2 + 9);
    expect(() => curriculum.steps({ a: 4, c: 1 })).toThrow(/samples.b: expected a whole number >= 1, got undefined/);
    expect(() => curriculum.steps(3, { dropLast: true })).toThrow(/at least a batch of 4 in stage 'a', got 3/);
  });

  it('resolves what is frozen, and refuses a pattern that fits nothing', () => {
    const names = ['image.conv1.weight', 'image.layer1.0.weight', 'text.layer.0.bias', 'text.layer.10.bias', 'scale'];
    const frozen = (...freeze: string[]) => new Curriculum([stage('a'), stage('b', { freeze })]).frozen(names).get('b');
    expect(new Curriculum([stage('a')]).frozen(names)).toEqual(new Map([['a', []]]));
    expect(frozen('text.*')).toEqual([names[2], names[3]]);
    expect(frozen('*.bias', 'scale', 'image.conv?.weight')).toEqual([names[0], names[2], names[3], names[4]]);
    expect(frozen('text.layer.?.bias')).toEqual([names[2]]);
    expect(() => frozen('text')).toThrow(/stage 'b': freeze: .*'text' fits none. Nearest: text.layer.0.bias/);
    expect(() => frozen('image.layer1.0+weight')).toThrow(OptionError);
    expect(() => frozen('*')).toThrow(/expected a parameter that learns, got all 5 frozen/);
  });

  it('fills defaults in, and cannot be changed from outside', () => {
    const losses = ['global'];
    const curriculum = new Curriculum([{ name: 'a', epochs: 1, learningRate: 1, batchSize: 1, losses }]);
    losses.push('roi');
    expect(curriculum.stages).toEqual([
      {
        name: 'a',
        epochs: 1,
        learningRate: 1,
        batchSize: 1,
        losses: ['global'],
        freeze: [],
        schedule: { kind: 'constant', warmupSteps: 0, minimum: 0 },
        resetOptimizer: true,
      },
    ]);
    curriculum.position.epoch = 7;
    expect(curriculum.position.epoch).toBe(0);
    expect(() => (curriculum.stages as unknown[]).push(1)).toThrow();
  });

  describe('restore', () => {
    const begun = (): CurriculumState => {
      const curriculum = new Curriculum([stage('a'), stage('b'), stage('c')]);
      run(curriculum, 8, 5);
      return curriculum.state();
    };

    it('allows later stages to change, and more epochs in the one that is begun', () => {
      const next = new Curriculum([stage('a'), stage('b', { epochs: 9, learningRate: 5 }), stage('other')]);
      next.restore(begun());
      expect(next.position).toEqual({ stage: 1, epoch: 0, step: 1, stageStep: 1, totalStep: 5 });
      const one = new Curriculum([stage('a')]);
      run(one, 8);
      const longer = new Curriculum([stage('a'), stage('b')]);
      longer.restore(one.state());
      expect(longer.stage?.name).toBe('b');
    });

    it.each<[string, StageOptions[]]>([
      ['another name', [stage('a'), stage('x')]],
      ['another number of epochs in what is done', [stage('a', { epochs: 3 }), stage('b')]],
      ['another batch size', [stage('a'), stage('b', { batchSize: 3 })]],
      ['the stage gone', [stage('a'), stage('b', { epochs: 0 })]],
    ])('refuses %s, and stays where it was', (_, stages) => {
      const other = new Curriculum(stages);
      other.step();
      const before = other.position;
      expect(() => other.restore(begun())).toThrow(
        /state: expected .* as stage \d.*, got .* Fix: the stages the run had/,
      );
      expect(other.position).toEqual(before);
    });

    it('refuses what is no state', () => {
      const curriculum = new Curriculum([stage('a')]);
      expect(() => curriculum.restore(null as never)).toThrow(/expected what state\(\) returned/);
      expect(() => curriculum.restore({ ...curriculum.state(), step: -1 })).toThrow(/state.step/);
      expect(() => curriculum.restore({ ...curriculum.state(), stages: [null] as never })).toThrow(OptionError);
      expect(() => curriculum.restore({ ...curriculum.state(), stage: 4 })).toThrow(/state.stage/);
      expect(() => curriculum.restore(begun())).toThrow(OptionError);
    });
  });

  it.each<[string, unknown, RegExp]>([
    ['no stages', [], /at least one stage/],
    ['no list', stage('a'), /expected a list/],
    ['the same name twice', [stage('a'), stage('a')], /got 'a' twice/],
    ['no epochs anywhere', [stage('a', { epochs: 0 })], /got 0 in all/],
    ['a name that is empty', [stage('')], /stages\[0\].name/],
    ['half an epoch', [stage('a', { epochs: 0.5 })], /stages\[0\] 'a': epochs: expected a whole number/],
    ['a learning rate of 0', [stage('a', { learningRate: 0 })], /learningRate: expected .*> 0/],
    ['an empty batch', [stage('a', { batchSize: 0 })], /batchSize/],
    ['no loss', [stage('a', { losses: [] })], /losses: expected at least one/],
    ['a loss twice', [stage('a', { losses: ['x', 'x'] })], /got 'x' twice/],
    ['a pattern that is no text', [stage('a', { freeze: [3 as never] })], /freeze: expected names, got 3/],
    ['a text instead of a list', [stage('a', { freeze: 'text.*' as never })], /freeze: expected a list/],
    ['an unknown key', [{ ...stage('a'), lr: 1 }], /expected the keys name, .*got 'lr'/],
    ['an unknown schedule', [stage('a', { schedule: { kind: 'step' as never } })], /'constant', 'cosine'/],
    ['a minimum above the rate', [stage('a', { schedule: { minimum: 1 } })], /schedule.minimum/],
    ['an unknown key of the schedule', [stage('a', { schedule: { warmup: 3 } as never })], /got 'warmup'/],
    ['no answer', [stage('a', { resetOptimizer: 'no' as never })], /expected true or false, got 'no'/],
  ])('refuses %s', (_, stages, message) => {
    expect(() => new Curriculum(stages as StageOptions[])).toThrow(message);
    expect(() => new Curriculum(stages as StageOptions[])).toThrow(OptionError);
  });

  it('says when there is nothing left to count', () => {
    const curriculum = new Curriculum([stage('a', { epochs: 1 })]);
    run(curriculum, 4);
    expect(() => curriculum.step()).toThrow(/the curriculum is done/);
    expect(() => curriculum.endEpoch()).toThrow(/the curriculum is done/);
  });
});

describe('regionMedCurriculum', () => {
  it("has the paper's four stages", () => {
    const table = regionMedCurriculum().stages.map(({ name, epochs, learningRate, batchSize, losses }) => [
      name,
      epochs,
      learningRate,
      batchSize,
      losses.join(' '),
    ]);
    expect(table).toEqual([
      ['warmup', 2, 0.0001, 16, 'global'],
      ['global', 8, 0.0002, 16, 'global'],
      ['region', 8, 0.0002, 16, 'roi negative'],
      ['joint', 8, 0.00003, 12, 'global roi negative'],
    ]);
    for (const { freeze, schedule, resetOptimizer } of regionMedCurriculum().stages)
      expect([freeze, schedule.kind, resetOptimizer]).toEqual([[], 'constant', true]);
    expect([...regionMedCurriculum()].length).toBe(26);
  });

  it('takes changes by stage', () => {
    const { stages } = regionMedCurriculum({ region: { epochs: 0 }, joint: { freeze: ['text.*'], epochs: 1 } });
    expect(stages.map(({ epochs }) => epochs)).toEqual([2, 8, 0, 1]);
    expect(stages[3]!.freeze).toEqual(['text.*']);
    expect(() => regionMedCurriculum({ regions: {} })).toThrow(/among warmup, global, region, joint, got 'regions'/);
    expect(() => regionMedCurriculum({ joint: { epochs: -1 } })).toThrow(/'joint': epochs/);
  });
});
