import { expect, it } from 'vitest';
import { argmax } from '../../src/ops/argmax.ts';
import { placeholder } from '../../src/ops/constant.ts';
import { reshape } from '../../src/ops/reshape.ts';
import { plan } from '../../src/runtime/webgpu/plan.ts';
import { FalconBackbone } from '../../src/tasks/falcon.ts';
import { leaves } from '../../src/tensor/tree.ts';
import { webgpuTestDevice } from '../support/device.ts';
import { presetPath } from '../support/fixtures.ts';

/** What a cached step of greedy generation launches, cache and position donated. */
const stepOf = async (preset: string): Promise<readonly string[]> => {
  const device = await webgpuTestDevice();
  const { model, params } = await FalconBackbone.fromPreset(presetPath(preset), { device });
  const { layers, heads, headDim } = model.cache;
  const place = (name: string) => placeholder(name, [1, 16, heads, headDim], 'float32');
  const cache = {
    layers: Array.from({ length: layers }, (_, i) => ({ key: place(`key${i}`), value: place(`value${i}`) })),
    position: placeholder('position', [], 'int32'),
  };
  const tokenIds = placeholder('tokenIds', [1, 1], 'int32');
  const { hidden, presents } = model.apply(params, { tokenIds }, { cache });
  const logits = model.logits(params, reshape(hidden, [1, hidden.shape[2]!]));
  const donated = new Map(leaves(cache.layers).map((_, i) => [i + 1, i]));
  return plan([argmax(logits), ...leaves(presents)], {
    traits: device.webgpu!.traits,
    inputs: [...leaves(cache.layers), cache.position, tokenIds],
    donated,
  }).steps.map(({ label }) => label);
};

it.each([
  'keras/falcon_a_float32',
  'transformers/falcon_a_float32',
  'transformers/falcon_a_bfloat16',
  'transformers/falcon_multi_query_float32',
  'transformers/falcon_grouped_float32',
  'transformers/falcon_one_norm_float32',
  'transformers/falcon_grouped_alibi_float32',
])('a cached step of %s copies neither weights nor the cache', async (preset) => {
  const labels = await stepOf(preset);
  expect(labels.filter((label) => /^(reshape|transpose|slice|concatenate|broadcastTo) /.test(label))).toEqual([]);
  // The same work, whichever way query, key and value were stored; but columns of a kernel do not norm the row they read.
  const work = (all: readonly string[]): readonly string[] => all.filter((label) => !label.startsWith('layerNorm '));
  if (preset.includes('falcon_a')) expect(work(labels)).toEqual(work(await stepOf('keras/falcon_a_float32')));
});
