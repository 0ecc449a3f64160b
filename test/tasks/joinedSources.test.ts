import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  BertBackbone,
  FalconBackbone,
  GemmaBackbone,
  GemmaCausalLM,
  GPT2Backbone,
  GPT2CausalLM,
} from '../../src/index.ts';
import { inGroups } from '../../src/models/siblings.ts';
import { tensor } from '../../src/ops/constant.ts';
import { identity } from '../../src/ops/identity.ts';
import { read, referenceDevice } from '../../src/runtime/device.ts';
import { plan } from '../../src/runtime/webgpu/plan.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { leaves, paths, type Tree, withLeaves } from '../../src/tensor/tree.ts';
import { testDevice, webgpuTestDevice } from '../support/device.ts';
import { openSaved, savedCases } from '../support/savedPresets.ts';
import { fixture, temporaryFolder } from '../weights/helpers.ts';

const device = referenceDevice;
const folder = await temporaryFolder();

/** What holds a parameter, or the whole numbers of one in few bits. */
const rootOf = (tensor: Tensor): Tensor => (tensor.op.kernel.kind === 'leaf' ? tensor : rootOf(tensor.inputs[0]!));

/** Parameters that should lie side by side, by path, and in how many tensors they lie. */
const together = (params: Tree): readonly (readonly [path: string, tensors: number])[] =>
  inGroups(
    paths(params).map(([path, param]) => ({ path, param })),
    () => true,
  ).flatMap((group) =>
    group.length === 1 ? [] : [[group[0]!.path, new Set(group.map(({ param }) => rootOf(param))).size]],
  );

/** What counts the products that a plan launches. */
const productCounter = async (): Promise<(output: Tensor) => number> => {
  const { traits } = await testDevice();
  return (output) => plan([output], { traits }).steps.filter(({ label }) => /matmul/i.test(label)).length;
};

describe('query, key and value of a preset', () => {
  it.each(savedCases)('lie side by side, however $name holds them', async (own) => {
    const { params } = await openSaved(fixture(own.name), own);
    const groups = together(params);
    expect(groups.length > 0).toBe(!own.name.includes('f_net'));
    // Where several queries share a key, the pieces of the stored tensor are no whole.
    const isApart = /falcon_(grouped|one_norm)/.test(own.name);
    expect(groups.filter(([, tensors]) => tensors > 1).length > 0, JSON.stringify(groups)).toBe(isApart);
  });

  it.each([
    { name: 'keras/a_float32', open: GPT2Backbone, joins: 2 },
    { name: 'keras/bert_masked_lm', open: BertBackbone, joins: 2 },
    { name: 'transformers/bert_masked_lm_float16', open: BertBackbone, joins: 2 },
    { name: 'keras/falcon_a_float32', open: FalconBackbone, joins: 2 },
  ] as const)('are one product ($name)', async ({ name, open, joins }) => {
    const countProducts = await productCounter();
    const { model, params, config } = await open.fromPreset(fixture(name), { device });
    const products = (own: Tree): number => {
      const apply = model.apply as unknown as (params: Tree, inputs: object, context: object) => Record<string, Tensor>;
      const { hidden, sequence } = apply(own, { tokenIds: tensor(Int32Array.of(1, 2, 3), { shape: [1, 3] }) }, {});
      return countProducts(hidden ?? sequence!);
    };
    const apart = withLeaves(params as Tree, await device.realize(leaves(params).map(identity)));
    expect(products(apart) - products(params)).toBe(joins * config.numLayers);
  });

  it('stay so in few bits, saved and opened again', async () => {
    const gpu = await webgpuTestDevice();
    const sizes = { vocabularySize: 32, numHeads: 2, hiddenDim: 64, intermediateDim: 64, maxSequenceLength: 8 };
    const lm = GPT2CausalLM({ backbone: GPT2Backbone({ ...sizes, numLayers: 2 }), preprocessor: null });
    const few = await lm.quantize('int4', { blockSize: 16 });
    const [first, second] = [join(folder, 'first'), join(folder, 'second')];
    const at = { format: 'keras', savedAt: new Date('2026-01-01T00:00:00Z') } as const;
    await few.saveToPreset(first, at);
    const again = await GPT2CausalLM.fromPreset(first, { device: gpu, preprocessor: null });
    expect(await read(again.params)).toEqual(await read(few.params));
    for (const { params } of [few, again]) expect(together(params).filter(([, tensors]) => tensors > 1)).toEqual([]);
    const countProducts = await productCounter();
    expect(countProducts(again.apply({ tokenIds: [[1]] }))).toBe(4 * 2 + 1);
    await again.saveToPreset(second, at);
    for (const file of ['config.json', 'model.weights.h5'])
      expect((await readFile(join(second, file))).equals(await readFile(join(first, file)))).toBe(true);
  });
});

describe('the gate of an MLP and what it opens', () => {
  const sizes = { vocabularySize: 32, numQueryHeads: 2, numKeyValueHeads: 1, headDim: 64, hiddenDim: 64 };
  const lm = GemmaCausalLM({
    backbone: GemmaBackbone({ ...sizes, intermediateDim: 256, numLayers: 2 }),
    preprocessor: null,
  });

  it.each([
    { format: 'keras', bits: undefined },
    { format: 'transformers', bits: undefined },
    { format: 'keras', bits: 'int8' },
    { format: 'keras', bits: 'int4' },
  ] as const)('are one launch for a token, opened from $format, $bits', async ({ format, bits }) => {
    const gpu = await webgpuTestDevice();
    const target = join(folder, `gemma_${format}_${bits}`);
    await (bits === undefined ? lm : await lm.quantize(bits)).saveToPreset(target, { format });
    const { apply, params } = await GemmaCausalLM.fromPreset(target, { device: gpu, preprocessor: null });
    const groups = together(params).filter(([path]) => path.includes('ffw'));
    expect(groups.map(([, tensors]) => tensors)).toEqual([1, 1]);
    const { steps } = plan([apply({ tokenIds: [[1]] })], { traits: (await testDevice()).traits });
    const gated = steps.filter(({ kernel }) => kernel.kind === 'file' && kernel.constants.GATED === 1);
    expect(gated).toHaveLength(2);
  });
});
