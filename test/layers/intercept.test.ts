import fc from 'fast-check';
import { describe, expect, expectTypeOf, it } from 'vitest';
import {
  at,
  checkIntercept,
  compose,
  type Intercept,
  identityIntercept,
  interceptMonoid,
  layerIntercept,
  type Place,
  type Selector,
  tapOf,
} from '../../src/layers/intercept.ts';
import { decoderSites, preNormSites, type Site, siteInfo } from '../../src/layers/sites.ts';
import { add } from '../../src/ops/add.ts';
import { cast } from '../../src/ops/cast.ts';
import { constant } from '../../src/ops/constant.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { referenceValues } from '../support/draw.ts';

const sites = decoderSites(3);

/** Intercepts that do something one can tell apart: sums and products do not commute. */
const intercepts: fc.Arbitrary<Intercept> = fc
  .record({
    number: fc.integer({ min: -3, max: 3 }),
    adds: fc.boolean(),
    info: fc.option(fc.constantFrom(...sites), { nil: undefined }),
    everyLayer: fc.boolean(),
    isIdentity: fc.boolean(),
  })
  .map(({ number, adds, info, everyLayer, isIdentity }) => {
    if (isIdentity) return identityIntercept;
    const f: Intercept = (x) => (adds ? add(x, number) : multiply(x, number));
    if (info === undefined) return f;
    const { site, layer } = info;
    return at({ site, ...(everyLayer || layer === undefined ? {} : { layer }) } as Selector, f);
  });

const places: fc.Arbitrary<Place> = fc.constantFrom(...sites).map((info) => ({ ...info, position: undefined }));

/** Everything one can see of an intercept: what it does at a place, and what it asks for. */
const seen = (intercept: Intercept, place: Place) => ({
  values: referenceValues(intercept(constant([1, -2, 5]), place)),
  selectors: intercept.selectors ?? [],
});

