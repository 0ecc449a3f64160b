import { describe, expect, it } from 'vitest';
import { type AttentionOptions, attention } from '../../src/ops/attention.ts';
import { attentionClass } from '../../src/ops/attentionKernels.ts';
import { tensor } from '../../src/ops/constant.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { slice } from '../../src/ops/slice.ts';
import { sliceUpdate } from '../../src/ops/sliceUpdate.ts';
import { sum } from '../../src/ops/sum.ts';
import { transpose } from '../../src/ops/transpose.ts';
import { evaluateReference } from '../../src/runtime/reference/evaluate.ts';
import { evaluate } from '../../src/runtime/webgpu/execute.ts';
import { plan } from '../../src/runtime/webgpu/plan.ts';
import type { KernelTraits } from '../../src/tensor/kernel.ts';
import type { Shape } from '../../src/tensor/shape.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { expectAgrees, expectClose } from '../support/agree.ts';
import { noise } from '../support/attention.ts';
import { testDevice } from '../support/device.ts';
import { deviceWith } from '../support/tuning.ts';

const tolerance = { atol: 2e-5, rtol: 2e-5 };

/** Computed by the plan, so that it may be written over. */
const computed = (shape: Shape, seed: number): Tensor => multiply(noise(shape, seed), 0.5);

const int = (value: number): Tensor => tensor(value, { dtype: 'int32' });

interface Step {
  readonly batch?: number;
  readonly queries?: number;
  readonly keys?: number;
  readonly kvHeads?: number;
  readonly group?: number;
  readonly dim?: number;
  readonly place?: number;
  readonly options?: AttentionOptions;
  /** Keys and values as they come; by default each is a value of its own. */
  readonly fresh?: (shape: Shape) => readonly [Tensor, Tensor];
}

/** A layer's attention of a step, and its cache after that. */
const stepOf = (step: Step) => {
  const { batch = 2, queries = 1, keys = 9, kvHeads = 2, group = 1, dim = 8, place = 4, options } = step;
  const cache = [batch, keys, kvHeads, dim];
  const position = int(place);
  const [freshKey, freshValue] = (step.fresh ?? ((shape) => [computed(shape, 3), computed(shape, 4)]))([
    batch,
    queries,
    kvHeads,
    dim,
  ]);
  const key = sliceUpdate(computed(cache, 1), [0, position, 0, 0], freshKey);
  const value = sliceUpdate(computed(cache, 2), [0, position, 0, 0], freshValue);
  const query = noise([batch, queries, kvHeads * group, dim], 5);
  const y = attention(query, key, value, { causal: true, position, ...options });
  return { y, key, value, shapes: attentionClass(query.shape, key.shape, { causal: true } as never) };
};

/** How often a launch of each kind stands in a plan: attention that writes, attention that does not, updates. */
const launches = (outputs: readonly Tensor[], traits: KernelTraits): readonly number[] => {
  const { steps } = plan(outputs, { traits });
  const named = (shader: RegExp) =>
    steps.filter(({ kernel }) => kernel.kind === 'file' && shader.test(kernel.shader)).length;
  return [named(/^attentionDecodeUpdate$/), named(/^attention(?!DecodeUpdate|EmptyRows)/), named(/^sliceUpdate/)];
};

const hasLanes = ({ subgroups = 0, maxStorageBuffers }: KernelTraits): boolean =>
  subgroups >= 4 && subgroups % 4 === 0 && maxStorageBuffers >= 10;

/** Fails unless a step agrees with the reference (in its cache, exactly), and is joined or not as it should be. */
const expectStep = async (step: Step, isJoined = true): Promise<void> => {
  const { y, key, value, shapes } = stepOf(step);
  const gpu = await deviceWith({ tuning: new Map([[shapes, 'attentionDecode']]) });
  const outputs = [y, key, value];
  if (hasLanes(gpu.traits)) expect(launches(outputs, gpu.traits)).toEqual(isJoined ? [1, 0, 0] : [0, 1, 1]);
  const expected = evaluateReference(outputs);
  const actual = await evaluate(gpu, outputs);
  expectClose(actual[0]!, expected[0]!, tolerance);
  expectClose(actual[1]!, expected[1]!);
  expectClose(actual[2]!, expected[2]!);
};

