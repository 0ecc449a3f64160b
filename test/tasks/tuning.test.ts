import { describe, expect, it } from 'vitest';
import { CausalLM } from '../../src/index.ts';
import { webgpuDevice } from '../../src/runtime/device.ts';
import { choicesDuring, deviceWith } from '../support/tuning.ts';

/** Greedy text of the shipped preset on a device with a table of kernels. */
const text = async (tuning: ReadonlyMap<string, string>, quantize?: 'int4') => {
  const gpu = await deviceWith({ tuning });
  let answer = '';
  const choices = await choicesDuring(gpu, async () => {
    const plain = await CausalLM.fromPreset('gpt2_tiny_en', { device: webgpuDevice(gpu, 'of a table') });
    const lm = quantize === undefined ? plain : await plain.quantize(quantize);
    answer = await lm.compile({ sampler: 'greedy' }).generate('The old fox', { maxLength: 10 });
  });
  return { answer, choices };
};

describe('greedy text', () => {
  it.each([undefined, 'int4'] as const)('is the same with every table of kernels (%s)', async (quantize) => {
    const { answer, choices } = await text(new Map(), quantize);
    expect(answer).toMatch(/^The old fox .{3}/);
    expect(choices.length).toBeGreaterThan(2);
    const most = Math.max(...choices.map(({ names }) => names.length));
    expect(most).toBeGreaterThan(1);
    for (let i = 1; i < most; i++) {
      const table = new Map(choices.map(({ shapes, names }) => [shapes, names[i % names.length]!]));
      expect((await text(table, quantize)).answer, `table ${i}`).toBe(answer);
    }
  });
});
