import { readFileSync } from 'node:fs';
import { expectClose, onEveryEngine } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { cropRois } from './crop-rois';
import { roiAlign } from './roi-align';
import { RoiProcessor, type RoiProcessorOptions } from './roi-processor';

interface Stored {
  shape: number[];
  data: number[];
}
type Named = Record<string, Stored>;

const read = (name: string) => JSON.parse(readFileSync(new URL(`../goldens/${name}.json`, import.meta.url), 'utf8'));
const tensor = ({ shape, data }: Stored) => tf.tensor(data, shape, 'float32');

interface ProcessorCase {
  name: string;
  options: RoiProcessorOptions;
  masks: { roiMask?: number[][]; contextMask?: number[][] };
  boxes: number[][][];
  inputs: Named;
  parameters: Named;
  outputs: Named;
  weights: Named;
  gradients: Named;
}

onEveryEngine('PyTorch: RoiProcessor', () => {
  describe.each(read('processor') as ProcessorCase[])('$name', (golden) => {
    const { options, masks, boxes, inputs, parameters, outputs, weights, gradients } = golden;
    const setUp = () => {
      const processor = new RoiProcessor(options);
      const own = processor.parameters();
      expect([...own.keys()].sort()).toEqual(Object.keys(parameters).sort());
      for (const [name, variable] of own) variable.assign(tensor(parameters[name]!));
      const given = {
        rois: tensor(inputs.rois!) as tf.Tensor3D,
        context: tensor(inputs.context!) as tf.Tensor3D,
        boxes: tf.tensor3d(boxes),
        ...(masks.roiMask && { roiMask: tf.tensor2d(masks.roiMask), contextMask: tf.tensor2d(masks.contextMask!) }),
      };
      return { processor, own, given };
    };

    it('values, with attention weights and without', () => {
      const { processor, given } = setUp();
      const { fused, attention } = processor.apply(given);
      expect(attention.shape).toEqual(outputs.attention!.shape);
      expectClose(fused, outputs.fused!.data, 1e-5);
      expectClose(attention, outputs.attention!.data, 1e-5);
      const lean = processor.apply(given, { attention: false });
      expect(lean.attention).toBeUndefined();
      expectClose(lean.fused, outputs.fused!.data, 1e-5);
    });

    it('gradients of every input and parameter', () => {
      const { processor, own, given } = setUp();
      const learned = [given.rois, given.context, ...own.values()] as tf.Tensor[];
      const total = (...xs: tf.Tensor[]) => {
        const { fused, attention } = processor.apply({
          ...given,
          rois: xs[0] as tf.Tensor3D,
          context: xs[1] as tf.Tensor3D,
        });
        const terms = [
          tf.sum(tf.mul(fused, tensor(weights.fused!))),
          tf.sum(tf.mul(attention, tensor(weights.attention!))),
        ];
        // keeps what an option leaves unused on the tape
        return tf.addN([...terms, ...xs.map((x) => tf.mul(tf.sum(x), 0))]) as tf.Scalar;
      };
      const found = tf.grads(total)(learned);
      ['rois', 'context', ...own.keys()].forEach((name, i) => {
        expectClose(found[i]!, gradients[name]!.data, 5e-5);
      });
    });
  });
});

interface AlignCase {
  name: string;
  options: { size: [number, number]; samples: number | 'adaptive'; aligned: boolean };
  grid: Stored;
  boxes: Stored;
  y: Stored;
  weights: Stored;
  gradient: Stored;
}

onEveryEngine('torchvision: roiAlign', () => {
  it.each(read('roi-align') as AlignCase[])('$name', ({ options, grid, boxes, y, weights, gradient }) => {
    const places = tensor(boxes) as tf.Tensor3D;
    const f = (x: tf.Tensor) => roiAlign(x as tf.Tensor4D, places, options);
    expect(f(tensor(grid)).shape).toEqual(y.shape);
    expectClose(f(tensor(grid)), y.data, 1e-5);
    expectClose(tf.grad((x) => tf.sum(tf.mul(f(x), tensor(weights))))(tensor(grid)), gradient.data, 1e-5);
  });
});

interface CropCase {
  size: [number, number];
  antialias: boolean;
  crops: Stored[];
}

onEveryEngine('Pillow and grid_sample: cropRois', () => {
  const { image, boxes, crops }: { image: Stored; boxes: number[][]; crops: CropCase[] } = read('crops');

  it.each(crops)('$size, antialias $antialias', ({ size, antialias, crops: wanted }) => {
    const images = tf.reshape<tf.Rank.R4>(tensor(image), [1, ...image.shape, 1] as never);
    const got = cropRois(images, tf.tensor3d([boxes]), { size, antialias });
    expect(got.shape).toEqual([1, boxes.length, ...size, 1]);
    expectClose(
      got,
      wanted.flatMap(({ data }) => data),
      2e-5,
    );
  });
});
