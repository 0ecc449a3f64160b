import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Cache } from '../../src/layers/cache.ts';
import { identityIntercept, layerIntercept } from '../../src/layers/intercept.ts';
import { broadcastTo } from '../../src/ops/broadcastTo.ts';
import { constant, tensor } from '../../src/ops/constant.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { type Device, read, referenceDevice } from '../../src/runtime/device.ts';
import { CausalLM } from '../../src/tasks/fromPreset.ts';
import { saveKerasPreset } from '../../src/tasks/saveKerasPreset.ts';
import type { NDArray } from '../../src/tensor/ndarray.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { leaves, paths } from '../../src/tensor/tree.ts';
import { expectClose } from '../support/agree.ts';
import { webgpuTestDevice } from '../support/device.ts';
import { temporaryFolder } from '../weights/helpers.ts';
import { familyCases } from './families.ts';

const folder = await temporaryFolder();

const devices = [
  ['reference', async () => referenceDevice],
  ['webgpu', webgpuTestDevice],
] as const satisfies readonly (readonly [string, () => Promise<Device>])[];

// Few lengths, since each is a plan of its own; the ids are any.
const batches = fc
  .tuple(fc.constantFrom(1, 3), fc.constantFrom(2, 7, 11), fc.infiniteStream(fc.nat(96)))
  .map(([batch, length, ids]) => Array.from({ length: batch }, () => [...ids.take(length)]));

/** Rounding of sums in another order. */
const tolerance = { atol: 2e-5, rtol: 2e-5 };
const runs = { numRuns: 8 };

/** Columns `from` to `to` of `[batch, length, width]`. */
const columnsOf = ({ data, shape, dtype }: NDArray, from: number, to: number): NDArray => {
  const [batch = 0, length = 0, width = 0] = shape;
  const kept = Array.from({ length: batch }, (_, row) =>
    Array.from(data.subarray((row * length + from) * width, (row * length + to) * width)),
  ).flat();
  return { data: Float32Array.from(kept), shape: [batch, to - from, width], dtype };
};

