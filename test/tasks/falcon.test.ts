import { describe, expect, it } from 'vitest';
import { at } from '../../src/layers/intercept.ts';
import { add } from '../../src/ops/add.ts';
import { arange } from '../../src/ops/arange.ts';
import { cast } from '../../src/ops/cast.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { key } from '../../src/ops/random.ts';
import { sum } from '../../src/ops/sum.ts';
import { type Device, read, referenceDevice } from '../../src/runtime/device.ts';
import { BeamSampler, ContrastiveSampler } from '../../src/samplers/index.ts';
import { FalconBackbone, FalconCausalLM } from '../../src/tasks/falcon.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { gradients } from '../../src/transforms/gradients.ts';
import { expectClose } from '../support/agree.ts';
import { webgpuTestDevice } from '../support/device.ts';
import { fixture, floats, presetPath, type RecordedFloats } from '../support/fixtures.ts';

/** The bound that parity is held to. */
const tolerance = { atol: 1e-4 };

const devices = [
  ['reference', async () => referenceDevice],
  ['webgpu', webgpuTestDevice],
] as const satisfies readonly (readonly [string, () => Promise<Device>])[];

const load = async (preset: string, device: Device) =>
  FalconCausalLM.fromPreset(presetPath(preset), { device, preprocessor: null });

const recorded = (values: RecordedFloats) => ({
  data: floats(values),
  shape: values.shape,
  dtype: 'float32' as const,
});

const scores = fixture<{
  readonly preset: string;
  readonly cases: readonly {
    readonly name: string;
    readonly tokenIds: number[][];
    readonly paddingMask: number[][];
    readonly targetIds: number[][];
    readonly hiddenStates: readonly RecordedFloats[];
    readonly embeddingGradientOfSummedLoss: RecordedFloats;
    readonly loss: RecordedFloats;
    readonly interventions: readonly {
      readonly layer: number;
      readonly multiplyBy: number;
      readonly loss: RecordedFloats;
    }[];
  }[];
}>('falcon/score');

describe.each(devices)('score of a Falcon on %s', (_, open) => {
  it.each(scores.cases)('S76 S80 S81 S84 S85 S86 S87 S88 S89: $name', async (one) => {
    const lm = await load(scores.preset, await open());
    const { tokenIds, paddingMask, targetIds } = one;
    const request = { tokenIds, paddingMask, targetIds, scoringMode: 'loss' } as const;
    const order: number[] = [];
    const seen: Tensor[] = [];
    const loss = lm.score({
      ...request,
      layerInterceptFn: (x, index) => {
        order.push(index);
        seen.push(x);
        return x;
      },
    });
    expect(order).toEqual([-1, 0, 1]);
    const values = await read({
      seen,
      loss,
      gradient: gradients(sum(loss), [seen[0]!])[0]!,
      logits: lm.score({ tokenIds, paddingMask }),
      applied: lm.apply({ tokenIds, paddingMask }),
      changed: one.interventions.map(({ layer, multiplyBy }) =>
        lm.score({ ...request, layerInterceptFn: (x, i) => (i === layer ? multiply(x, multiplyBy) : x) }),
      ),
    });
    for (const [i, x] of one.hiddenStates.entries()) expectClose(values.seen[i]!, recorded(x), tolerance);
    expectClose(values.loss, recorded(one.loss), tolerance);
    expectClose(values.gradient, recorded(one.embeddingGradientOfSummedLoss), tolerance);
    expect(values.logits.data).toEqual(values.applied.data);
    for (const [i, { loss: expected }] of one.interventions.entries())
      expectClose(values.changed[i]!, recorded(expected), tolerance);
  });

  it('S79: what a mask hides on the right changes no real place', async () => {
    const lm = await load(scores.preset, await open());
    const { tokenIds, targetIds, paddingMask } = scores.cases[0]!;
    const request = { tokenIds, targetIds, scoringMode: 'loss' } as const;
    const [masked, plain] = await read([lm.score({ ...request, paddingMask }), lm.score(request)] as const);
    for (const [i, real] of paddingMask.flat().entries())
      if (real === 1) expect(Math.abs(masked.data[i]! - plain.data[i]!)).toBeLessThan(1e-5);
  });

  it.each([
    'keras/falcon_a_float32',
    'transformers/falcon_grouped_float32',
    'transformers/falcon_one_norm_float32',
    'transformers/falcon_grouped_alibi_float32',
  ])('takes intercepts at every site of %s', async (preset) => {
    // Every site is another plan, and WebGPU compiles each: two kinds will do there.
    const device = preset.includes('alibi') || preset.includes('one_norm') ? referenceDevice : await open();
    const lm = await load(preset, device);
    const tokenIds = [[3, 7, 1, 4]];
    const plain = lm.apply({ tokenIds });
    const identity = lm.apply({ tokenIds }, { intercept: (x) => x });
    const names = [...new Set(lm.sites.map(({ site }) => site))];
    // A norm would take a factor alone away again.
    const other = (x: Tensor): Tensor => add(multiply(x, 1.5), multiply(cast(arange(x.shape.at(-1)!), 'float32'), 0.1));
    const changed = names.map((site) => lm.apply({ tokenIds }, { intercept: at({ site }, other) }));
    const [a, b, ...others] = await device.evaluate([plain, identity, ...changed]);
    expect(b!.data).toEqual(a!.data);
    const parallel = lm.backbone.config.parallelAttention;
    expect(names.includes('residualMid')).toBe(!parallel);
    expect(names.includes('mlpNormOut')).toBe(!preset.includes('one_norm'));
    expect(names.includes('queryRotary')).toBe(lm.backbone.config.positions === 'rotary');
    for (const [i, { data }] of others.entries()) {
      const far = Math.max(...data.map((x, j) => Math.abs(x - a!.data[j]!)));
      expect(far, names[i]).toBeGreaterThan(1e-3);
    }
    expect(() => lm.apply({ tokenIds }, { intercept: at({ site: 'positionEmbedding' }, (x) => x) })).toThrow(
      'expected a site of FalconBackbone',
    );
  });
});

