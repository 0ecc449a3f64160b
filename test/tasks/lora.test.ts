import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { at } from '../../src/layers/intercept.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { key, normal } from '../../src/ops/random.ts';
import { type Device, referenceDevice } from '../../src/runtime/device.ts';
import { GPT2Backbone, GPT2CausalLM } from '../../src/tasks/gpt2.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { leaves, paths, withLeaves } from '../../src/tensor/tree.ts';
import { expectClose } from '../support/agree.ts';
import { webgpuTestDevice } from '../support/device.ts';
import { presetPath } from '../support/fixtures.ts';

const backbone = GPT2Backbone({
  vocabularySize: 31,
  numLayers: 2,
  numHeads: 2,
  hiddenDim: 10,
  intermediateDim: 22,
  maxSequenceLength: 12,
  seed: 5,
});
const lm = GPT2CausalLM({ backbone });
const inputs = {
  tokenIds: [
    [1, 2, 3, 4],
    [7, 30, 7, 0],
  ],
};

const devices = [
  ['reference', async () => referenceDevice],
  ['webgpu', webgpuTestDevice],
] as const satisfies readonly (readonly [string, () => Promise<Device>])[];

/** A backbone whose parameters, its LoRA factors too, are all random numbers of some size. */
const perturbed = (own: typeof backbone, seed = 9): typeof backbone => {
  const params = leaves(own.params);
  return own.withParams(
    withLeaves(
      own.params,
      params.map((param, i) => multiply(normal(key(seed + i), param.shape), 0.3)),
    ),
  );
};

const shapesOf = (own: typeof backbone): Record<string, readonly number[]> =>
  Object.fromEntries(paths(own.params).map(([path, { shape }]) => [path, shape]));

describe('enableLora', () => {
  it('S108, S109: puts factors beside the kernels of query and value, of which only they and the biases train', () => {
    const enabled = backbone.enableLora({ rank: 3 });
    const own = shapesOf(backbone);
    const with3 = shapesOf(enabled);
    for (const [path, shape] of Object.entries(own)) expect(with3[path]).toEqual(shape);
    const added = Object.keys(with3).filter((path) => own[path] === undefined);
    expect(added).toHaveLength(8);
    for (const path of added) {
      expect(path).toMatch(/^transformerLayers\[[01]\]\.selfAttention\.(query|value)\.loraKernel[AB]$/);
      expect(with3[path]).toEqual(path.endsWith('A') ? [10, 2, 3] : [3, 5]);
    }
    expect([...enabled.trainable].sort()).toEqual(
      [
        ...added,
        ...[0, 1].flatMap((i) =>
          ['query', 'value'].map((name) => `transformerLayers[${i}].selfAttention.${name}.bias`),
        ),
      ].sort(),
    );
    expect(enabled.countParams()).toBe(backbone.countParams() + 4 * (10 * 2 * 3 + 3 * 5));
    expect(enabled.lora).toMatchObject({ rank: 3, alpha: 3 });
    expect(enabled.model.init(1)).toBeDefined();
  });

  it('leaves the backbone that it comes from as it was', () => {
    expect(backbone.lora).toBeUndefined();
    expect(backbone.trainable.size).toBe(paths(backbone.params).length);
    expect(lm.enableLora({ rank: 1 }).backbone.lora?.rank).toBe(1);
    expect(lm.backbone.lora).toBeUndefined();
  });

  it('starts a uniform within sqrt(6 / fanIn), the same for the same seed, and b at zero', async () => {
    const values = async (seed?: number) => {
      const { params } = backbone.enableLora({ rank: 4, ...(seed === undefined ? {} : { seed }) });
      const { query, value } = params.transformerLayers[1]!.selfAttention;
      const read = await referenceDevice.evaluate(
        [query.loraKernelA, query.loraKernelB, value.loraKernelA].map((each) => each!),
      );
      return read.map(({ data }) => [...data]);
    };
    const [a, b, other] = (await values()) as [number[], number[], number[]];
    const limit = Math.sqrt(6 / (10 * 2));
    expect(Math.max(...a.map(Math.abs))).toBeLessThanOrEqual(limit);
    expect(Math.max(...a)).toBeGreaterThan(0.8 * limit);
    expect(Math.min(...a)).toBeLessThan(-0.8 * limit);
    expect(new Set(b)).toEqual(new Set([0]));
    expect(other).not.toEqual(a);
    expect(await values(0)).toEqual([a, b, other]);
    expect((await values(1))[0]).not.toEqual(a);
  });

  it('takes other layers by KerasHub’s names', () => {
    const enabled = backbone.enableLora({
      rank: 2,
      targetLayerNames: ['attention_output', 'feedforward_intermediate_dense'],
    });
    const shapes = shapesOf(enabled);
    expect(shapes['transformerLayers[0].selfAttention.output.loraKernelA']).toEqual([2, 5, 2]);
    expect(shapes['transformerLayers[0].selfAttention.output.loraKernelB']).toEqual([2, 10]);
    expect(shapes['transformerLayers[1].feedforwardIntermediateDense.loraKernelA']).toEqual([10, 2]);
    expect(shapes['transformerLayers[1].feedforwardIntermediateDense.loraKernelB']).toEqual([2, 22]);
    expect(enabled.trainable.has('transformerLayers[1].feedforwardIntermediateDense.bias')).toBe(true);
    expect(enabled.trainable.size).toBe(2 * 2 * 3);
  });

  it('says what is wrong with its options', () => {
    const enable = (options: object) => (): unknown => backbone.enableLora(options as { readonly rank: number });
    expect(enable({ rank: 0 })).toThrow('enableLora: expected a rank that is a whole number from 1, got 0');
    expect(enable({ rank: 1.5 })).toThrow('got 1.5');
    expect(enable({})).toThrow('got nothing');
    expect(enable({ rank: 6 })).toThrow(
      'enableLora: expected a rank of at most 5 for transformerLayers[0].selfAttention.value with its kernel [10, 2, 5], got 6',
    );
    expect(enable({ rank: 2, alpha: 0 })).toThrow('expected alpha to be a number above 0, got 0');
    expect(enable({ rank: 2, targetLayerNames: [] })).toThrow('a list of one name or more, got []');
    expect(enable({ rank: 2, targetLayerNames: ['query', 'token_embedding', 'valeu'] })).toThrow(
      'enableLora: expected names of layers that have a kernel (feedforward_output_dense, feedforward_intermediate_dense, attention_output, value, key, query), got "token_embedding", "valeu"',
    );
    expect(() => backbone.enableLora({ rank: 2 }).enableLora({ rank: 2 })).toThrow(
      'enableLora: expected a backbone without LoRA, got one of rank 2; call mergeLora first',
    );
    expect(() => backbone.mergeLora()).toThrow('expected a backbone with LoRA, got one without');
    expect(() => backbone.enableLora({ rank: 2 }).withParams(backbone.params)).toThrow(
      'expected transformerLayers[0].selfAttention.query.loraKernelA of shape [10, 2, 2], got nothing',
    );
    expect(() => backbone.withParams(backbone.enableLora({ rank: 2 }).params)).toThrow('loraKernelA besides');
  });
});

