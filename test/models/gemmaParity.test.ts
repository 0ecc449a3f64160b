import { describe, expect, it } from 'vitest';
import { referenceDevice } from '../../src/runtime/device.ts';
import { GemmaCausalLM } from '../../src/tasks/gemma.ts';
import { webgpuTestDevice } from '../support/device.ts';
import { fixture, floats, presetPath, type RecordedFloats } from '../support/fixtures.ts';

interface Recording {
  readonly presets: readonly string[];
  readonly cases: readonly {
    readonly name: string;
    readonly tokenIds: number[][];
    readonly paddingMask: number[][];
    /** Which places are real: the libraries agree there. */
    readonly counts: boolean[][];
    readonly keras?: RecordedFloats;
    readonly transformers?: RecordedFloats;
  }[];
}

const recordings = [
  'gemma_a_float32',
  'gemma_a_float16',
  'gemma_b_float32',
  'gemma_b_bfloat16',
  'gemma_c_float32',
  'gemma_own_float32',
] as const;

describe.each(recordings)('logits of %s', (name) => {
  const { presets, cases } = fixture<Recording>(`gemma/logits_${name}`);
  describe.each(presets)('loaded from %s', (preset) => {
    it.each(['reference', 'webgpu'] as const)('S80: are within 1e-4 of the recorded ones on %s', async (kind) => {
      const device = kind === 'reference' ? referenceDevice : await webgpuTestDevice();
      const lm = await GemmaCausalLM.fromPreset(presetPath(preset), { device, preprocessor: null });
      const logits = cases.map(({ tokenIds, paddingMask }) => lm.apply({ tokenIds, paddingMask }));
      const values = await device.evaluate(logits);
      const width = lm.backbone.config.vocabularySize;
      for (const [i, { name: what, counts, keras, transformers }] of cases.entries()) {
        const { data } = values[i]!;
        /** The largest distance at the places that count: all of KerasHub's, and of transformers' the real ones. */
        const distance = (expected: Float32Array, isReal: readonly boolean[] | undefined): number =>
          expected.reduce(
            (worst, value, j) =>
              isReal?.[Math.floor(j / width)] === false ? worst : Math.max(worst, Math.abs(data[j]! - value)),
            0,
          );
        if (keras !== undefined) expect(distance(floats(keras), undefined), `${what}, KerasHub`).toBeLessThan(1e-4);
        if (transformers !== undefined)
          expect(distance(floats(transformers), counts.flat()), `${what}, transformers`).toBeLessThan(1e-4);
      }
    });
  });
});