describe('intercepts', () => {
  it('are a monoid: the identity is neutral on both sides', () =>
    fc.assert(
      fc.property(intercepts, places, (f, place) => {
        const { empty, concat } = interceptMonoid;
        expect(seen(concat(empty, f), place)).toEqual(seen(f, place));
        expect(seen(concat(f, empty), place)).toEqual(seen(f, place));
      }),
    ));

  it('are a monoid: it does not matter how one brackets', () =>
    fc.assert(
      fc.property(intercepts, intercepts, intercepts, places, (f, g, h, place) => {
        const { concat } = interceptMonoid;
        const left = seen(concat(concat(f, g), h), place);
        expect(seen(concat(f, concat(g, h)), place)).toEqual(left);
        expect(seen(compose(f, g, h), place)).toEqual(left);
      }),
    ));

  it('are applied in the order in which they stand', () => {
    const place: Place = { ...sites[0]!, position: undefined };
    const first: Intercept = (x) => add(x, 1);
    const then: Intercept = (x) => multiply(x, 10);
    expect(referenceValues(compose(first, then)(constant([1]), place))).toEqual([20]);
    expect(compose()).toBe(identityIntercept);
    expect(compose(first)).toBe(first);
  });

  it('made by at see their own sites and layers only', () => {
    const visited = (selector: Selector) => {
      const names: string[] = [];
      const watch = at(selector, (x, { site, layer }) => {
        names.push(`${site} ${layer}`);
        return x;
      });
      checkIntercept('a model', watch, sites);
      for (const info of sites) watch(constant([1]), { ...info, position: undefined });
      return names;
    };
    expect(visited({ site: 'pattern' })).toEqual(['pattern 0', 'pattern 1', 'pattern 2']);
    expect(visited({ site: 'pattern', layer: 1 })).toEqual(['pattern 1']);
    expect(visited({ site: ['mlpOut', 'query'], layer: [2, 0] })).toEqual([
      'query 0',
      'mlpOut 0',
      'query 2',
      'mlpOut 2',
    ]);
    expect(visited({ site: ['logits', 'embeddings'] })).toEqual(['embeddings undefined', 'logits undefined']);
  });

  it("made by layerIntercept see what KerasHub's do: -1, 0, 1, …", () => {
    const order: number[] = [];
    const watch = layerIntercept((x, i) => {
      order.push(i);
      return x;
    });
    for (const info of sites) watch(constant([1]), { ...info, position: undefined });
    expect(order).toEqual([-1, 0, 1, 2]);
  });

  it('that ask for what is not there are refused, with what comes nearest', () => {
    const refused = (selector: unknown) => () =>
      checkIntercept('the model', compose(identityIntercept, at(selector as Selector, identityIntercept)), sites);
    expect(refused({ site: 'pattern', layer: 3 })).toThrow(
      "intercept: expected a layer of the model from 0 to 2, got { site: 'pattern', layer: 3 }; the nearest is { site: 'pattern', layer: 2 }",
    );
    expect(refused({ site: 'z', layer: [0, -1] })).toThrow(
      "got { site: 'z', layer: -1 }; the nearest is { site: 'z', layer: 0 }",
    );
    expect(refused({ site: 'patern', layer: 0 })).toThrow(
      /expected a site of the model, got \{ site: 'patern', layer: 0 \}; the nearest are pattern, /,
    );
    expect(refused({ site: 'residual' })).toThrow(/the nearest are residual(Pre|Mid|Post), residual/);
    expect(refused({ site: 'embeddings', layer: 0 })).toThrow(
      "intercept: expected embeddings without a layer, since the model has it once, got { site: 'embeddings', layer: 0 }; leave layer out",
    );
    expect(refused({ site: [] })).toThrow('got an empty list in {"site":[]}');
    expect(refused({ site: 'z', layer: [] })).toThrow('got an empty list');
    expect(refused({ site: 'z', layer: 1.5 })).toThrow("got { site: 'z', layer: 1.5 }");
    expect(() => checkIntercept('the model', 3 as unknown as Intercept, sites)).toThrow(
      'intercept: expected a function (x, { site, layer }) => Tensor, got number',
    );
  });

  it('that give something else back are refused by site and layer', () => {
    const given = (value: unknown) => () =>
      tapOf((() => value) as unknown as Intercept, 1, undefined)!('mlpPre')(constant([[[1, 2]]]));
    expect(given(undefined)).toThrow('intercept: expected a tensor for mlpPre of layer 1, got undefined; return');
    expect(given(Promise.resolve())).toThrow('got a promise; intercepts build expressions and cannot wait');
    expect(given([[1]])).toThrow('intercept: expected a tensor for mlpPre of layer 1, got an object with 0');
    expect(given(null)).toThrow('got null');
    expect(given(constant([[1, 2]]))).toThrow(
      'intercept: expected a tensor of shape [1, 1, 2] ([batch, length, intermediateDim]) for mlpPre of layer 1, got [1, 2]',
    );
    expect(given(cast(constant([[[1, 2]]]), 'int32'))).toThrow(
      'intercept: expected a tensor of dtype float32 for mlpPre of layer 1, got int32; use cast to convert',
    );
    // A part that is wrong is caught before the next part gets its value.
    const broken = compose((() => undefined) as unknown as Intercept, (x) => add(x, x));
    expect(() => tapOf(broken, undefined, undefined)!('logits')(constant([1]))).toThrow('for logits, got undefined');
  });
});

describe('selectors', () => {
  it('type-check with layers for sites of layers only', () => {
    expectTypeOf<{ site: 'pattern'; layer: number }>().toExtend<Selector>();
    expectTypeOf<{ site: ['query', 'mlpOut']; layer: number[] }>().toExtend<Selector>();
    expectTypeOf<{ site: ['embeddings', 'residualPost'] }>().toExtend<Selector>();
    expectTypeOf<{ site: 'embeddings'; layer: number }>().not.toExtend<Selector>();
    expectTypeOf<{ site: 'patern' }>().not.toExtend<Selector>();
  });
});

describe('sites', () => {
  it('are in order: outside, the layers one after the other, outside', () => {
    const names = (layers: number, of?: readonly Site[]) =>
      decoderSites(layers, of).map(({ site, layer }) => `${site}${layer ?? ''}`);
    expect(names(2, ['embeddings', 'residualPre', 'residualPost', 'logits'])).toEqual([
      'embeddings',
      'residualPre0',
      'residualPost0',
      'residualPre1',
      'residualPost1',
      'logits',
    ]);
    expect(new Set(decoderSites(1).map(({ site }) => site))).toEqual(new Set(preNormSites));
    expect(siteInfo('pattern', 4)).toEqual({
      site: 'pattern',
      layer: 4,
      shape: ['batch', 'heads', 'queries', 'keys'],
    });
  });
});
