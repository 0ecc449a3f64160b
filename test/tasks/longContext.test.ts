import { describe, expect, it } from 'vitest';
import { identityIntercept } from '../../src/layers/intercept.ts';
import type { CausalModel } from '../../src/models/causalModel.ts';
import { placeholder } from '../../src/ops/constant.ts';
import { type Device, referenceDevice } from '../../src/runtime/device.ts';
import { plan } from '../../src/runtime/webgpu/plan.ts';
import type { Plan } from '../../src/runtime/webgpu/planForm.ts';
import {
  BeamSampler,
  GreedySampler,
  RandomSampler,
  type Sampler,
  TopKSampler,
  TopPSampler,
} from '../../src/samplers/index.ts';
import { type GenerationRequest, loopOf, nothing } from '../../src/tasks/decodingLoop.ts';
import type { KernelTraits } from '../../src/tensor/kernel.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { leaves, mapTree, type Tree } from '../../src/tensor/tree.ts';
import { familyCases } from '../families/families.ts';
import { software } from '../support/traits.ts';

const gpu: KernelTraits = { ...software, isSoftware: false, subgroups: undefined };

/** The functions that a generation has compiled. */
const passesOf = (model: CausalModel, params: Tree, sampler: Sampler) => {
  const traced: ((...args: readonly Tree[]) => Tree)[] = [];
  const device: Device = {
    ...referenceDevice,
    compile: (f, options) => {
      traced.push(f as unknown as (typeof traced)[number]);
      return referenceDevice.compile(f, options);
    },
  };
  loopOf({ device, model, params, sampler } as GenerationRequest<Tree>, identityIntercept);
  const [, prefill, step] = traced;
  return { prefill: prefill!, step: step! };
};

/** The plan of a cached step, where the cache has so many places. */
const stepPlan = (model: CausalModel, params: Tree, sampler: Sampler, capacity: number, traits: KernelTraits): Plan => {
  const inputs: Tensor[] = [];
  const from = ({ shape, dtype }: Pick<Tensor, 'shape' | 'dtype'>): Tensor => {
    inputs.push(placeholder(`input ${inputs.length}`, shape, dtype));
    return inputs.at(-1)!;
  };
  const int32 = (...shape: readonly number[]): Tensor => from({ shape, dtype: 'int32' });
  const held = mapTree(params, from);
  const { prefill, step } = passesOf(model, held, sampler);
  const mask = from({ shape: [2, capacity], dtype: 'bool' });
  const stops = int32(1);
  const piece = { tokenIds: int32(2, 16), from: int32() };
  const first = prefill(nothing, piece, int32(2, capacity), mask, stops, int32(), int32(2, 2), nothing);
  const at = inputs.length;
  const state = mapTree(first, from);
  const outputs = leaves(step(state, mask, stops, nothing));
  // A state goes over into the next one, leaf by leaf.
  return plan(outputs, { traits, inputs, donated: new Map(outputs.map((_, i) => [i, at + i])) });
};

const bytes = ({ buffers }: Plan): number =>
  buffers.reduce((sum, buffer) => sum + (buffer.kind === 'temporary' ? buffer.bytes : 0), 0);

/** What is launched, but for the workgroups among which a GPU shares out the keys of a row. */
const work = ({ steps }: Plan) =>
  steps
    .filter(({ kernel }) => kernel.kind === 'text' || kernel.shader !== 'attentionMerge')
    .map(({ label, kernel, workgroups: [x, y] }) => [
      label.split(' ')[0],
      kernel.kind === 'file' && kernel.shader === 'attention' ? x * y <= 1024 : x * y,
    ]);

describe.each(familyCases)('a cached step of $name', ({ backbone: { model, params } }) => {
  it.each([
    ['on a software adapter', software],
    ['on a GPU', gpu],
  ])('S64: has as much work and as many temporaries in any cache, however large, %s', (_, traits) => {
    for (const sampler of [GreedySampler(), TopKSampler(), TopPSampler({ p: 0.9 }), RandomSampler()]) {
      const [small, large] = [128, 65536].map((capacity) => stepPlan(model, params, sampler, capacity, traits));
      expect(work(large!), sampler.name).toEqual(work(small!));
      expect(bytes(large!) - bytes(small!), sampler.name).toBeLessThanOrEqual(traits.isSoftware ? 0 : 2 ** 19);
    }
  });
});

it('S72: beams hold ids and rows of their places besides, and no copy of keys and values', () => {
  const { model, params } = familyCases[0]!.backbone;
  const sampler = BeamSampler({ numBeams: 2 });
  const [small, large] = [128, 65536].map((capacity) => stepPlan(model, params, sampler, capacity, software));
  const rows = 4;
  // Keys and values are 24 floats a place in each layer; these are whole numbers, a few for each place.
  expect(bytes(large!) - bytes(small!)).toBeLessThan((65536 - 128) * rows * 4 * 8);
});
