import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Cache } from '../../src/layers/cache.ts';
import { at, compose, type Intercept, identityIntercept, type Selector } from '../../src/layers/intercept.ts';
import type { SiteInfo } from '../../src/layers/sites.ts';
import { broadcastTo } from '../../src/ops/broadcastTo.ts';
import { constant, tensor } from '../../src/ops/constant.ts';
import { identity } from '../../src/ops/identity.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { sum } from '../../src/ops/sum.ts';
import { type Device, read, referenceDevice } from '../../src/runtime/device.ts';
import { plan } from '../../src/runtime/webgpu/plan.ts';
import { BartBackbone, BartSeq2SeqLM } from '../../src/tasks/bart.ts';
import type { NDArray } from '../../src/tensor/ndarray.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { leaves, paths } from '../../src/tensor/tree.ts';
import { gradients } from '../../src/transforms/gradients.ts';
import { expectClose } from '../support/agree.ts';
import { testDevice, webgpuTestDevice } from '../support/device.ts';

const backbone = BartBackbone({
  vocabularySize: 131,
  numLayers: 2,
  numHeads: 3,
  hiddenDim: 12,
  intermediateDim: 20,
  decoderNumLayers: 1,
  decoderNumHeads: 2,
  decoderIntermediateDim: 14,
  maxSequenceLength: 32,
  seed: 3,
});
const { model, params } = backbone;
const lm = BartSeq2SeqLM({ backbone });

const devices = [
  ['reference', async () => referenceDevice],
  ['webgpu', webgpuTestDevice],
] as const satisfies readonly (readonly [string, () => Promise<Device>])[];

type Rows = readonly (readonly number[])[];

const int32 = (rows: Rows): Tensor => tensor(rows as number[][], { dtype: 'int32' });

// Few lengths, since each is a plan of its own; the ids are any.
const texts = fc
  .tuple(fc.constantFrom(1, 3), fc.constantFrom(3, 8), fc.constantFrom(2, 7), fc.infiniteStream(fc.nat(130)))
  .map(([batch, read, written, ids]) => {
    const rows = (length: number): Rows => Array.from({ length: batch }, () => [...ids.take(length)]);
    return { encoderTokenIds: rows(read), decoderTokenIds: rows(written) };
  });

/** Rounding of sums in another order. */
const tolerance = { atol: 2e-5, rtol: 2e-5 };
const runs = { numRuns: 6 };

/** Columns `from` to `to` of `[batch, length, width]`. */
const columnsOf = ({ data, shape, dtype }: NDArray, from: number, to: number): NDArray => {
  const [batch = 0, length = 0, width = 0] = shape;
  const kept = Array.from({ length: batch }, (_, row) =>
    Array.from(data.subarray((row * length + from) * width, (row * length + to) * width)),
  ).flat();
  return { data: Float32Array.from(kept), shape: [batch, to - from, width], dtype };
};

const apply = (encoderTokenIds: Rows, decoderTokenIds: Rows): Tensor =>
  lm.apply({ encoderTokenIds: int32(encoderTokenIds), decoderTokenIds: int32(decoderTokenIds) });