describe('withTrainable', () => {
  it('freezes what is not accepted, and keeps doing so with other parameters', () => {
    const frozen = backbone.withTrainable((path) => path.startsWith('transformerLayers[1]'));
    expect(frozen.trainable.size).toBe(16);
    expect(frozen.withParams(perturbed(backbone).params).trainable).toEqual(frozen.trainable);
    expect(frozen.enableLora({ rank: 1 }).trainable.size).toBe(2 * 2 * 3);
    expect(frozen.enableLora({ rank: 1 }).mergeLora().trainable.size).toBe(backbone.trainable.size);
  });
});

describe.each(devices)('a model with LoRA on %s', (_name, open) => {
  const evaluate = async (outputs: readonly Tensor[]) => (await open()).evaluate(outputs);

  it('S108: computes what it did before, to the bit, as long as b is zero', async () => {
    const [before, after] = await evaluate([lm.apply(inputs), lm.enableLora({ rank: 2 }).apply(inputs)]);
    expectClose(after!, before!);
  });

  it('agrees with its merged form, whatever its factors, alpha and layers', () =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 5 }),
        fc.constantFrom(undefined, 0.5, 7),
        fc.constantFrom(
          undefined,
          ['query', 'attention_output'],
          ['key', 'feedforward_output_dense', 'feedforward_intermediate_dense'],
        ),
        async (rank, alpha, targetLayerNames) => {
          const options = {
            rank,
            ...(alpha === undefined ? {} : { alpha }),
            ...(targetLayerNames === undefined ? {} : { targetLayerNames }),
          };
          const own = GPT2CausalLM({ backbone: perturbed(backbone.enableLora(options)) });
          const merged = own.mergeLora();
          expect(shapesOf(merged.backbone)).toEqual(shapesOf(backbone));
          expect(merged.backbone.lora).toBeUndefined();
          const [a, b] = await evaluate([own.apply(inputs), merged.apply(inputs)]);
          // Two roundings in another order, on logits of about 10.
          expectClose(a!, b!, { atol: 1e-5, rtol: 1e-5 });
        },
      ),
      { numRuns: 12 },
    ));

  it.each(['a_float16', 'a_bfloat16'])('works over weights stored in halves: %s', async (name) => {
    const loaded = await GPT2CausalLM.fromPreset(presetPath(`keras/${name}`), { device: await open() });
    const plain = loaded.enableLora({ rank: 2 });
    const factors = paths(plain.params).map(([path, own], i) =>
      path.endsWith('loraKernelB') ? multiply(normal(key(i), own.shape), 0.3) : own,
    );
    const own = plain.withParams(withLeaves(plain.params, factors));
    const [before, after, merged] = await evaluate([loaded, own, own.mergeLora()].map((each) => each.apply(inputs)));
    expectClose(after!, merged!, { atol: 1e-5, rtol: 1e-5 });
    expect(after!.data).not.toEqual(before!.data);
  });

  it('offers an intercept each head’s output with LoRA in it', async () => {
    const own = GPT2CausalLM({
      backbone: perturbed(backbone.enableLora({ rank: 2, targetLayerNames: ['attention_output'] })),
    });
    const seen = at({ site: 'perHead' }, (x) => multiply(x, 1));
    const [plain, composed] = await evaluate([own.apply(inputs), own.apply(inputs, { intercept: seen })]);
    expectClose(composed!, plain!, { atol: 1e-5, rtol: 1e-5 });
  });
});

describe('generate with LoRA', () => {
  it('writes the same text as its merged form, from a cache too', async () => {
    const own = GPT2CausalLM({
      backbone: perturbed(backbone.enableLora({ rank: 2 })),
      sampler: 'greedy',
    });
    const prompt = { tokenIds: [[3, 4, 0, 0, 0, 0, 0, 0]], paddingMask: [[1, 1, 0, 0, 0, 0, 0, 0]] };
    const [plain, lora, merged] = await Promise.all(
      [GPT2CausalLM({ backbone: perturbed(backbone), sampler: 'greedy' }), own, own.mergeLora()].map((task) =>
        task.generate(prompt, { stopTokenIds: null }),
      ),
    );
    expect(lora!.tokenIds.data).toEqual(merged!.tokenIds.data);
    expect(lora!.tokenIds.data).not.toEqual(plain!.tokenIds.data);
  });
});
