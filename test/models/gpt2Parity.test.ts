import { describe, expect, it } from 'vitest';
import { referenceDevice } from '../../src/runtime/device.ts';
import { GPT2CausalLM } from '../../src/tasks/gpt2.ts';
import { webgpuTestDevice } from '../support/device.ts';
import { fixture, floats, presetPath, type RecordedFloats } from '../support/fixtures.ts';

interface Recording {
  readonly presets: readonly string[];
  readonly spread: number;
  readonly cases: readonly {
    readonly name: string;
    readonly tokenIds: number[][];
    readonly paddingMask: number[][];
    /** Whether a query has any key to attend to. */
    readonly attends: boolean[][];
    readonly keras: RecordedFloats;
    readonly transformers?: RecordedFloats;
  }[];
}

/** The largest distance between logits, at the places that count. */
const distance = (
  actual: ArrayLike<number>,
  expected: Float32Array,
  counts: (place: number) => boolean,
  vocabulary: number,
): number => {
  let worst = 0;
  for (let i = 0; i < expected.length; i++)
    if (counts(Math.floor(i / vocabulary))) worst = Math.max(worst, Math.abs(actual[i]! - expected[i]!));
  return worst;
};

const recordings = [
  'a_float32',
  'a_float32_dropout0',
  'a_float16',
  'a_bfloat16',
  'b_float32',
  'c_float32',
  'c_float16',
  'c_bfloat16',
] as const;

describe.each(recordings)('logits of %s', (name) => {
  const { presets, cases } = fixture<Recording>(`logits/${name}`);
  describe.each(presets)('loaded from %s', (preset) => {
    it.each(['reference', 'webgpu'] as const)('are within 1e-4 of the recorded ones on %s', async (kind) => {
      const device = kind === 'reference' ? referenceDevice : await webgpuTestDevice();
      const lm = await GPT2CausalLM.fromPreset(presetPath(preset), { device });
      const logits = cases.map(({ tokenIds, paddingMask }) => lm.apply({ tokenIds, paddingMask }));
      const values = await device.evaluate(logits);
      for (const [i, { name: what, attends, keras, transformers }] of cases.entries()) {
        const vocabulary = lm.backbone.config.vocabularySize;
        const flat = attends.flat();
        const actual = values[i]!.data;
        // transformers has its own way with queries that see nothing; KerasHub's is ours.
        expect(
          distance(actual, floats(keras), () => true, vocabulary),
          `${what}, KerasHub`,
        ).toBeLessThan(1e-4);
        if (transformers !== undefined)
          expect(
            distance(actual, floats(transformers), (place) => flat[place]!, vocabulary),
            `${what}, transformers`,
          ).toBeLessThan(1e-4);
      }
    });
  });
});
