import { expect, it } from 'vitest';
import { argmax } from '../../src/ops/argmax.ts';
import { placeholder } from '../../src/ops/constant.ts';
import { plan } from '../../src/runtime/webgpu/plan.ts';
import { GemmaBackbone } from '../../src/tasks/gemma.ts';
import { testDevice, webgpuTestDevice } from '../support/device.ts';
import { presetPath } from '../support/fixtures.ts';

it.each([
  { preset: 'keras/gemma_b_float32', batch: 1, each: 12 },
  { preset: 'transformers/gemma_b_bfloat16', batch: 1, each: 12 },
  // Several rows of values lie otherwise than the turned keys, so that they are written by themselves.
  { preset: 'transformers/gemma_c_float32', batch: 3, each: 12 },
])('a step of generation copies no weight and no cache ($preset, batch $batch)', async ({ preset, batch, each }) => {
  const { traits } = await testDevice();
  const device = await webgpuTestDevice();
  const { model, params, config } = await GemmaBackbone.fromPreset(presetPath(preset), { device });
  const token = placeholder('token', [batch, 1], 'int32');
  const position = placeholder('position', [], 'int32');
  const empty = (name: string) => placeholder(name, [batch, 32, config.numKeyValueHeads, config.headDim], 'float32');
  const layers = Array.from({ length: config.numLayers }, (_, i) => ({
    key: empty(`key ${i}`),
    value: empty(`value ${i}`),
  }));
  const cache = { layers, position };
  const { hidden, presents } = model.apply(params, { tokenIds: token }, { cache });
  const grown = presents.flatMap(({ key, value }) => [key, value]);
  const next = argmax(model.logits(params, hidden, { cache }));
  const { steps } = plan([next, ...grown], {
    traits,
    inputs: [token, position, ...layers.flatMap(({ key, value }) => [key, value])],
    donated: new Map(grown.map((_, i) => [i + 1, i + 2])),
  });
  const labels = steps.map(({ label }) => label);
  expect(labels.filter((label) => label.startsWith('copy') || label.startsWith('output'))).toEqual([]);
  // The scaled embedding, the angles, the final norm, logits, their cap, the choice; then those of each layer.
  expect(labels.length, labels.join('\n')).toBe(6 + each * config.numLayers);
});
