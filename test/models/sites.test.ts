import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Cache } from '../../src/layers/cache.ts';
import { at, compose, type Intercept, type Place, type Selector } from '../../src/layers/intercept.ts';
import { isLayerSite, type SiteInfo } from '../../src/layers/sites.ts';
import { add } from '../../src/ops/add.ts';
import { broadcastTo } from '../../src/ops/broadcastTo.ts';
import { constant, tensor } from '../../src/ops/constant.ts';
import { divide } from '../../src/ops/divide.ts';
import { identity } from '../../src/ops/identity.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { key } from '../../src/ops/random.ts';
import { sliceAxis } from '../../src/ops/slice.ts';
import { sum } from '../../src/ops/sum.ts';
import { type Device, read, referenceDevice } from '../../src/runtime/device.ts';
import { evaluateReference } from '../../src/runtime/reference/evaluate.ts';
import { plan } from '../../src/runtime/webgpu/plan.ts';
import { GPT2Backbone, GPT2CausalLM } from '../../src/tasks/gpt2.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { mapTree, paths } from '../../src/tensor/tree.ts';
import { gradients } from '../../src/transforms/gradients.ts';
import { expectAgrees, expectClose } from '../support/agree.ts';
import { testDevice, webgpuTestDevice } from '../support/device.ts';
import { drawn } from '../support/draw.ts';

const sizes = {
  vocabularySize: 23,
  numLayers: 2,
  numHeads: 3,
  hiddenDim: 12,
  intermediateDim: 20,
  maxSequenceLength: 16,
} as const;

const fresh = GPT2Backbone({ ...sizes, seed: 3 });
// Weights large enough that every site matters, gains and offsets that are not 1 and 0, computed once.
let seed = 0;
const params = mapTree(fresh.params, (parameter) => {
  const [array] = evaluateReference([
    add(multiply(parameter, 6), drawn(parameter.shape, { low: -0.3, high: 0.3, seed: seed++ })),
  ]);
  return tensor(array!);
}) as typeof fresh.params;

const backbone = fresh.withParams(params);
const lm = GPT2CausalLM({ backbone });
const tokenIds = [
  [1, 2, 3, 4, 5],
  [7, 6, 5, 22, 0],
];

const devices = [
  ['reference', async () => referenceDevice],
  ['webgpu', webgpuTestDevice],
] as const satisfies readonly (readonly [string, () => Promise<Device>])[];

const axes: Readonly<Record<string, number>> = {
  batch: 2,
  length: 5,
  queries: 5,
  keys: 5,
  heads: 3,
  headDim: 4,
  hiddenDim: 12,
  intermediateDim: 20,
  vocabularySize: 23,
  1: 1,
};

const nameOf = ({ site, layer }: Pick<SiteInfo, 'site' | 'layer'>): string =>
  layer === undefined ? site : `${site} ${layer}`;

const selectorOf = ({ site, layer }: Pick<SiteInfo, 'site' | 'layer'>): Selector =>
  layer === undefined ? ({ site } as Selector) : ({ site, layer } as Selector);

/** Every activation of one forward pass, by name. */
const watched = (): { readonly seen: Record<string, Tensor>; readonly intercept: Intercept } => {
  const seen: Record<string, Tensor> = {};
  return {
    seen,
    intercept: (x, place) => {
      seen[nameOf(place)] = x;
      return x;
    },
  };
};

/** Rounding of sums in another order, where large weights make it larger. */
const tolerance = { atol: 1e-4, rtol: 1e-4 };

