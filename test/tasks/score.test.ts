import { describe, expect, expectTypeOf, it } from 'vitest';
import { at, compose, type LayerIntercept } from '../../src/layers/intercept.ts';
import { constant, tensor } from '../../src/ops/constant.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { roll } from '../../src/ops/roll.ts';
import { slice } from '../../src/ops/slice.ts';
import { sum } from '../../src/ops/sum.ts';
import { type Device, read, referenceDevice } from '../../src/runtime/device.ts';
import { GPT2Backbone, GPT2CausalLM } from '../../src/tasks/gpt2.ts';
import type { ScoreRequest } from '../../src/tasks/score.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { gradients } from '../../src/transforms/gradients.ts';
import { expectClose } from '../support/agree.ts';
import { webgpuTestDevice } from '../support/device.ts';
import { fixture, floats, presetPath, type RecordedFloats } from '../support/fixtures.ts';

interface Recording {
  readonly preset: string;
  readonly cases: readonly {
    readonly name: string;
    readonly tokenIds: number[][];
    readonly paddingMask: number[][];
    readonly targetIds: number[][];
    readonly interceptOrder: readonly number[];
    readonly hiddenStates: readonly RecordedFloats[];
    readonly embeddingGradientOfSummedLoss: RecordedFloats;
    readonly backboneOutput: RecordedFloats;
    readonly loss: RecordedFloats;
    readonly lossWithoutMask: RecordedFloats;
    readonly logits: RecordedFloats;
    readonly interventions: readonly {
      readonly layer: number;
      readonly multiplyBy: number;
      readonly loss: RecordedFloats;
    }[];
  }[];
}

const devices = [
  ['reference', async () => referenceDevice],
  ['webgpu', webgpuTestDevice],
] as const satisfies readonly (readonly [string, () => Promise<Device>])[];

/** The bound that parity is held to. */
const tolerance = { atol: 1e-4 };

const recorded = (values: RecordedFloats) => ({
  data: floats(values),
  shape: values.shape,
  dtype: 'float32' as const,
});

