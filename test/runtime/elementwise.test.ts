import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { add } from '../../src/ops/add.ts';
import { arange } from '../../src/ops/arange.ts';
import { broadcastTo } from '../../src/ops/broadcastTo.ts';
import { cast } from '../../src/ops/cast.ts';
import { tensor } from '../../src/ops/constant.ts';
import { exp } from '../../src/ops/exp.ts';
import { gelu } from '../../src/ops/gelu.ts';
import { geluApproximate } from '../../src/ops/geluApproximate.ts';
import { less } from '../../src/ops/less.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { reshape } from '../../src/ops/reshape.ts';
import { sliceAxis } from '../../src/ops/slice.ts';
import { subtract } from '../../src/ops/subtract.ts';
import { tanh } from '../../src/ops/tanh.ts';
import { threefry } from '../../src/ops/threefry.ts';
import { transpose } from '../../src/ops/transpose.ts';
import { where } from '../../src/ops/where.ts';
import { createWebGPU } from '../../src/runtime/webgpu/device.ts';
import { evaluate } from '../../src/runtime/webgpu/execute.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { expectAgrees } from '../support/agree.ts';
import { testDevice, unusedTestDevice } from '../support/device.ts';

const ramp = (...shape: number[]): Tensor =>
  subtract(multiply(cast(reshape(arange(shape.reduce((a, b) => a * b, 1)), shape), 'float32'), 0.37), 2);

describe('elementwise chains on WebGPU', () => {
  it('a chain with broadcasts', () =>
    expectAgrees(tanh(add(multiply(ramp(5, 7), ramp(7)), reshape(ramp(5), [5, 1]))), { atol: 2e-6 }));
  it('activations', () =>
    expectAgrees([gelu(ramp(41)), geluApproximate(ramp(41)), exp(multiply(ramp(41), -0.5))], {
      atol: 1e-6,
      rtol: 3e-6,
    }));
  it('as many numbers, sizes and strides as it takes', () => {
    const turned = (by: number, axes: readonly number[]) => transpose(multiply(ramp(2, 2, 2, 2, 2), by), axes);
    const sum = [turned(1, [4, 3, 2, 1, 0]), turned(2, [1, 0, 3, 2, 4]), turned(3, [2, 4, 0, 3, 1])].reduce((a, b) =>
      add(a, tanh(b)),
    );
    const long = Array.from({ length: 42 }).reduce((y: Tensor, _, i) => add(y, 1 / (i + 2)), sum);
    return expectAgrees([long, exp(ramp(9)), tanh(ramp(11))], { atol: 1e-4, rtol: 1e-5 });
  });
  it('views of views', () => {
    const x = transpose(ramp(3, 4, 5), [2, 0, 1]);
    return expectAgrees(
      [
        add(sliceAxis(x, 0, 1, 4), 1),
        reshape(x, [15, 4]),
        sliceAxis(sliceAxis(x, 2, 1), 1, -2),
        broadcastTo(sliceAxis(x, 0, 0, 1), [5, 3, 4]),
      ],
      { atol: 1e-6 },
    );
  });
  it('bool, int32, where', () => {
    const i = reshape(arange(12), [3, 4]);
    return expectAgrees([
      where(less(i, 5), i, multiply(i, -1)),
      less(cast(i, 'float32'), 3.5),
      cast(less(i, 2), 'int32'),
    ]);
  });
  it.each(['float16', 'bfloat16'] as const)('%s storage, odd sizes', async (dtype) => {
    const x = cast(multiply(ramp(7, 3), 1.234567), dtype);
    await expectAgrees([x, add(x, 1), sliceAxis(x, 1, 1), add(transpose(x), 0.5)], {
      atol: 0,
      rtol: dtype === 'float16' ? 2e-3 : 1e-2,
    });
    await expectAgrees([add(tensor([0.1, 2, -3.5], { dtype }), 0), sliceAxis(tensor([0.1, 2, -3.5], { dtype }), 0, 1)]);
  });
  it('random bits are the same bits', () =>
    expectAgrees(threefry(tensor(12345, { dtype: 'int32' }), tensor(-7, { dtype: 'int32' }), arange(1000))));
  it('evaluates an expression of 100,000 nodes', async () => {
    let x = tensor([1, 2, 3]);
    for (let i = 0; i < 50000; i++) x = subtract(add(x, 1), i % 2);
    const [y] = await evaluate(await testDevice(), [x]);
    expect([...y!.data]).toEqual([25001, 25002, 25003]);
  });
  it('two evaluations are bit-equal, and leave as many live buffers as there were', async () => {
    const { gpu: device } = await unusedTestDevice();
    const x = exp(ramp(1000));
    const [a] = await evaluate(device, [x]);
    const before = device.memory().liveBuffers;
    const [b] = await evaluate(device, [x]);
    expect(device.memory().liveBuffers).toBe(before);
    expect(a!.data).toEqual(b!.data);
  });
  it('cuts what is larger than a binding', async () => {
    const device = await testDevice();
    const small = { ...device, traits: { ...device.traits, maxBindingBytes: 512 } };
    await expectAgrees(
      [add(ramp(7, 100), ramp(100)), transpose(ramp(70, 10)), cast(ramp(1001), 'float16')],
      { atol: 1e-5, rtol: 1e-3 },
      small,
    );
  });
  it('drawn views', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 }),
        fc.array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.nat()), { maxLength: 4 }),
        async (shape, moves) => {
          let x: Tensor = ramp(...shape);
          for (const [kind, n] of moves) {
            const axis = n % x.shape.length;
            if (kind === 0) x = transpose(x);
            else if (kind === 1) x = sliceAxis(x, axis, Math.min(1, x.shape[axis]! - 1));
            else if (kind === 2) x = reshape(x, [-1]);
            else x = add(x, sliceAxis(x, axis, 0, 1));
          }
          await expectAgrees([x, add(x, 1)], { atol: 1e-4, rtol: 1e-6 });
        },
      ),
      { numRuns: 60 },
    ));
  it.each([512, 1024, 4096])('turned tensors that are larger than one binding of %i bytes', async (maxBindingBytes) => {
    const device = await testDevice();
    const small = createWebGPU(device.device, { ...device.traits, maxBindingBytes });
    // Each row of the turned tensor reaches through all of it, so that both axes have to be cut.
    await expectAgrees(
      [
        add(transpose(ramp(37, 41)), 1),
        add(transpose(ramp(7, 13, 11), [2, 0, 1]), ramp(13)),
        less(transpose(ramp(29, 31)), 0.5),
        multiply(transpose(ramp(37, 41)), ramp(41, 37)),
      ],
      // The ramp itself rounds.
      { rtol: 1e-6, atol: 1e-6 },
      small,
    );
  });
});