describe.each(familyCases)('$name', ({ name, backbone, presets, model: modelOf }) => {
  const { model, params } = backbone;

  describe.each(devices)('on %s', (_device, open) => {
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
          const { layers, heads, headDim } = model.cache;
          const empty = (): Tensor => broadcastTo(constant(0), [ids.length, 16, heads, headDim]);
          const start: Cache = {
            layers: Array.from({ length: layers }, () => ({ key: empty(), value: empty() })),
            position: constant(0, { dtype: 'int32' }),
          };
          const first = model.apply(params, { tokenIds: part(0, cut) }, { cache: start });
          const second = model.apply(
            params,
            { tokenIds: part(cut, length) },
            { cache: { layers: first.presents, position: constant(cut, { dtype: 'int32' }) } },
          );
          const [all, a, b] = await evaluate([
            model.apply(params, { tokenIds: part(0, length) }).hidden,
            first.hidden,
            second.hidden,
          ]);
          expectClose(a!, columnsOf(all!, 0, cut), tolerance);
          expectClose(b!, columnsOf(all!, cut, length), tolerance);
        }),
        runs,
      ));

    it('gives a batch what it gives its rows alone', () =>
      fc.assert(
        fc.asyncProperty(batches, async (ids) => {
          const outputs = [ids, ...ids.map((row) => [row])].map((tokenIds) => backbone.apply({ tokenIds }));
          const [together, ...alone] = await evaluate(outputs);
          const joined = Float32Array.from(alone.flatMap(({ data }) => Array.from(data)));
          expectClose({ ...together!, data: joined }, together!, tolerance);
        }),
        runs,
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
          expectClose(columnsOf(masked!, 0, row!.length), bare!, tolerance);
        }),
        runs,
      ));

    it('is causal: a later token changes no earlier logit', () =>
      fc.assert(
        fc.asyncProperty(batches, fc.nat(), fc.nat(96), async (ids, n, other) => {
          const at = n % ids[0]!.length;
          const changed = ids.map((row) => row.map((id, i) => (i === at ? other : id)));
          const logits = (tokenIds: readonly (readonly number[])[]): Tensor =>
            model.logits(params, backbone.apply({ tokenIds }));
          const [before, after] = await evaluate([logits(ids), logits(changed)]);
          expect(columnsOf(after!, 0, at).data).toEqual(columnsOf(before!, 0, at).data);
        }),
        runs,
      ));

    it('S85 S87: an intercept sees -1, 0, 1, … in order; the identity changes nothing; what it returns is used', async () => {
      const seen: number[] = [];
      const tokenIds = [[5, 6, 7]];
      const plain = backbone.apply({ tokenIds });
      const watched = layerIntercept((x, index) => {
        seen.push(index);
        return x;
      });
      const scaled = (layer: number) => layerIntercept((x, index) => (index === layer ? multiply(x, 0.5) : x));
      const { layers } = model.cache;
      const results = await read(
        {
          plain,
          watched: backbone.apply({ tokenIds }, { intercept: watched }),
          identity: backbone.apply({ tokenIds }, { intercept: identityIntercept }),
          embeddings: backbone.apply({ tokenIds }, { intercept: scaled(-1) }),
          first: backbone.apply({ tokenIds }, { intercept: scaled(0) }),
        },
        { device: await open() },
      );
      expect(seen).toEqual(Array.from({ length: layers + 1 }, (_, i) => i - 1));
      expect(results.watched.data).toEqual(results.plain.data);
      expect(results.identity.data).toEqual(results.plain.data);
      expect(results.embeddings.data).not.toEqual(results.plain.data);
      expect(results.first.data).not.toEqual(results.plain.data);
    });
  });

  it('has the sites that it says it has, in that order, each of the shape that it says', () => {
    const seen: string[] = [];
    model.logits(
      params,
      model.apply(
        params,
        { tokenIds: tensor([[1, 2, 3]], { dtype: 'int32' }) },
        {
          intercept: (x, { site, layer, shape }) => {
            seen.push(`${site} ${layer}`);
            expect(x.shape.length, site).toBe(shape.length);
            return x;
          },
        },
      ).hidden,
      {
        intercept: (x, { site, layer }) => {
          seen.push(`${site} ${layer}`);
          return x;
        },
      },
    );
    expect(seen).toEqual(model.sites.map(({ site, layer }) => `${site} ${layer}`));
  });

  it('has the parameters of its table, no two of one name or from the same numbers', () => {
    const { entries } = model.weights;
    const shapes = new Map(paths(params).map(([path, { shape }]) => [path, shape]));
    expect(entries.length).toBe(shapes.size);
    for (const layout of ['keras', 'transformers'] as const) {
      const sources = entries.map(({ sources }) => sources[layout]);
      expect(new Set(sources.map(({ name, part }) => JSON.stringify([name, part]))).size).toBe(entries.length);
      // Parts of one stored tensor make up the whole of it.
      const stored = new Map(sources.map(({ name, shape }) => [name, shape]));
      const elements = (all: Iterable<readonly number[]>): number =>
        [...all].reduce((total, shape) => total + shape.reduce((a, b) => a * b, 1), 0);
      expect(elements(stored.values())).toBe(elements(leaves(params).map(({ shape }) => shape)));
    }
  });

  it.each([...presets])('S25: %s has as many parameters as KerasHub says', (_id, { config, metadata }) => {
    const count = modelOf(config).weights.entries.reduce(
      (total, { shape }) => total + shape.reduce((a, b) => a * b, 1),
      0,
    );
    expect(count).toBe(metadata.params);
  });

  it("S118: written in KerasHub's layout and read again, is the same to the bit", async () => {
    const path = join(folder, name.replaceAll(/\W/g, '_'));
    const device = await webgpuTestDevice();
    await saveKerasPreset(path, { backbone, preprocessor: null });
    const loaded = await CausalLM.fromPreset(path, { device });
    expect(loaded.preprocessor).toBeNull();
    expect(loaded.backbone.config).toEqual(backbone.config);
    const before = await device.evaluate(leaves(params));
    const after = await device.evaluate(leaves(loaded.params));
    expect(paths(loaded.params).map(([place]) => place)).toEqual(paths(params).map(([place]) => place));
    for (const [i, { data }] of before.entries()) expect(after[i]!.data).toEqual(data);
  });
});