describe('the sites of a model', () => {
  it('are all called once, in order, with the shapes of the table', () => {
    const calls: { readonly place: Place; readonly x: Tensor }[] = [];
    lm.apply(
      { tokenIds },
      {
        intercept: (x, place) => {
          calls.push({ place, x });
          return x;
        },
      },
    );
    expect(calls.map(({ place: { site, layer, shape } }) => ({ site, layer, shape }))).toEqual(lm.sites);
    for (const { place, x } of calls) {
      expect(x.shape, nameOf(place)).toEqual(place.shape.map((axis) => axes[axis]));
      expect(x.dtype, nameOf(place)).toBe('float32');
      expect(place.position, nameOf(place)).toBeUndefined();
    }
    expect(lm.sites.filter(({ site }) => isLayerSite(site)).length).toBe(2 * 20);
  });

  it('left alone cost nothing: the plan is that of a pass without an intercept', async () => {
    const { traits } = await testDevice();
    const steps = (intercept?: Intercept, cache?: Cache) =>
      plan([lm.apply({ tokenIds }, { ...(intercept && { intercept }), ...(cache && { cache }) })], {
        traits,
      }).steps.map(({ kernel, workgroups }) => ({ kernel, workgroups }));
    const same: Intercept = (x) => x;
    expect(steps(same)).toEqual(steps());
    expect(steps(compose(same, at({ site: 'pattern' }, same)))).toEqual(steps());
    const cache: Cache = {
      layers: [0, 1].map(() => ({ key: drawn([2, 9, 3, 4]), value: drawn([2, 9, 3, 4]) })),
      position: constant(4, { dtype: 'int32' }),
    };
    expect(steps(same, cache)).toEqual(steps(undefined, cache));
    // Only the layer whose pattern is replaced has another attention.
    const attentions = (intercept?: Intercept) =>
      steps(intercept).filter(({ kernel }) => kernel.kind === 'file' && kernel.shader.startsWith('attention')).length;
    expect(attentions(at({ site: 'pattern', layer: 1 }, identity))).toBe(attentions() / 2);
  });

  it('of another model are refused before anything is built', () => {
    const wrong = at({ site: 'pattern', layer: 2 }, (x) => x);
    const message =
      "intercept: expected a layer of GPT2Backbone from 0 to 1, got { site: 'pattern', layer: 2 }; the nearest is { site: 'pattern', layer: 1 }";
    expect(() => lm.apply({ tokenIds }, { intercept: wrong })).toThrow(message);
    expect(() => backbone.apply({ tokenIds }, { intercept: wrong })).toThrow(message);
    expect(() => lm.score({ tokenIds, intercept: wrong })).toThrow(message);
    // A backbone gives hidden states: nobody would call an intercept for logits.
    expect(backbone.sites).toEqual(lm.sites.filter(({ site }) => site !== 'logits'));
    expect(() => backbone.apply({ tokenIds }, { intercept: at({ site: 'logits' }, (x) => x) })).toThrow(
      /^intercept: expected a site of GPT2Backbone, got \{ site: 'logits' \}; the nearest are /,
    );
  });
});