describe.each(devices)('BART on %s', (_name, open) => {
  const evaluate = async (outputs: readonly Tensor[]) => (await open()).evaluate(outputs);

  it('S64: with a cache, in two calls over one memory, gives what one call gives', () =>
    fc.assert(
      fc.asyncProperty(texts, fc.nat(), async ({ encoderTokenIds, decoderTokenIds }, n) => {
        const length = decoderTokenIds[0]!.length;
        const cut = 1 + (n % (length - 1));
        const memory = model.remember(params, model.encode(params, { tokenIds: int32(encoderTokenIds) }), undefined);
        const part = (from: number, to: number) => ({
          tokenIds: int32(decoderTokenIds.map((row) => row.slice(from, to))),
        });
        const { layers, heads, headDim } = model.decoder.cache;
        const empty = (): Tensor => broadcastTo(constant(0), [decoderTokenIds.length, 16, heads, headDim]);
        const start: Cache = {
          layers: Array.from({ length: layers }, () => ({ key: empty(), value: empty() })),
          position: constant(0, { dtype: 'int32' }),
        };
        const first = model.decoder.apply(params, part(0, cut), { cache: start, memory });
        const second = model.decoder.apply(params, part(cut, length), {
          cache: { layers: first.presents, position: constant(cut, { dtype: 'int32' }) },
          memory,
        });
        const [all, a, b] = await evaluate([
          model.decoder.apply(params, part(0, length), { memory }).hidden,
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
      fc.asyncProperty(texts, async ({ encoderTokenIds, decoderTokenIds }) => {
        const [together, ...alone] = await evaluate([
          apply(encoderTokenIds, decoderTokenIds),
          ...encoderTokenIds.map((row, i) => apply([row], [decoderTokenIds[i]!])),
        ]);
        const joined = Float32Array.from(alone.flatMap(({ data }) => Array.from(data)));
        expectClose({ ...together!, data: joined }, together!, tolerance);
      }),
      runs,
    ));

  it('S79: padding on the right is inert, of the encoder everywhere, of the decoder at real places', () =>
    fc.assert(
      fc.asyncProperty(texts, fc.nat(130), async ({ encoderTokenIds, decoderTokenIds }, filler) => {
        const padded = (rows: Rows) => ({
          ids: int32(rows.map((row) => [...row, filler, filler])),
          mask: rows.map((row) => [...row.map(() => true), false, false]),
        });
        const [encoder, decoder] = [padded(encoderTokenIds), padded(decoderTokenIds)];
        const [bare, masked] = await evaluate([
          apply(encoderTokenIds, decoderTokenIds),
          lm.apply({
            encoderTokenIds: encoder.ids,
            encoderPaddingMask: encoder.mask,
            decoderTokenIds: decoder.ids,
            decoderPaddingMask: decoder.mask,
          }),
        ]);
        expectClose(columnsOf(masked!, 0, decoderTokenIds[0]!.length), bare!, tolerance);
      }),
      runs,
    ));

  it('is causal on the decoder’s side: a later token changes no earlier logit; all see all of the encoder', () =>
    fc.assert(
      fc.asyncProperty(texts, fc.nat(), fc.nat(129), async ({ encoderTokenIds, decoderTokenIds }, n, shift) => {
        const place = n % decoderTokenIds[0]!.length;
        const changed = (rows: Rows, wanted: number): Rows =>
          rows.map((row) => row.map((id, i) => (i === wanted ? (id + 1 + shift) % 131 : id)));
        const last = encoderTokenIds[0]!.length - 1;
        const [before, after, other] = await evaluate([
          apply(encoderTokenIds, decoderTokenIds),
          apply(encoderTokenIds, changed(decoderTokenIds, place)),
          apply(changed(encoderTokenIds, last), decoderTokenIds),
        ]);
        expect(columnsOf(after!, 0, place).data).toEqual(columnsOf(before!, 0, place).data);
        expect(columnsOf(other!, 0, 1).data).not.toEqual(columnsOf(before!, 0, 1).data);
      }),
      runs,
    ));
});

const inputs = {
  encoderTokenIds: int32([
    [1, 2, 3, 4],
    [5, 6, 7, 8],
  ]),
  decoderTokenIds: int32([
    [2, 0, 9],
    [2, 0, 10],
  ]),
};
const axes: Readonly<Record<'encoder' | 'decoder', Readonly<Record<string, number>>>> = {
  encoder: { length: 4, queries: 4, keys: 4, heads: 3, headDim: 4, intermediateDim: 20 },
  decoder: { length: 3, queries: 3, keys: 3, encoderLength: 4, heads: 2, headDim: 6, intermediateDim: 14 },
};
const nameOf = ({ stack, site, layer }: SiteInfo): string => `${stack} ${site} ${layer}`;

describe('the sites of BART', () => {
  it('are all called once, in order, with the shapes of the table', () => {
    const called: string[] = [];
    lm.apply(inputs, {
      intercept: (x, place) => {
        called.push(nameOf(place));
        const sizes = { batch: 2, hiddenDim: 12, vocabularySize: 131, 1: 1, ...axes[place.stack!] };
        expect(x.shape, nameOf(place)).toEqual(place.shape.map((axis) => sizes[axis as keyof typeof sizes]));
        return x;
      },
    });
    expect(called).toEqual(lm.sites.map(nameOf));
    expect(new Set(called).size).toBe(called.length);
  });

  it('left alone cost nothing: the plan is that of a pass without an intercept', async () => {
    const { traits } = await testDevice();
    const steps = (intercept: Intercept | undefined) =>
      plan([lm.apply(inputs, intercept && { intercept })], { traits }).steps.map(({ kernel, workgroups }) => ({
        kernel,
        workgroups,
      }));
    const same: Intercept = (x) => x;
    expect(steps(same)).toEqual(steps(undefined));
    expect(steps(compose(same, identityIntercept))).toEqual(steps(undefined));
  });

  it('give back what they get, node for node: replaced by a copy, nothing changes', async () => {
    const device = await webgpuTestDevice();
    const copied: Intercept = (x) => identity(x);
    const kept = lm.sites.filter(({ site }) => !/Scale|Normalized/.test(site));
    const only = (stack: 'encoder' | 'decoder') =>
      compose(
        ...kept
          .filter((info) => info.stack === stack)
          .map(({ site, layer }) => at({ site, stack, ...(layer === undefined ? {} : { layer }) } as Selector, copied)),
      );
    const [plain, encoder, decoder] = await device.evaluate([
      lm.apply(inputs),
      lm.apply(inputs, { intercept: only('encoder') }),
      lm.apply(inputs, { intercept: only('decoder') }),
    ]);
    expectClose(encoder!, plain!, tolerance);
    expectClose(decoder!, plain!, tolerance);
  });

  it('tell the stacks apart', async () => {
    const halved = (selector: Selector) => lm.apply(inputs, { intercept: at(selector, (x) => multiply(x, 0.5)) });
    const { plain, both, encoder, decoder, cross } = await read(
      {
        plain: lm.apply(inputs),
        both: halved({ site: 'residualPost', layer: 0 }),
        encoder: halved({ site: 'residualPost', layer: 0, stack: 'encoder' }),
        decoder: halved({ site: 'residualPost', layer: 0, stack: 'decoder' }),
        cross: halved({ site: 'crossPattern' }),
      },
      { device: referenceDevice },
    );
    const all = [plain, both, encoder, decoder, cross].map(({ data }) => Array.from(data).join());
    expect(new Set(all).size).toBe(5);
  });

  it('that are not there are refused by name', () => {
    const refused = (selector: Selector) => () => lm.apply(inputs, { intercept: at(selector, (x) => x) });
    expect(refused({ site: 'crossPattern', stack: 'encoder', layer: 0 })).toThrow(
      "intercept: expected a site of BartBackbone, got { site: 'crossPattern', layer: 0, stack: 'encoder' }; the nearest are pattern",
    );
    expect(refused({ site: 'pattern', stack: 'decoder', layer: 1 })).toThrow(
      "got { site: 'pattern', layer: 1, stack: 'decoder' }; the nearest is { site: 'pattern', layer: 0, stack: 'decoder' }",
    );
    expect(refused({ site: 'finalNormOut' })).toThrow('expected a site of BartBackbone');
    expect(refused({ site: 'pattern', stack: 'middle' } as unknown as Selector)).toThrow(
      'intercept: expected a stack of BartBackbone (encoder, decoder), got {"site":"pattern","stack":"middle"}',
    );
  });

  it('S89: have gradients through both stacks', async () => {
    let embeddings: Tensor | undefined;
    const loss = lm.score({
      ...inputs,
      targetIds: inputs.decoderTokenIds,
      scoringMode: 'loss',
      encoderLayerInterceptFn: (x, i) => {
        if (i === -1) embeddings = x;
        return x;
      },
    });
    const [slope] = await referenceDevice.evaluate(gradients(sum(loss), [embeddings!]));
    expect(slope!.shape).toEqual([2, 4, 12]);
    expect(slope!.data.some((value) => Math.abs(value) > 1e-6)).toBe(true);
  });
});

describe('the weights of BART', () => {
  it('are those of its table, no two of one name', () => {
    const { entries } = model.weights;
    expect(entries.length).toBe(paths(params).length);
    for (const layout of ['keras', 'transformers'] as const)
      expect(new Set(entries.map(({ sources }) => sources[layout].name)).size).toBe(entries.length);
    expect(backbone.countParams()).toBe(
      leaves(params).reduce((total, { shape }) => total + shape.reduce((a, b) => a * b, 1), 0),
    );
  });

  it('ask the decoder for a memory', () => {
    expect(() => model.decoder.apply(params, { tokenIds: inputs.decoderTokenIds })).toThrow(
      'BART: expected the decoder to get a memory of its 1 layers (what remember gives), got none',
    );
  });
});
