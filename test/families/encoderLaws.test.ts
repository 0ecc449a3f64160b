import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Intercept, identityIntercept, layerIntercept } from '../../src/layers/intercept.ts';
import type { Axis } from '../../src/layers/sites.ts';
import { builtInPresets } from '../../src/models/presets.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { type Device, read, referenceDevice } from '../../src/runtime/device.ts';
import type { NDArray } from '../../src/tensor/ndarray.ts';
import type { Shape } from '../../src/tensor/shape.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { leaves, paths } from '../../src/tensor/tree.ts';
import { families } from '../../src/weights/index.ts';
import { expectClose } from '../support/agree.ts';
import { webgpuTestDevice } from '../support/device.ts';
import { encoderCases } from './encoderFamilies.ts';

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
const runs = { numRuns: 6 };

/** The places of `[batch, length, width]` that `keeps` keeps, one after the other. */
const placesOf = ({ data, shape, dtype }: NDArray, keeps: (row: number, place: number) => boolean): NDArray => {
  const [batch = 0, length = 0, width = 0] = shape;
  const kept = Array.from({ length: batch }, (_, row) =>
    Array.from({ length }, (_, place) => place)
      .filter((place) => keeps(row, place))
      .flatMap((place) => [...data.subarray((row * length + place) * width, (row * length + place + 1) * width)]),
  ).flat();
  return { data: Float32Array.from(kept), shape: [kept.length / width, width], dtype };
};

const elements = (all: Iterable<Shape>): number =>
  [...all].reduce((total, shape) => total + shape.reduce((a, b) => a * b, 1), 0);