describe.each(devices)('score on %s', (_name, open) => {
  describe.each(['a_float32', 'c_float32'])('of %s, as KerasHub recorded it', (name) => {
    const { preset, cases } = fixture<Recording>(`score/${name}`);
    it.each(cases.map((one) => [one.name, one] as const))('%s: S76 S80 S81 S84 S85 S86 S87 S89', async (_case, one) => {
      const device = await open();
      const lm = await GPT2CausalLM.fromPreset(presetPath(preset), { device, preprocessor: null });
      const { tokenIds, paddingMask, targetIds } = one;
      const order: number[] = [];
      const seen: Tensor[] = [];
      const request = { tokenIds, paddingMask, targetIds, scoringMode: 'loss' } as const;
      const loss = lm.score({
        ...request,
        layerInterceptFn: (x, index) => {
          order.push(index);
          seen.push(x);
          return x;
        },
      });
      expect(order).toEqual(one.interceptOrder);
      const values = await read(
        {
          seen,
          loss,
          gradient: gradients(sum(loss), [seen[0]!])[0]!,
          logits: lm.score({ tokenIds, paddingMask }),
          withoutMask: lm.score({ tokenIds, targetIds, scoringMode: 'loss' }),
          output: lm.backbone.apply({ tokenIds, paddingMask }),
        },
        { device },
      );
      for (const [i, states] of one.hiddenStates.entries()) expectClose(values.seen[i]!, recorded(states), tolerance);
      expectClose(values.loss, recorded(one.loss), tolerance);
      expectClose(values.logits, recorded(one.logits), tolerance);
      expectClose(values.withoutMask, recorded(one.lossWithoutMask), tolerance);
      expectClose(values.output, recorded(one.backboneOutput), tolerance);
      // Relative to the largest entry: that is how gradients are held to parity.
      const gradient = recorded(one.embeddingGradientOfSummedLoss);
      const largest = gradient.data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      expectClose(values.gradient, gradient, { atol: 1e-4 * largest });
    });

    it.each(cases.map((one) => [one.name, one] as const))(
      '%s: S88 what the intercept returns is used, at -1 too',
      async (_case, one) => {
        const device = await open();
        const lm = await GPT2CausalLM.fromPreset(presetPath(preset), { device, preprocessor: null });
        const { tokenIds, paddingMask, targetIds, interventions } = one;
        const losses = interventions.map(({ layer, multiplyBy }) =>
          lm.score({
            tokenIds,
            paddingMask,
            targetIds,
            scoringMode: 'loss',
            layerInterceptFn: (x, index) => (index === layer ? multiply(x, multiplyBy) : x),
          }),
        );
        const values = await device.evaluate(losses);
        for (const [i, { loss }] of interventions.entries()) expectClose(values[i]!, recorded(loss), tolerance);
      },
    );
  });

  it('S78 S79 the mask is all ones where none is given; on the right it changes nothing at real places', async () => {
    const device = await open();
    const lm = GPT2CausalLM({ backbone: tiny });
    const tokenIds = [[3, 1, 4, 1, 5]];
    const [bare, ones, padded] = await device.evaluate([
      lm.score({ tokenIds }),
      lm.score({ tokenIds, paddingMask: [[1, 1, 1, 1, 1]] }),
      lm.score({ tokenIds, paddingMask: [[true, true, true, false, false]] }),
    ]);
    expectClose(ones!, bare!);
    const real = (array: typeof bare) => ({ ...array!, data: array!.data.slice(0, 3 * 11), shape: [1, 3, 11] });
    expectClose(real(padded), real(bare), { atol: 1e-6 });
    expect(padded!.data.slice(3 * 11)).not.toEqual(bare!.data.slice(3 * 11));
  });

  it('S89 the example of the page: embeddings caught, the loss differentiated with respect to them', async () => {
    const device = await open();
    const lm = await GPT2CausalLM.fromPreset(presetPath('keras/c_float32'), { device });
    const generations = await lm.compile({ sampler: 'greedy' }).generate(['The old', 'a'], { maxLength: 12 });
    const { tokenIds, paddingMask } = lm.preprocessor!.generatePreprocess(generations, { sequenceLength: 12 });
    const targetIds = roll(tensor(tokenIds), -1, { axis: 1 });
    let embeddings: Tensor | undefined;
    const losses = lm.score({
      tokenIds,
      paddingMask,
      scoringMode: 'loss',
      layerInterceptFn: (x, i) => {
        if (i === -1) embeddings = x;
        return x;
      },
      targetIds,
    });
    const [dx] = gradients(sum(losses), [embeddings!]);
    const { loss, grads } = await read({ loss: losses, grads: dx! }, { device });
    expect(loss.shape).toEqual([2, 12]);
    expect(grads.shape).toEqual([2, 12, 32]);
    expect(grads.data.some((value) => Math.abs(value) > 1e-6)).toBe(true);
    expect(grads.data.every(Number.isFinite)).toBe(true);
  });
});

const tiny = GPT2Backbone({
  vocabularySize: 11,
  numLayers: 2,
  numHeads: 2,
  hiddenDim: 8,
  intermediateDim: 16,
  maxSequenceLength: 8,
  seed: 5,
});