describe('attention of a new token', () => {
  it('writes its key and value into the cache, at any place', async () => {
    for (const place of [0, 1, 8, 4]) await expectStep({ place });
    // Beyond the last place, the last one is taken.
    for (const place of [-3, 9, 30]) await expectStep({ place });
    await expectStep({ keys: 150, place: 131 });
    await expectStep({ keys: 2, place: 1, batch: 1 });
  });

  it('does so for heads of other sizes, in several chunks of columns, and shared by queries', async () => {
    for (const [kvHeads, group, dim] of [
      [3, 1, 12],
      [1, 3, 64],
      [2, 2, 100],
      [1, 1, 4],
      [5, 4, 72],
    ] as const)
      await expectStep({ kvHeads, group, dim, keys: 41, place: 37, batch: 3 });
  });

  it('heeds masks, windows, caps, slopes and rows', async () => {
    const mask = (values: readonly number[]) => tensor(Int32Array.from(values), { shape: [2, 9], dtype: 'bool' });
    const some = [1, 0, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 1];
    const slopes = tensor(Float32Array.from([0.5, 0.25]));
    const keyPositions = tensor(
      Float32Array.from({ length: 18 }, (_, j) => (j * 7) % 11),
      { shape: [2, 9] },
    );
    const rows = tensor(Int32Array.from([0, 1, 1, 0, 1, 1, 1, 0, 1, 1, 0, 1, 1, 0, 0, 0, 0, 1]), { shape: [2, 9] });
    for (const options of [
      { keyMask: mask(some) },
      { keyMask: mask(some.map(() => 0)), emptyRows: 'uniform' },
      { window: 3 },
      { softCap: 2, scale: 0.7 },
      { slopes },
      { slopes, keyPositions, slopesScale: 0.7 },
      { keyRows: rows },
    ] as const)
      await expectStep({ options });
    await expectStep({ options: { window: 3, emptyRows: 'uniform' }, place: 30 });
    await expectStep({ options: { window: 1 } });
    await expectStep({ options: { keyRows: rows }, group: 2, dim: 12 });
  });

  it('reads key and value where they come from', async () => {
    // Side by side in one value, as a joined product writes them.
    await expectStep({
      fresh: ([b, n, h, d]) => {
        const both = computed([b!, n!, 2 * h!, d!], 3);
        return [slice(both, [0, 0, 0, 0], [b!, n!, h!, d!]), slice(both, [0, 0, h!, 0], [b!, n!, h!, d!])];
      },
    });
    // Heads in the other order of axes; columns apart, which vectors cannot say.
    const turned = (shape: Shape, axes: readonly number[], seed: number) =>
      transpose(
        computed(
          axes.map((axis) => shape[axis]!),
          seed,
        ),
        axes,
      );
    const both = (axes: readonly number[]) => (shape: Shape) =>
      [turned(shape, axes, 3), turned(shape, axes, 4)] as const;
    await expectStep({ fresh: both([0, 2, 1, 3]) });
    await expectStep({ batch: 3, fresh: both([2, 1, 0, 3]) });
    await expectStep({ fresh: both([0, 1, 3, 2]) }, false);
  });

  it('leaves the update to a launch of its own for several tokens, other places, and where the device binds too few buffers', async () => {
    await expectStep({ queries: 2 }, false);
    await expectStep({ options: { position: int(6) } }, false);
    const { y, key, value } = stepOf({});
    const few = await deviceWith({ maxStorageBuffers: 8 });
    expect(launches([y, key, value], few.traits)[0]).toBe(0);
    // Rows of the batch in two bindings.
    const wide = stepOf({ keys: 16 });
    const small = await deviceWith({ maxBindingBytes: 1024 });
    expect(launches([wide.y, wide.key, wide.value], small.traits)[0]).toBe(0);
    await expectAgrees([wide.y, wide.key, wide.value], tolerance, small);
  });

  it('leaves it so where somebody reads the cache before, or the query is a part of it', async () => {
    const gpu = await testDevice();
    const { key, value } = stepOf({});
    const position = int(4);
    const query = sum(key, { axis: 1, keepDims: true });
    const y = attention(query, key, value, { causal: true, position });
    expect(launches([y, key, value], gpu.traits)[0]).toBe(0);
    await expectAgrees([y, key, value], tolerance);
    const part = attention(slice(key, [0, 3, 0, 0], [2, 1, 2, 8]), key, value, { causal: true, position });
    expect(launches([part, key, value], gpu.traits)[0]).toBe(0);
    await expectAgrees([part, key, value], tolerance);
  });

  it('shows what was written to all who read it later', async () => {
    const { y, key, value } = stepOf({});
    const later = [sum(key, { axis: 1 }), multiply(value, 2), attention(noise([2, 1, 2, 8], 9), key, value, {})];
    await expectAgrees([y, ...later], tolerance);
  });
});