describe.each(devices)('the sites of a model on %s', (_name, open) => {
  it('hold what they say', async () => {
    const { seen, intercept } = watched();
    const { hidden } = backbone.model.apply(params, { tokenIds: tensor(tokenIds, { dtype: 'int32' }) }, { intercept });
    const logits = backbone.model.logits(params, hidden, { intercept });
    const at = (name: string): Tensor => seen[name]!;
    const layer = params.transformerLayers[1]!;
    const pairs: Readonly<Record<string, readonly [Tensor, Tensor]>> = {
      embeddings: [at('embeddings'), add(at('tokenEmbedding'), at('positionEmbedding'))],
      residualPre: [at('residualPre 1'), at('residualPost 0')],
      attentionNormOut: [
        at('attentionNormOut 1'),
        add(
          multiply(at('attentionNormalized 1'), layer.selfAttentionLayerNorm.gamma),
          layer.selfAttentionLayerNorm.beta,
        ),
      ],
      pattern: [sum(at('pattern 1'), { axis: -1 }), broadcastTo(constant(1), [2, 3, 5])],
      perHead: [at('attentionOut 1'), add(sum(at('perHead 1'), { axis: 2 }), layer.selfAttention.output.bias!)],
      residualMid: [at('residualMid 1'), add(at('residualPre 1'), at('attentionOut 1'))],
      residualPost: [at('residualPost 1'), add(at('residualMid 1'), at('mlpOut 1'))],
      finalNormOut: [
        at('finalNormOut'),
        add(multiply(at('finalNormalized'), params.layerNorm.gamma), params.layerNorm.beta),
      ],
      hidden: [at('finalNormOut'), hidden],
      logits: [at('logits'), logits],
    };
    const values = await read(
      { pairs, scores: at('scores 0'), scale: at('mlpNormScale 1'), x: at('residualMid 1') },
      {
        device: await open(),
      },
    );
    for (const [name, [actual, expected]] of Object.entries(values.pairs)) {
      expect(actual.shape, name).toEqual(expected.shape);
      expectClose(actual, expected, tolerance);
    }
    // Scores are masked: the first query sees the first key alone.
    expect([...values.scores.data.slice(1, 5)]).toEqual([-1e9, -1e9, -1e9, -1e9].map(Math.fround));
    const row = [...values.x.data.slice(0, 12)];
    const mean = row.reduce((a, b) => a + b) / 12;
    const variance = row.reduce((a, b) => a + (b - mean) ** 2, 0) / 12;
    expect(values.scale.data[0]).toBeCloseTo(Math.sqrt(variance + 1e-5), 5);
  });

  it('given back as nodes of their own give the same logits, one at a time and all together', async () => {
    const device = await open();
    const replaced = lm.sites.map((info) => lm.apply({ tokenIds }, { intercept: at(selectorOf(info), identity) }));
    const [plain, all, ...one] = await device.evaluate([
      lm.apply({ tokenIds }),
      lm.apply({ tokenIds }, { intercept: identity }),
      ...replaced,
    ]);
    expectClose(all!, plain!, tolerance);
    for (const logits of one) expectClose(logits, plain!, tolerance);
  });

  it("hold each head's share with LoRA on the output projection too", async () => {
    const device = await open();
    const enabled = backbone.enableLora({ rank: 2, targetLayerNames: ['attention_output'] });
    // Factors that do something: B starts at 0.
    const own = enabled.withParams(
      mapTree(enabled.params, (x) => (x.shape[0] === 2 && x.shape.length === 2 ? drawn(x.shape) : x)) as typeof params,
    );
    const [plain, split, without] = await device.evaluate([
      own.apply({ tokenIds }),
      own.apply({ tokenIds }, { intercept: at({ site: 'perHead' }, identity) }),
      backbone.apply({ tokenIds }),
    ]);
    expectClose(split!, plain!, tolerance);
    expect(plain!.data).not.toEqual(without!.data);
  });

  it('are all used: what takes their place changes the logits', async () => {
    const device = await open();
    const changed = lm.sites.map((info) =>
      lm.apply(
        { tokenIds },
        { intercept: at(selectorOf(info), (x) => multiply(x, drawn(x.shape, { low: 0.5, high: 1.5 }))) },
      ),
    );
    const [plain, ...others] = await device.evaluate([lm.apply({ tokenIds }), ...changed]);
    for (const [i, logits] of others.entries()) {
      const furthest = Math.max(...Array.from(logits.data, (value, place) => Math.abs(value - plain!.data[place]!)));
      expect(furthest, nameOf(lm.sites[i]!)).toBeGreaterThan(1e-3);
    }
  });

  it('with a cache hold the new tokens only, and keys up to its capacity', async () => {
    const capacity = 9;
    const empty = (): Tensor => broadcastTo(constant(0), [2, capacity, 3, 4]);
    const start: Cache = {
      layers: [0, 1].map(() => ({ key: empty(), value: empty() })),
      position: constant(0, { dtype: 'int32' }),
    };
    const ids = tensor(tokenIds, { dtype: 'int32' });
    const first = backbone.model.apply(params, { tokenIds: sliceAxis(ids, 1, 0, 4) }, { cache: start });
    const position = constant(4, { dtype: 'int32' });
    const step = watched();
    const places: Place[] = [];
    const context = {
      cache: { layers: first.presents, position },
      intercept: compose(step.intercept, (x, place) => {
        places.push(place);
        return x;
      }),
    };
    const { hidden } = backbone.model.apply(params, { tokenIds: sliceAxis(ids, 1, 4, 5) }, context);
    backbone.model.logits(params, hidden, context);
    expect(places.map(({ site, layer }) => ({ site, layer }))).toEqual(
      lm.sites.map(({ site, layer }) => ({ site, layer })),
    );
    for (const place of places) {
      expect(place.position).toBe(position);
      expect(step.seen[nameOf(place)]!.shape, nameOf(place)).toEqual(
        place.shape.map((axis) =>
          axis === 'length' || axis === 'queries' ? 1 : axis === 'keys' ? capacity : axes[axis],
        ),
      );
    }
    // The last row of the whole text, with zeros for keys that are still to come.
    const whole = watched();
    lm.apply({ tokenIds }, { intercept: whole.intercept });
    const values = await read(
      { cached: step.seen['pattern 1']!, plain: whole.seen['pattern 1']! },
      { device: await open() },
    );
    for (let row = 0; row < 6; row++) {
      const cached = [...values.cached.data.slice(row * capacity, (row + 1) * capacity)];
      const plain = [...values.plain.data.slice(row * 25 + 20, row * 25 + 25), 0, 0, 0, 0];
      cached.forEach((value, i) => {
        expect(Math.abs(value - plain[i]!)).toBeLessThan(1e-5);
      });
    }
  });

  const changes: fc.Arbitrary<Intercept> = fc
    .array(
      fc
        .record({ info: fc.constantFrom(...lm.sites), factor: fc.constantFrom(0, 0.5, -1, 1.5) })
        // Scores are masked by what they are: their sign must stay.
        .map(({ info, factor }) =>
          at(selectorOf(info), (x) => multiply(x, info.site === 'scores' ? 0.5 : factor === 0 ? 0.1 : factor)),
        ),
      { minLength: 1, maxLength: 3 },
    )
    .map((parts) => compose(...parts));

  it('with a cache, in two calls, do what they do in one', () =>
    fc.assert(
      fc.asyncProperty(changes, fc.integer({ min: 1, max: 4 }), async (intercept, cut) => {
        const ids = tensor(tokenIds, { dtype: 'int32' });
        const empty = (): Tensor => broadcastTo(constant(0), [2, 8, 3, 4]);
        const start: Cache = {
          layers: [0, 1].map(() => ({ key: empty(), value: empty() })),
          position: constant(0, { dtype: 'int32' }),
        };
        const { model } = backbone;
        const logits = (part: Tensor, cache: Cache) => {
          const context = { cache, intercept };
          const { hidden, presents } = model.apply(params, { tokenIds: part }, context);
          return { presents, logits: model.logits(params, hidden, context) };
        };
        const first = logits(sliceAxis(ids, 1, 0, cut), start);
        const second = logits(sliceAxis(ids, 1, cut, 5), {
          layers: first.presents,
          position: constant(cut, { dtype: 'int32' }),
        });
        const plain = lm.apply({ tokenIds }, { intercept });
        const [a, b, c, d] = await (await open()).evaluate([
          first.logits,
          sliceAxis(plain, 1, 0, cut),
          second.logits,
          sliceAxis(plain, 1, cut, 5),
        ]);
        expectClose(a!, b!, tolerance);
        expectClose(c!, d!, tolerance);
      }),
      { numRuns: 12 },
    ));
});