describe('dropout in a Falcon', () => {
  const tokenIds = [[3, 7, 1, 4]];

  it.each([
    ['of KerasHub', 'keras/falcon_b_float32', {}],
    [
      'in parallel, rotary',
      'transformers/falcon_grouped_float32',
      { attentionDropoutRate: 0.3, feedforwardDropoutRate: 0.4 },
    ],
  ] as const)('%s is there with a key alone, and the same on both interpreters', async (_, preset, rates) => {
    const device = await webgpuTestDevice();
    const { config, params } = (await load(preset, device)).backbone;
    const backbone = FalconBackbone({ ...config, ...rates }).withParams(params);
    const still = FalconBackbone({ ...config, attentionDropoutRate: 0, feedforwardDropoutRate: 0 }).withParams(params);
    const dropped = backbone.apply({ tokenIds }, { dropout: { key: key(5) } });
    const [own, other, plain, none] = await device.evaluate([
      dropped,
      backbone.apply({ tokenIds }, { dropout: { key: key(6) } }),
      backbone.apply({ tokenIds }),
      still.apply({ tokenIds }, { dropout: { key: key(5) } }),
    ]);
    const reference = (await load(preset, referenceDevice)).backbone;
    const again = FalconBackbone({ ...config, ...rates }).withParams(reference.params);
    const [expected] = await referenceDevice.evaluate([again.apply({ tokenIds }, { dropout: { key: key(5) } })]);
    expectClose(own!, expected!, { atol: 2e-5 });
    expect(own!.data).not.toEqual(plain!.data);
    expect(own!.data).not.toEqual(other!.data);
    expect(none!.data).toEqual(plain!.data);
  });
});

const generation = fixture<{
  readonly records: readonly {
    readonly name: string;
    readonly preset: string;
    readonly inputs: string | string[] | { readonly token_ids: number[][]; readonly padding_mask: boolean[][] };
    readonly options: {
      readonly max_length?: number;
      readonly stop_token_ids?: number[] | null;
      readonly strip_prompt?: boolean;
    };
    readonly result: string | string[] | { readonly token_ids: number[][]; readonly padding_mask: boolean[][] };
  }[];
  readonly searched: readonly {
    readonly sampler: 'beam 2' | 'beam 4' | 'contrastive';
    readonly preset: string;
    readonly inputs: string | string[];
    readonly maxLength: number;
    readonly result: string | string[];
  }[];
  readonly transformers: readonly { readonly preset: string; readonly prompt: number[]; readonly tokenIds: number[] }[];
}>('falcon/generate');

describe.each(devices)('generation by a Falcon on %s', (_, open) => {
  it('S42 S45 S46 S54 S57 S58 S60 S62 D1: gives KerasHub’s greedy texts, without being told to be greedy', async () => {
    const device = await open();
    for (const { name, preset, inputs, options, result } of generation.records) {
      const lm = await FalconCausalLM.fromPreset(presetPath(preset), { device });
      const { max_length: maxLength, stop_token_ids: stopTokenIds, strip_prompt: stripPrompt } = options;
      const own = {
        ...(maxLength === undefined ? {} : { maxLength }),
        ...(stopTokenIds === undefined ? {} : { stopTokenIds }),
        ...(stripPrompt === undefined ? {} : { stripPrompt }),
      };
      if (typeof inputs === 'string') expect(await lm.generate(inputs, own), name).toEqual(result);
      else if (Array.isArray(inputs)) expect(await lm.generate(inputs, own), name).toEqual(result);
      else {
        const expected = result as { readonly token_ids: number[][]; readonly padding_mask: boolean[][] };
        const made = await lm.generate({ tokenIds: inputs.token_ids, paddingMask: inputs.padding_mask }, own);
        expect([...made.tokenIds.data], name).toEqual(expected.token_ids.flat());
        expect([...made.paddingMask.data].map(Boolean), name).toEqual(expected.padding_mask.flat());
      }
    }
  });

  it('S72 S73: gives KerasHub’s texts by beam and by contrastive search', async () => {
    const device = await open();
    const samplers = {
      'beam 2': BeamSampler({ numBeams: 2 }),
      'beam 4': BeamSampler({ numBeams: 4 }),
      contrastive: ContrastiveSampler({ k: 4, alpha: 0.5 }),
    };
    for (const { sampler, preset, inputs, maxLength, result } of generation.searched) {
      const lm = (await FalconCausalLM.fromPreset(presetPath(preset), { device })).compile({
        sampler: samplers[sampler],
      });
      const made = typeof inputs === 'string' ? lm.generate(inputs, { maxLength }) : lm.generate(inputs, { maxLength });
      expect(await made, `${sampler}: ${inputs}`).toEqual(result);
    }
  });

  it.each(generation.transformers)(
    'gives transformers’ greedy tokens of $preset',
    async ({ preset, prompt, tokenIds }) => {
      const device = await open();
      const lm = await load(preset, device);
      const free = tokenIds.length - prompt.length;
      const made = await lm.generate(
        {
          tokenIds: [[...prompt, ...Array.from({ length: free }, () => 0)]],
          paddingMask: [tokenIds.map((_id, i) => i < prompt.length)],
        },
        { stopTokenIds: null },
      );
      expect([...made.tokenIds.data]).toEqual(tokenIds);
    },
  );
});