describe.each(encoderCases)('$name', (encoder) => {
  const { family, backbone, presets, unread, model: modelOf } = encoder;
  const { model, params } = backbone;
  const maskedLM = encoder.maskedLM({ backbone });
  const textClassifier = encoder.textClassifier({ backbone, numClasses: 5 });

  describe.each(devices)('on %s', (_device, open) => {
    const evaluate = async (outputs: readonly (Tensor | undefined)[]) =>
      (await open()).evaluate(outputs.filter((each) => each !== undefined));

    it('gives a batch what it gives its rows alone', () =>
      fc.assert(
        fc.asyncProperty(batches, async (ids) => {
          const outputs = [ids, ...ids.map((row) => [row])].map((tokenIds) => backbone.apply({ tokenIds }));
          for (const output of ['sequence', 'pooled'] as const) {
            const [together, ...alone] = await evaluate(outputs.map((each) => each[output]));
            if (together === undefined) continue;
            const joined = Float32Array.from(alone.flatMap(({ data }) => Array.from(data)));
            expectClose({ ...together, data: joined }, together, tolerance);
          }
        }),
        runs,
      ));

    it('sees every place from every other', async () => {
      const tokenIds = [[5, 6, 7, 8]];
      const outputs = tokenIds[0]!.map((_, at) =>
        backbone.apply({ tokenIds: [tokenIds[0]!.map((id, i) => (i === at ? id + 20 : id))] }),
      );
      const [plain, ...changed] = await evaluate(
        [backbone.apply({ tokenIds }), ...outputs].map(({ sequence }) => sequence),
      );
      for (const each of changed)
        for (const place of [0, 1, 2, 3])
          expect(placesOf(each, (_, own) => own === place).data).not.toEqual(
            placesOf(plain!, (_, own) => own === place).data,
          );
    });

    // FNet knows no padding mask: there padding is text.
    if (model.hasPaddingMask) {
      it('S79 padding on the right is inert at real places', () =>
        fc.assert(
          fc.asyncProperty(batches, fc.nat(96), async ([row], filler) => {
            const padded = [...row!, filler, filler];
            const mask = padded.map((_, i) => i < row!.length);
            const [bare, masked] = [
              backbone.apply({ tokenIds: [row!] }),
              backbone.apply({ tokenIds: [padded], paddingMask: [mask] }),
            ];
            const [alone, beside] = await evaluate([bare.sequence, masked.sequence]);
            const real = (array: NDArray): NDArray => placesOf(array, (_, place) => place < row!.length);
            expectClose(real(beside!), real(alone!), tolerance);
            const [pooledAlone, pooledBeside] = await evaluate([bare.pooled, masked.pooled]);
            if (pooledAlone !== undefined) expectClose(pooledBeside!, pooledAlone, tolerance);
          }),
          runs,
        ));

      it('what stands in padding, in whatever order, changes no real place by a bit, wherever the padding is', () =>
        fc.assert(
          fc.asyncProperty(batches, fc.infiniteStream(fc.nat(96)), fc.nat(), async (ids, other, turn) => {
            const length = ids[0]!.length;
            // A hole in every row, at least one place and never all.
            const isReal = (row: number, place: number): boolean => (place + row + turn) % length < length / 2;
            const paddingMask = ids.map((own, row) => own.map((_, place) => isReal(row, place)));
            const replaced = ids.map((own, row) =>
              own.map((id, place) => (isReal(row, place) ? id : other.next().value)),
            );
            const turned = ids.map((own, row) => {
              const padding = own.filter((_, place) => !isReal(row, place)).reverse();
              return own.map((id, place) => (isReal(row, place) ? id : padding.pop()!));
            });
            const values = await evaluate(
              [ids, replaced, turned].map((tokenIds) => backbone.apply({ tokenIds, paddingMask }).sequence),
            );
            const [first, ...rest] = values.map((each) => placesOf(each, isReal));
            for (const each of rest) expect(each.data).toEqual(first!.data);
          }),
          runs,
        ));
    }

    it('S85 S87: an intercept sees -1, 0, 1, … in order; the identity changes nothing; what it returns is used', async () => {
      const seen: number[] = [];
      const tokenIds = [[5, 6, 7]];
      const outputOf = (intercept?: Intercept): Tensor =>
        backbone.apply({ tokenIds }, intercept === undefined ? {} : { intercept }).sequence;
      const scaled = (layer: number) => layerIntercept((x, index) => (index === layer ? multiply(x, 0.5) : x));
      const last = Math.max(...model.sites.map(({ layer }) => layer ?? -1));
      const watched = layerIntercept((x, index) => {
        seen.push(index);
        return x;
      });
      const results = await read(
        {
          plain: outputOf(),
          watched: outputOf(watched),
          identity: outputOf(identityIntercept),
          // Squared, since a norm undoes what is merely scaled.
          first: outputOf(layerIntercept((x, index) => (index === 0 ? multiply(x, x) : x))),
          last: outputOf(scaled(last)),
        },
        { device: await open() },
      );
      expect(seen).toEqual(Array.from({ length: last + 2 }, (_, i) => i - 1));
      expect(results.watched.data).toEqual(results.plain.data);
      expect(results.identity.data).toEqual(results.plain.data);
      expect(results.first.data).not.toEqual(results.plain.data);
      expect([...results.last.data]).toEqual([...results.plain.data].map((value) => value / 2));
    });
  });

  it('has the sites that it says it has, in that order, each of the shape that it says', () => {
    const { config } = backbone as { config: { hiddenDim: number; embeddingDim?: number; numHeads?: number } };
    const { embeddingDim = config.hiddenDim, numHeads = 1 } = config;
    const sizes: Partial<Record<Axis, number>> = {
      batch: 2,
      length: 3,
      queries: 3,
      keys: 3,
      heads: numHeads,
      headDim: config.hiddenDim / numHeads,
      intermediateDim: 20,
      vocabularySize: 97,
      positions: 1,
      headWidth: embeddingDim,
      classes: 5,
      1: 1,
    };
    const tokenIds = [
      [1, 2, 3],
      [4, 5, 6],
    ];
    const watch =
      (names: string[]): Intercept =>
      (x, { site, layer, shape }) => {
        names.push(`${site} ${layer}`);
        const hiddenDim = /[eE]mbedding/.test(site) ? embeddingDim : config.hiddenDim;
        expect(x.shape, site).toEqual(shape.map((axis) => (axis === 'hiddenDim' ? hiddenDim : sizes[axis])));
        return x;
      };
    for (const [task, apply] of [
      [backbone, (intercept) => backbone.apply({ tokenIds }, { intercept })],
      [maskedLM, (intercept) => maskedLM.apply({ tokenIds, maskPositions: [[0], [1]] }, { intercept })],
      [textClassifier, (intercept) => textClassifier.apply({ tokenIds }, { intercept })],
    ] as const satisfies readonly (readonly [
      typeof backbone | typeof maskedLM | typeof textClassifier,
      (i: Intercept) => unknown,
    ])[]) {
      const names: string[] = [];
      apply(watch(names));
      expect(names).toEqual(task.sites.map(({ site, layer }) => `${site} ${layer}`));
    }
  });

  it('has the parameters of its table, no two of one name or from the same numbers', () => {
    const { entries, layers } = model.weights;
    const shapes = new Map(paths(params).map(([path, { shape }]) => [path, shape]));
    expect(entries.length).toBe(shapes.size);
    for (const layout of ['keras', 'transformers'] as const) {
      const sources = entries.map(({ sources }) => sources[layout]);
      expect(new Set(sources.map(({ name, part }) => JSON.stringify([name, part]))).size).toBe(entries.length);
      // Parts of one stored tensor make up the whole of it, but for rows that stand for nothing.
      const stored = new Map(sources.map(({ name, shape }) => [name, shape]));
      expect(elements(stored.values())).toBe(
        elements(leaves(params).map(({ shape }) => shape)) + (layout === 'transformers' ? unread : 0),
      );
    }
    // Every layer stands at a place of its own, and every parameter in a layer.
    const places = layers.map(({ path }) => path.join('.'));
    expect(new Set(places).size).toBe(places.length);
    for (const { path } of entries) expect(places).toContain(path.slice(0, -1).join('.'));
  });

  it.each([...presets])('S25: %s has as many parameters as KerasHub says', (id, { config, metadata, kaggleHandle }) => {
    expect(elements(modelOf(config).weights.entries.map(({ shape }) => shape))).toBe(metadata.params);
    expect(builtInPresets.get(id)?.kaggleHandle).toBe(kaggleHandle);
  });

  it('is among the families whose presets can be read', () => {
    expect(families.filter((own) => own.family === family).map(({ kerasBackbone }) => kerasBackbone)).toContain(
      model.name,
    );
  });
});
