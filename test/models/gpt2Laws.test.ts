import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Cache } from '../../src/layers/cache.ts';
import { layerIntercept } from '../../src/layers/intercept.ts';
import { broadcastTo } from '../../src/ops/broadcastTo.ts';
import { constant, tensor } from '../../src/ops/constant.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { type Device, read, referenceDevice } from '../../src/runtime/device.ts';
import { GPT2Backbone } from '../../src/tasks/gpt2.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { expectClose } from '../support/agree.ts';
import { webgpuTestDevice } from '../support/device.ts';

const backbone = GPT2Backbone({
  vocabularySize: 97,
  numLayers: 2,
  numHeads: 3,
  hiddenDim: 24,
  intermediateDim: 96,
  maxSequenceLength: 32,
  seed: 3,
});
const { model, params } = backbone;

const devices = [
  ['reference', async () => referenceDevice],
  ['webgpu', webgpuTestDevice],
] as const satisfies readonly (readonly [string, () => Promise<Device>])[];

const batches = fc
  .tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 2, max: 12 }))
  .chain(([batch, length]) =>
    fc.array(fc.array(fc.nat(96), { minLength: length, maxLength: length }), { minLength: batch, maxLength: batch }),
  );

/** Rounding of sums in another order. */
const tolerance = { atol: 2e-5 };

describe.each(devices)('GPT-2 on %s', (_name, open) => {
  const evaluate = async (outputs: readonly Tensor[]) => (await open()).evaluate(outputs);

  it('with a cache, in two calls, gives what one call gives', () =>
    fc.assert(
      fc.asyncProperty(batches, fc.nat(), async (ids, n) => {
        const length = ids[0]!.length;
        const cut = 1 + (n % (length - 1));
        const part = (from: number, to: number) =>
          tensor(
            ids.map((row) => row.slice(from, to)),
            { dtype: 'int32' },
          );
        const whole = model.apply(params, { tokenIds: part(0, length) }).hidden;
        const empty = (): Tensor => broadcastTo(constant(0), [ids.length, 16, 3, 8]);
        const start: Cache = {
          layers: [0, 1].map(() => ({ key: empty(), value: empty() })),
          position: constant(0, { dtype: 'int32' }),
        };
        const first = model.apply(params, { tokenIds: part(0, cut) }, { cache: start });
        const second = model.apply(
          params,
          { tokenIds: part(cut, length) },
          { cache: { layers: first.presents, position: constant(cut, { dtype: 'int32' }) } },
        );
        const [all, a, b] = await evaluate([whole, first.hidden, second.hidden]);
        for (const [row] of ids.entries()) {
          const at = (start: number, size: number, array: { data: ArrayLike<number> }) => ({
            data: Float32Array.from({ length: size * 24 }, (_, i) => array.data[start * 24 + i]!),
            shape: [size, 24],
            dtype: 'float32' as const,
          });
          expectClose(at(row * cut, cut, a!), at(row * length, cut, all!), tolerance);
          expectClose(
            at(row * (length - cut), length - cut, b!),
            at(row * length + cut, length - cut, all!),
            tolerance,
          );
        }
      }),
      { numRuns: 12 },
    ));

  it('gives a batch what it gives its rows alone', () =>
    fc.assert(
      fc.asyncProperty(batches, async (ids) => {
        const outputs = [ids, ...ids.map((row) => [row])].map((tokenIds) => backbone.apply({ tokenIds }));
        const [together, ...alone] = await evaluate(outputs);
        const joined = Float32Array.from(alone.flatMap(({ data }) => Array.from(data)));
        expectClose({ ...together!, data: joined }, together!, tolerance);
      }),
      { numRuns: 12 },
    ));

  it('S79 padding on the right is inert at real places', () =>
    fc.assert(
      fc.asyncProperty(batches, fc.nat(96), async ([row], filler) => {
        const padded = [...row!, filler, filler];
        const mask = padded.map((_, i) => i < row!.length);
        const [bare, masked] = await evaluate([
          backbone.apply({ tokenIds: [row!] }),
          backbone.apply({ tokenIds: [padded], paddingMask: [mask] }),
        ]);
        expectClose({ ...bare!, data: masked!.data.slice(0, bare!.data.length) }, bare!, tolerance);
      }),
      { numRuns: 12 },
    ));

  it('S85 an intercept sees -1, 0, 1 in order; the identity changes nothing; what it returns is used', async () => {
    const seen: number[] = [];
    const tokenIds = [[5, 6, 7]];
    const plain = backbone.apply({ tokenIds });
    const same = backbone.apply(
      { tokenIds },
      {
        intercept: layerIntercept((x, index) => {
          seen.push(index);
          return x;
        }),
      },
    );
    const changed = backbone.apply(
      { tokenIds },
      { intercept: layerIntercept((x, index) => (index === -1 ? multiply(x, 0) : x)) },
    );
    const { a, b, c } = await read({ a: plain, b: same, c: changed }, { device: await open() });
    expect(seen).toEqual([-1, 0, 1]);
    expectClose(b, a);
    expect(c.data).not.toEqual(a.data);
    expect(() => backbone.apply({ tokenIds }, { intercept: () => constant(0) })).toThrow(
      'intercept: expected a tensor of shape [1, 3, 24] ([batch, length, hiddenDim]) for tokenEmbedding, got []',
    );
  });
});

describe('GPT2Backbone', () => {
  it('refuses nonsense sizes in one message', () => {
    expect(() =>
      GPT2Backbone({ vocabularySize: 0, numLayers: 1.5, numHeads: 2, hiddenDim: 8, intermediateDim: 8 }),
    ).toThrow(/vocabularySize.*numLayers/s);
  });

  it('takes other parameters of the same shapes, and no others', () => {
    expect(backbone.withParams(params).params).toBe(params);
    expect(() =>
      backbone.withParams({ ...params, layerNorm: { gamma: constant([1]), beta: params.layerNorm.beta } }),
    ).toThrow('withParams: expected layerNorm.gamma of shape [24], got [1]');
  });

  it('refuses tokens that are longer than the position table', () => {
    expect(() => backbone.apply({ tokenIds: [new Array<number>(33).fill(1)] })).toThrow('at most 32');
  });
});