describe('gradients with respect to sites', () => {
  const weights = drawn([2, 5, 23], { seed: 8 });
  const objective = (intercept: Intercept): Tensor => sum(multiply(lm.apply({ tokenIds }, { intercept }), weights));

  it.each(['pattern', 'scores', 'attentionNormScale', 'mlpNormalized', 'perHead', 'mlpPost', 'query'] as const)(
    'exist for %s given back as a node of its own, and are central differences',
    async (site) => {
      let caught: Tensor | undefined;
      const y = objective(
        at({ site, layer: 0 }, (x) => {
          caught = x;
          return identity(x);
        }),
      );
      const [dx] = gradients(y, [caught!]);
      const [gradient] = await expectAgrees([dx!], { atol: 1e-3, rtol: 1e-3 });
      const step = 1e-4;
      const n = gradient!.data.length;
      // In the lower triangle, where patterns are not masked.
      for (const place of [0, Math.floor(n / 5) - (site === 'pattern' || site === 'scores' ? 0 : 1)]) {
        const bump = (by: number) =>
          tensor(
            Float32Array.from({ length: n }, (_, i) => (i === place ? by : 0)),
            { shape: gradient!.shape },
          );
        const [above, below] = evaluateReference(
          [step, -step].map((by) => objective(at({ site, layer: 0 }, (x) => add(x, bump(by))))),
        );
        const slope = (above!.data[0]! - below!.data[0]!) / (2 * step);
        expect(Math.abs(slope - gradient!.data[place]!)).toBeLessThan(2e-2 * Math.max(1, Math.abs(slope)));
      }
    },
  );
});

