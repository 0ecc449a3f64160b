import { expect, it } from 'vitest';
import { profile } from '../../src/runtime/webgpu/profile.ts';
import { GreedySampler, TopKSampler } from '../../src/samplers/index.ts';
import type { CausalLM } from '../../src/tasks/causalLM.ts';
import { GPT2CausalLM } from '../../src/tasks/gpt2.ts';
import { webgpuTestDevice } from '../support/device.ts';
import { presetPath } from '../support/fixtures.ts';

/** What a model computes for a token besides: products, norms, attention and what goes into the cache. */
const isModels = (kernel: string): boolean => /^(mat|layerNorm|attention|sliceUpdate)/.test(kernel);

it.each([
  // The embeddings, and the token with the next place, before it goes to its column.
  { sampler: GreedySampler(), rows: 1, others: ['argmax', 'chain', 'chain'] },
  // Each row's own token is looked up first.
  { sampler: GreedySampler(), rows: 3, others: ['argmax', 'chain', 'chain', 'chain'] },
  // The random number comes with the chosen probabilities.
  { sampler: TopKSampler({ k: 4 }), rows: 1, others: ['categorical', 'chain', 'chain', 'chain', 'softmax', 'topK'] },
])('a step of $sampler.name sampling over $rows rows takes few launches', async ({ sampler, rows, others }) => {
  const device = await webgpuTestDevice();
  const open = await GPT2CausalLM.fromPreset(presetPath('keras/a_float32'), { device, preprocessor: null });
  const lm = (open as unknown as CausalLM).compile({ sampler });
  const kernels = async (length: number): Promise<readonly string[]> => {
    const tokenIds = Array.from({ length: rows }, (_, row) =>
      Array.from({ length }, (_, at) => (at < 3 ? row + at : 0)),
    );
    const paddingMask = tokenIds.map((ids) => ids.map((_, at) => at < 3));
    const work = () => lm.generate({ tokenIds, paddingMask }, { stopTokenIds: null, seed: 1 });
    const { launches } = await profile(device, work);
    return launches.map(({ kernel }) => kernel).filter((kernel) => !isModels(kernel));
  };
  const [short, long] = [await kernels(8), await kernels(9)];
  const step = long.slice(short.length).map((kernel) => kernel.replace('Subgroup', ''));
  expect(step.sort()).toEqual(others);
});
