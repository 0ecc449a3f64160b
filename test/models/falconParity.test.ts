import { describe, expect, it } from 'vitest';
import { falconPresets } from '../../src/models/falcon/presets.ts';
import { referenceDevice } from '../../src/runtime/device.ts';
import { FalconCausalLM } from '../../src/tasks/falcon.ts';
import { webgpuTestDevice } from '../support/device.ts';
import { fixture, floats, presetPath, type RecordedFloats } from '../support/fixtures.ts';

const { records } = fixture<{
  readonly records: readonly {
    readonly preset: string;
    readonly cases: readonly {
      readonly name: string;
      readonly tokenIds: number[][];
      readonly paddingMask: number[][];
      readonly logits: RecordedFloats;
    }[];
  }[];
}>('falcon/logits');

describe.each(records)('logits of $preset', ({ preset, cases }) => {
  it.each(['reference', 'webgpu'] as const)(
    'are within 1e-4 of the recorded ones on %s, queries that see nothing too',
    async (kind) => {
      const device = kind === 'reference' ? referenceDevice : await webgpuTestDevice();
      const lm = await FalconCausalLM.fromPreset(presetPath(preset), { device, preprocessor: null });
      const values = await device.evaluate(
        cases.map(({ tokenIds, paddingMask }) => lm.apply({ tokenIds, paddingMask })),
      );
      for (const [i, { name, logits }] of cases.entries()) {
        const [actual, expected] = [values[i]!.data, floats(logits)];
        let worst = 0;
        for (let at = 0; at < expected.length; at++) worst = Math.max(worst, Math.abs(actual[at]! - expected[at]!));
        expect(worst, name).toBeLessThan(1e-4);
      }
    },
  );
});

it('S25: the registry has the one preset of KerasHub’s', () => {
  expect([...FalconCausalLM.presets.keys()]).toEqual(['falcon_refinedweb_1b_en']);
  expect(FalconCausalLM.presets).toBe(falconPresets);
});
