import { describe, expect, it } from 'vitest';
import {
  type BackbonePresetOptions,
  CausalLM,
  GPT2Backbone,
  GPT2CausalLM,
  SGD,
  TextClassifier,
} from '../../src/index.ts';
import { isQuantized } from '../../src/ops/dequantize.ts';
import { read, referenceDevice } from '../../src/runtime/device.ts';
import { plan } from '../../src/runtime/webgpu/plan.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { paths } from '../../src/tensor/tree.ts';
import { expectClose } from '../support/agree.ts';
import { webgpuTestDevice } from '../support/device.ts';
import { fixture, floats, presetPath, type RecordedFloats } from '../support/fixtures.ts';

interface Tokens {
  readonly tokenIds: number[][];
}

interface Recording {
  readonly cases: readonly {
    readonly preset: string;
    readonly mode: 'int8' | 'int4';
    readonly blockSize: number | null;
    readonly tokenIds: number[][];
    readonly logits: RecordedFloats;
  }[];
}

const open = (preset: string, options: BackbonePresetOptions = {}) =>
  CausalLM.fromPreset(presetPath(preset), { preprocessor: null, device: referenceDevice, ...options });

describe('quantize', () => {
  it.each(fixture<Recording>('quantize').cases)(
    '$preset in $mode gives the logits that KerasHub gives, on both interpreters',
    async ({ preset, mode, blockSize, tokenIds, logits }) => {
      for (const device of [referenceDevice, await webgpuTestDevice()]) {
        const lm = await open(preset, { device });
        const few = await lm.quantize(mode, mode === 'int4' ? { blockSize } : {});
        const y = await read(few.apply({ tokenIds }));
        expectClose(y, { data: floats(logits), shape: logits.shape, dtype: 'float32' }, { atol: 2e-5 });
      }
    },
  );

  it('leaves the old task as it was, and small parameters as they are', async () => {
    const lm = await open('keras/a_float32');
    const before = await read(lm.apply({ tokenIds: [[1, 2, 3]] }));
    const few = await lm.quantize('int8');
    expect(few.backbone.countParams()).toBe(lm.backbone.countParams());
    expect(await read(lm.apply({ tokenIds: [[1, 2, 3]] }))).toEqual(before);
    const held = paths(few.params).filter(([, param]) => isQuantized(param));
    expect(held.map(([path]) => path.replace(/\d+/, 'n'))).toContain('transformerLayers[n].selfAttention.query.kernel');
    expect(held.map(([path]) => path)).toContain('tokenEmbedding.embeddings');
    expect(held.map(([path]) => path)).not.toContain('positionEmbedding.embeddings');
  });

  it.each(['int8', 'int4'] as const)('writes on from a cache, never widening a matrix (%s)', async (mode) => {
    const device = await webgpuTestDevice();
    const few = (await open('keras/a_float32', { device })).compile({ sampler: 'greedy' });
    const lm = await few.quantize(mode, mode === 'int4' ? { blockSize: 4 } : {});
    const prompt = { tokenIds: [[3, 1, 4, 1, 5, 0, 0, 0, 0, 0]], paddingMask: [[1, 1, 1, 1, 1, 0, 0, 0, 0, 0]] };
    const { tokenIds } = await lm.generate(prompt, { stopTokenIds: null });
    // Token by token without a cache.
    const ids = prompt.tokenIds[0]!.slice(0, 5);
    while (ids.length < 10) {
      const { data, shape } = await read(lm.apply({ tokenIds: [ids] }));
      const last = Array.from(data.slice(-shape[2]!));
      ids.push(last.indexOf(Math.max(...last)));
    }
    expect(Array.from(tokenIds.data)).toEqual(ids);
    const { steps } = plan([lm.apply({ tokenIds: [[1]] })], { traits: device.webgpu!.traits });
    expect(steps.map(({ kernel }) => kernel.kind === 'file' && kernel.shader)).not.toContain('dequantize');
  });

  it.each(['int8', 'int4'] as const)(
    'lays query, key and value side by side, so that they are one product (%s)',
    async (mode) => {
      const { webgpu } = await webgpuTestDevice();
      const products = (lm: { readonly apply: (inputs: Tokens) => Tensor }): number =>
        plan([lm.apply({ tokenIds: [[1]] })], { traits: webgpu!.traits }).steps.filter(({ label }) =>
          /matmul/i.test(label),
        ).length;
      const sizes = { vocabularySize: 32, numHeads: 2, intermediateDim: 64, maxSequenceLength: 8 };
      const [layers, last] = [2, 1];
      const open = (hiddenDim: number) =>
        GPT2CausalLM({
          backbone: GPT2Backbone({ ...sizes, hiddenDim, numLayers: layers }),
          preprocessor: null,
        });
      const lm = open(64);
      expect(products(lm)).toBe(6 * layers + last);
      const few = await lm.quantize(mode);
      expect(products(few)).toBe(4 * layers + last);
      const two = await lm.quantize(mode, { filter: (path) => /(key|value)\.kernel$/.test(path) });
      expect(products(two)).toBe(5 * layers + last);
      // The same numbers as by themselves.
      const first = await lm.quantize(mode, { filter: (path) => /query|output/.test(path) });
      const then = await first.quantize(mode, { filter: (path) => path.includes('key') });
      const apart = await then.quantize(mode);
      expect(products(apart)).toBe(6 * layers + last);
      const x = { tokenIds: [[5, 3, 8]] };
      expectClose(await read(few.apply(x)), await read(apart.apply(x)), { atol: 1e-5 });
      // LoRA has two products for each of two projections, beside theirs.
      expect(products(few.enableLora({ rank: 2 }))).toBe(8 * layers + last);
      // What does not fill whole strips stays apart.
      expect(products(await open(32).quantize(mode))).toBe(6 * layers + last);
    },
  );

  it('does not train what it holds in few bits, but LoRA beside it', async () => {
    const lm = await (await open('keras/a_float32')).quantize('int8');
    expect([...lm.backbone.trainable].filter((path) => path.endsWith('.kernel'))).toEqual([]);
    expect([...lm.backbone.withTrainable(() => true).trainable]).toEqual([...lm.backbone.trainable]);
    const tuned = lm.enableLora({ rank: 2 }).compile({ optimizer: SGD({ learningRate: 0.5 }) });
    const x = { tokenIds: [[1, 2, 3, 4]] };
    const y = [[2, 3, 4, 5]];
    const { history } = await tuned.fit(x, { y, epochs: 3, batchSize: 1, shuffle: false });
    const losses = history.loss!;
    expect(losses.at(-1)!).toBeLessThan(losses[0]!);
    const plain = tuned.mergeLora();
    expect(paths(plain.params).filter(([, param]) => isQuantized(param)).length).toBeGreaterThan(0);
  });

  it('takes encoders too, heads as they are', async () => {
    const classifier = await TextClassifier.fromPreset(presetPath('keras/bert_text_classifier'), {
      preprocessor: null,
      device: referenceDevice,
    });
    const inputs = { tokenIds: [[2, 5, 6, 3]], paddingMask: [[1, 1, 1, 1]], segmentIds: [[0, 0, 0, 0]] };
    const few = await classifier.quantize('int8');
    const [own, other] = [await classifier.predict(inputs), await few.predict(inputs)];
    expect(other).not.toEqual(own);
    expectClose(other, own, { atol: 0.05 });
  });

  it('says what it cannot do', async () => {
    const lm = await open('keras/a_float32');
    await expect(lm.quantize('int2' as 'int4')).rejects.toThrow(`quantize: expected 'int8' or 'int4', got "int2"`);
    await expect(lm.quantize('int8', { blockSize: 4 })).rejects.toThrow("expected no blockSize with 'int8'");
    await expect(lm.quantize('int4', { blockSize: 0 })).rejects.toThrow(
      'expected a blockSize of 1 or more, or null, got 0',
    );
    await expect(lm.quantize('int4', { filter: () => false })).rejects.toThrow('and that the filter takes, got none');
    await expect((await lm.quantize('int8')).quantize('int8')).rejects.toThrow('that is not quantized yet, got none');
  });
});