describe('dropout in a model', () => {
  const dropped = (seed: number, rate?: number) =>
    lm.apply({ tokenIds }, { dropout: { key: key(seed), ...(rate === undefined ? {} : { rate }) } });

  it('is the same for one key on both interpreters, and other for another key', async () => {
    const [one, again, other, plain] = await expectAgrees(
      [dropped(1), dropped(1), dropped(2), lm.apply({ tokenIds })],
      tolerance,
    );
    expectClose(again!, one!);
    expect(other!.data).not.toEqual(one!.data);
    expect(plain!.data).not.toEqual(one!.data);
  });

  it('has the rate of the config by default, and is not there at 0', () => {
    const [own, given, none, plain] = evaluateReference([
      dropped(1),
      dropped(1, 0.1),
      dropped(1, 0),
      lm.apply({ tokenIds }),
    ]);
    expectClose(given!, own!);
    expectClose(none!, plain!);
    expect(given!.data).not.toEqual(plain!.data);
  });

  it('drops after the embeddings, from the pattern, after attention and after the MLP, each by a mask of its own', () => {
    const seen: Record<string, Tensor> = {};
    lm.apply(
      { tokenIds },
      {
        dropout: { key: key(5), rate: 0.5 },
        intercept: (x, place) => {
          seen[nameOf(place)] = x;
          return x;
        },
      },
    );
    // What was dropped is 0 where it was added to the stream, and doubled elsewhere.
    const ratio = (after: Tensor, before: Tensor): number[] =>
      [...evaluateReference([divide(after, before)])[0]!.data].map((value) => Math.round(value * 1e3) / 1e3);
    const minus = (a: string, b: string) => add(seen[a]!, multiply(seen[b]!, -1));
    const masks = [
      ratio(seen['residualPre 0']!, seen.embeddings!),
      ...[0, 1].flatMap((i) => [
        ratio(minus(`residualMid ${i}`, `residualPre ${i}`), seen[`attentionOut ${i}`]!),
        ratio(minus(`residualPost ${i}`, `residualMid ${i}`), seen[`mlpOut ${i}`]!),
      ]),
    ].map((mask) => mask.map(Math.abs));
    for (const mask of masks) {
      expect(new Set(mask)).toEqual(new Set([0, 2]));
      expect(mask.filter((value) => value === 0).length / mask.length).toBeGreaterThan(0.3);
    }
    expect(new Set(masks.map(String)).size).toBe(masks.length);
  });

  it('lets gradients of all parameters through', async () => {
    const y = sum(multiply(dropped(3, 0.3), drawn([2, 5, 23], { seed: 4 })));
    const named = paths(params);
    const dxs = gradients(
      y,
      named.map(([, x]) => x),
    );
    const values = await expectAgrees(dxs, { atol: 2e-3, rtol: 2e-3 });
    for (const [i, { data }] of values.entries())
      if (!named[i]![0].endsWith('key.bias'))
        expect(
          data.some((value) => value !== 0),
          named[i]![0],
        ).toBe(true);
  });
});
