import { Writable } from 'node:stream';
import { expect, it } from 'vitest';
import { duration, Progress } from './progress';

class Sink extends Writable {
  text = '';
  isTTY = false;
  columns = 120;
  override _write(chunk: Buffer, _: string, done: () => void) {
    this.text += chunk.toString();
    done();
  }
}

it('without a terminal: a line at once, one after the first step, then at most every few seconds, and the last', () => {
  const stream = new Sink();
  let now = 0;
  const progress = new Progress({ total: 6, label: 'train', everySeconds: 5, stream, clock: () => now });
  expect(stream.text).toBe('train 0/6 starting\n');
  for (let step = 1; step <= 5; step++) {
    now += 2000;
    progress.update(step, { terms: { loss: 1 / step }, images: 8, epoch: 0 });
  }
  expect(stream.text.split('\n').slice(1, -1)).toEqual([
    'train 1/6 epoch 0  loss 1  4.0 images/s  10s left',
    'train 4/6 epoch 0  loss 0.25  4.0 images/s  4s left',
  ]);
  progress.stop();
  expect(stream.text.split('\n').at(-2)).toBe('train 5/6 epoch 0  loss 0.2  4.0 images/s  2s left');
  progress.stop();
  expect(stream.text.split('\n')).toHaveLength(5);
});

it('after a resume the time left counts only what is left, at the present speed', () => {
  const stream = new Sink();
  let now = 0;
  const progress = new Progress({ total: 110, start: 100, stream, clock: () => now });
  now += 1000;
  progress.update(101);
  expect(stream.text).toBe('train 100/110 starting\ntrain 101/110 9s left\n');
});

it('on a terminal: a bar', () => {
  const stream = new Sink();
  stream.isTTY = true;
  const terminal = Object.assign(stream, { cursorTo() {}, clearLine() {}, moveCursor() {} });
  const progress = new Progress({ total: 4, stream: terminal });
  progress.update(2, { terms: { loss: 0.5 } });
  progress.stop();
  expect(stream.text).toContain('0/4 starting');
  expect(stream.text).toMatch(/█+░+ 2\/4 loss 0.5/);
});

it('says durations as people do', () => {
  expect([0, 59.4, 60, 3599, 3600, 90_000].map(duration)).toEqual(['0s', '59s', '1m00s', '59m59s', '1h00m', '25h00m']);
});
