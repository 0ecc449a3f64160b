import { describe, expect, it } from 'vitest';
import type { Device } from '../../src/runtime/device.ts';
import { GreedySampler, type Sampler, SpeculativeSampler } from '../../src/samplers/index.ts';
import { generateTokens } from '../../src/tasks/generation.ts';
import { GPT2Backbone, GPT2CausalLM } from '../../src/tasks/gpt2.ts';
import { webgpuTestDevice } from '../support/device.ts';

const LENGTH = 40;
const PROMPT = 8;

const backbone = GPT2Backbone({
  vocabularySize: 97,
  numLayers: 1,
  numHeads: 2,
  hiddenDim: 16,
  intermediateDim: 24,
  maxSequenceLength: LENGTH,
  seed: 3,
});
const { model, params } = backbone;

/** What was asked of a device: steps of each submission, and whether one was ever missing when it was waited for. */
interface Watch {
  readonly submissions: number[];
  isLate: boolean;
}

/** How long a submission is waited for, in milliseconds. */
const PATIENCE = 5000;

/** A device that brings tokens only when steps after those that they come from have been submitted, if there are any. */
const watched = (device: Device, watch: Watch): Device => ({
  ...device,
  evaluate: async (outputs) => {
    const known = watch.submissions.length;
    const arrays = await device.evaluate(outputs);
    const isLast = arrays[1]!.data[0] === LENGTH;
    const began = performance.now();
    while (known > 0 && !isLast && watch.submissions.length === known && !watch.isLate) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      watch.isLate = performance.now() - began > PATIENCE;
    }
    return arrays;
  },
  compile: (f, options) => {
    const compiled = device.compile(f, options);
    return {
      ...compiled,
      repeat: (times, ...args) => {
        watch.submissions.push(times);
        return compiled.repeat(times, ...args);
      },
    };
  },
});

const generated = async (sampler: Sampler, stopTokenIds: readonly number[] | null) => {
  const watch: Watch = { submissions: [], isLate: false };
  const tokenIds = Int32Array.from({ length: LENGTH }, (_, i) => (i < PROMPT ? (i * 31) % 97 : 0));
  const running = generateTokens({
    device: watched(await webgpuTestDevice(), watch),
    model,
    params,
    draftParams: params,
    sampler,
    prompt: { tokenIds, paddingMask: new Uint8Array(LENGTH).fill(1, 0, PROMPT), batch: 1, length: LENGTH },
    stopTokenIds,
    keys: Int32Array.of(1, 2),
  });
  let next = await running.next();
  while (next.done !== true) next = await running.next();
  return { ...watch, ...next.value };
};

const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0);

describe('generation on a GPU', () => {
  it('has the next steps under way before the tokens of these have come, and runs none too many', async () => {
    const { submissions, isLate, end } = await generated(GreedySampler(), null);
    expect(end).toBe(LENGTH);
    expect(isLate).toBe(false);
    // The first token comes with the prompt.
    expect(sum(submissions)).toBe(LENGTH - PROMPT - 1);
  });

  it('wastes one submission at a stop, at most, and gives the same text', async () => {
    const { tokenIds } = await generated(GreedySampler(), null);
    const stop = tokenIds[PROMPT + 5]!;
    const first = tokenIds.indexOf(stop, PROMPT);
    const { submissions, tokenIds: stopped, end } = await generated(GreedySampler(), [stop]);
    expect(end).toBe(first + 1);
    expect(stopped.subarray(0, end)).toEqual(tokenIds.subarray(0, end));
    // The last submission was for nothing, and the one before it had the stop.
    expect(sum(submissions.slice(0, -2))).toBeLessThan(end - PROMPT);
  });

  it('never runs past the end where a step decides several columns', async () => {
    const draft = GPT2CausalLM({ backbone, preprocessor: null });
    const alone = await generated(GreedySampler(), null);
    const guessed = await generated(SpeculativeSampler({ draft, numSpeculativeTokens: 3 }), null);
    expect(guessed.tokenIds).toEqual(alone.tokenIds);
  });
});