describe('score', () => {
  const lm = GPT2CausalLM({ backbone: tiny });
  const tokenIds = [[1, 2, 3]];

  it('S76 is an expression of the right shape, built without a device', () => {
    expect(lm.score({ tokenIds }).shape).toEqual([1, 3, 11]);
    expect(lm.score({ tokenIds, scoringMode: 'loss', targetIds: tokenIds }).shape).toEqual([1, 3]);
  });

  it('S77 takes lists, arrays with a shape, and tensors', async () => {
    const data = Int32Array.of(1, 2, 3);
    const [lists, array, leaf, view] = await referenceDevice.evaluate([
      lm.score({ tokenIds }),
      lm.score({ tokenIds: { data, shape: [1, 3], dtype: 'int32' } }),
      lm.score({ tokenIds: tensor(data, { shape: [1, 3] }) }),
      lm.score({ tokenIds: slice(tensor(Int32Array.of(1, 2, 3, 4), { shape: [1, 4] }), [0, 0], [1, 3]) }),
    ]);
    for (const other of [array, leaf, view]) expectClose(other!, lists!);
  });

  it('S82 refuses a mode that is none', () => {
    expect(() => lm.score({ tokenIds, scoringMode: 'perplexity' } as unknown as ScoreRequest)).toThrow(
      "score: unsupported scoringMode \"perplexity\"; it must be one of 'logits' or 'loss'",
    );
  });

  it('S83 refuses losses without targets, by types and when it runs', () => {
    const request = { tokenIds, scoringMode: 'loss' } as unknown as ScoreRequest;
    expect(() => lm.score(request)).toThrow('score: cannot compute the loss without targets');
    expectTypeOf<{ tokenIds: number[][]; scoringMode: 'loss'; targetIds: number[][] }>().toExtend<ScoreRequest>();
    expectTypeOf<{ tokenIds: number[][]; scoringMode: 'loss' }>().not.toExtend<ScoreRequest>();
  });

  it('refuses ids outside the vocabulary, and shapes that do not fit', () => {
    expect(() => lm.score({ tokenIds: [[1, 11]] })).toThrow(
      'score: expected tokenIds from 0 to 10 (vocabularySize 11), got 11 at place 1 of row 0',
    );
    expect(() => lm.score({ tokenIds, scoringMode: 'loss', targetIds: [[1, 2, -1]] })).toThrow(
      'score: expected targetIds from 0 to 10 (vocabularySize 11), got -1 at place 2 of row 0',
    );
    expect(() => lm.score({ tokenIds: [1, 2] })).toThrow(
      'score: expected tokenIds of shape [batch, length] with at least one token, got [2]',
    );
    expect(() => lm.score({ tokenIds, scoringMode: 'loss', targetIds: [[1, 2]] })).toThrow(
      "score: expected targetIds of tokenIds' shape [1, 3], got [1, 2]",
    );
    expect(() => lm.score({ tokenIds, paddingMask: [[true]] })).toThrow(
      "score: expected paddingMask of tokenIds' shape [1, 3], got [1, 1]",
    );
    expect(() => lm.score({ tokenIds: [new Array<number>(9).fill(1)] })).toThrow('at most 8 (maxSequenceLength)');
    expect(() => lm.score({ tokenIds: constant([[1]]) })).toThrow(
      'score: expected tokenIds of dtype int32, got float32',
    );
  });

  it('S88 refuses what does not fit in the place of an activation', () => {
    const refused = (layerInterceptFn: LayerIntercept) => () => lm.score({ tokenIds, layerInterceptFn });
    expect(refused((x, i) => (i === 1 ? constant([1]) : x))).toThrow(
      'intercept: expected a tensor of shape [1, 3, 8] ([batch, length, hiddenDim]) for residualPost of layer 1, got [1]',
    );
    expect(refused((() => {}) as unknown as LayerIntercept)).toThrow(
      'intercept: expected a tensor for embeddings, got undefined; return the tensor that takes its place',
    );
  });

  it('has layerInterceptFn and intercept see one activation after the other', async () => {
    const twice = (x: Tensor) => multiply(x, 2);
    const [both, four] = await referenceDevice.evaluate([
      lm.score({
        tokenIds,
        layerInterceptFn: (x, i) => (i === 0 ? twice(x) : x),
        intercept: at({ site: 'residualPost', layer: 0 }, twice),
      }),
      lm.score({ tokenIds, intercept: compose(at({ site: 'residualPost', layer: 0 }, (x) => multiply(x, 4))) }),
    ]);
    expectClose(both!, four!);
  });
});
