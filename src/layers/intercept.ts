import type { Monoid } from 'fp-ts/lib/Monoid.js';
import { ArgumentError, DTypeError, ShapeError } from '../tensor/errors.ts';
import { nearestNames } from '../tensor/nearestNames.ts';
import { formatShape, sameShape } from '../tensor/shape.ts';
import { isTensor, type Tensor } from '../tensor/tensor.ts';
import type { LayerSite, Site, SiteInfo, Stack } from './sites.ts';
import { isLayerSite, siteInfo, siteNames } from './sites.ts';

/** Where an activation stands, as an intercept is told: its site, its layer (undefined outside the layers), its axes. */
export type Place = SiteInfo & {
  /** In a cached step: the place of the first token in the text, int32 scalar. Undefined: it is the text's first. */
  readonly position: Tensor | undefined;
};

/**
 * Which activations an intercept is for: one site or several, in one layer, several, or (left out) all; in a model of two
 * stacks of one of them, or (left out) of both.
 */
export type Selector = {
  /** The stack that is meant, in a model of two. */
  readonly stack?: Stack | undefined;
} & (
  | { readonly site: LayerSite | readonly LayerSite[]; readonly layer?: number | readonly number[] | undefined }
  | { readonly site: Site | readonly Site[]; readonly layer?: undefined }
);

/**
 * A function from an activation to the one that takes its place, of the same shape and dtype: called once for each site
 * of a model, in the order of the forward pass. Given back as it is, an activation stays what it was, at no cost.
 *
 * A plain function is one; those that `at` makes also say which sites they are for, so that a model without them objects.
 */
export interface Intercept {
  (x: Tensor, place: Place): Tensor;
  /** Which sites it is for; left out, all. */
  readonly selectors?: readonly Selector[];
}

/**
 * KerasHub's kind of intercept.
 *
 * @param x - `[batch, length, hiddenDim]`, float32.
 * @param index - -1 for the embeddings, else the 0-based layer whose output `x` is.
 * @see keras_hub.models.CausalLM.score, layer_intercept_fn
 */
export type LayerIntercept = (x: Tensor, index: number) => Tensor;

/** Leaves every activation as it is. */
export const identityIntercept: Intercept = (x) => x;

const nameOf = ({ site, layer, stack }: Pick<SiteInfo, 'site' | 'layer' | 'stack'>): string =>
  `${site}${layer === undefined ? '' : ` of layer ${layer}`}${stack === undefined ? '' : ` of the ${stack}`}`;

const describe = (value: unknown): string =>
  value === null
    ? 'null'
    : value instanceof Promise
      ? 'a promise; intercepts build expressions and cannot wait'
      : typeof value === 'object'
        ? `an object with ${Object.keys(value).slice(0, 5).join(', ') || 'nothing in it'}`
        : value === undefined
          ? 'undefined; return the tensor that takes its place'
          : String(typeof value);

/**
 * What an intercept puts in the place of an activation.
 *
 * @throws {ArgumentError} If it is no tensor.
 * @throws {ShapeError} If it has another shape.
 * @throws {DTypeError} If it has another dtype.
 */
const replacement = (intercept: Intercept, x: Tensor, place: Place): Tensor => {
  const y: unknown = intercept(x, place);
  if (y === x) return x;
  if (typeof y !== 'object' || y === null || !isTensor(y))
    throw new ArgumentError(`intercept: expected a tensor for ${nameOf(place)}, got ${describe(y)}`);
  if (!sameShape(y.shape, x.shape))
    throw new ShapeError(
      `intercept: expected a tensor of shape ${formatShape(x.shape)} ([${place.shape.join(', ')}]) for ${nameOf(place)}, got ${formatShape(y.shape)}`,
    );
  if (y.dtype !== x.dtype)
    throw new DTypeError(
      `intercept: expected a tensor of dtype ${x.dtype} for ${nameOf(place)}, got ${y.dtype}; use cast to convert`,
    );
  return y;
};

const carrying = (selectors: readonly Selector[], intercept: Intercept): Intercept =>
  selectors.length === 0 ? intercept : Object.freeze(Object.assign(intercept, { selectors: Object.freeze(selectors) }));

/**
 * `intercepts` one after the other: each gets what the one before it gave. Without any, the identity.
 *
 * @example
 * const both = compose(at({ site: 'residualPost', layer: 2 }, (x) => add(x, vector)), watch);
 */
export const compose = (...intercepts: readonly Intercept[]): Intercept => {
  const parts = intercepts.filter((part) => part !== identityIntercept);
  if (parts.length < 2) return parts[0] ?? identityIntercept;
  return carrying(
    parts.flatMap(({ selectors = [] }) => selectors),
    (x, place) => parts.reduce((value, part) => replacement(part, value, place), x),
  );
};

/** Intercepts under `compose`, with the identity: associative, with a neutral element. */
export const interceptMonoid: Monoid<Intercept> = Object.freeze<Monoid<Intercept>>({
  empty: identityIntercept,
  concat: (first, second) => compose(first, second),
});

const sitesOf = ({ site }: Selector): readonly Site[] => (typeof site === 'string' ? [site] : site);

const layersOf = ({ layer }: Selector): readonly number[] | undefined =>
  typeof layer === 'number' ? [layer] : layer === undefined ? undefined : layer;

/**
 * An intercept for some sites, which leaves all others alone. A model that has no such site refuses it before anything
 * is built.
 *
 * @param selector - The site or sites, and the layer or layers; without layers, all.
 * @example
 * // Head 5 of layer 3 looks nowhere.
 * const ablated = at({ site: 'pattern', layer: 3 }, (pattern) => multiply(pattern, mask));
 */
export const at = (selector: Selector, intercept: Intercept): Intercept => {
  const sites = sitesOf(selector);
  const layers = layersOf(selector);
  const { stack } = selector;
  return carrying([selector, ...(intercept.selectors ?? [])], (x, place) =>
    sites.includes(place.site) &&
    (layers === undefined || layers.includes(place.layer!)) &&
    (stack === undefined || stack === place.stack)
      ? intercept(x, place)
      : x,
  );
};

/**
 * KerasHub's `layer_intercept_fn` as an intercept: `embeddings` is -1, `residualPost` of layer i is i.
 *
 * @param stack - In a model of two stacks, the one that is meant. Default: both.
 */
export const layerIntercept = (layerInterceptFn: LayerIntercept, stack?: Stack): Intercept => {
  const own = stack === undefined ? {} : { stack };
  return carrying(
    [
      { site: 'embeddings', ...own },
      { site: 'residualPost', ...own },
    ],
    (x, { site, layer, stack: other }) =>
      stack !== undefined && stack !== other
        ? x
        : site === 'embeddings'
          ? layerInterceptFn(x, -1)
          : site === 'residualPost'
            ? layerInterceptFn(x, layer)
            : x,
  );
};

const formatSelector = (site: string, layer: number | undefined, stack: string | undefined): string =>
  `{ site: '${site}'${layer === undefined ? '' : `, layer: ${layer}`}${stack === undefined ? '' : `, stack: '${stack}'`} }`;

/**
 * Checks that everything an intercept asks for is there.
 *
 * @param owner - Whose sites they are, for the message.
 * @throws {ArgumentError} If a site or layer of one of its selectors is not; the message says which come nearest.
 */
export const checkIntercept = (owner: string, intercept: Intercept, sites: readonly SiteInfo[]): void => {
  if (typeof intercept !== 'function')
    throw new ArgumentError(
      `intercept: expected a function (x, { site, layer }) => Tensor, got ${describe(intercept)}`,
    );
  for (const selector of intercept.selectors ?? []) {
    const layers = layersOf(selector);
    const { stack } = selector;
    const own = stack === undefined ? sites : sites.filter((info) => info.stack === stack);
    if (own.length === 0)
      throw new ArgumentError(
        `intercept: expected a stack of ${owner} (${[...new Set(sites.map((info) => info.stack ?? 'it has but one; leave stack out'))].join(', ')}), got ${JSON.stringify(selector)}`,
      );
    if (sitesOf(selector).length === 0 || layers?.length === 0)
      throw new ArgumentError(
        `intercept: expected at least one site and one layer, got an empty list in ${JSON.stringify(selector)}`,
      );
    for (const site of sitesOf(selector)) {
      const found = own.filter((info) => info.site === site);
      if (found.length === 0) {
        const names = [...new Set(own.map((info) => info.site))];
        throw new ArgumentError(
          `intercept: expected a site of ${owner}, got ${formatSelector(site, layers?.[0], stack)}; the nearest are ${nearestNames(String(site), names).join(', ')}${siteNames.includes(site) ? '' : ' (docs/sites.md lists all)'}`,
        );
      }
      for (const layer of layers ?? []) {
        if (!isLayerSite(site))
          throw new ArgumentError(
            `intercept: expected ${site} without a layer, since ${owner} has it once, got ${formatSelector(site, layer, stack)}; leave layer out`,
          );
        if (found.some((info) => info.layer === layer)) continue;
        const known = found.map((info) => info.layer!);
        const close = known.reduce((a, b) => (Math.abs(b - layer) < Math.abs(a - layer) ? b : a));
        throw new ArgumentError(
          `intercept: expected a layer of ${owner} from ${Math.min(...known)} to ${Math.max(...known)}, got ${formatSelector(site, layer, stack)}; the nearest is ${formatSelector(site, close, stack)}`,
        );
      }
    }
  }
};

/** Has an intercept see what stands at a site: `tap('mlpOut')(x)` is what is used from there on. */
export type Tap = (site: Site) => (x: Tensor) => Tensor;

/** Has nobody see anything. */
export const noTap: Tap = () => (x) => x;

/**
 * The tap of a layer, or of what is outside the layers.
 *
 * @param layer - Undefined outside the layers.
 * @param position - Place of the first token, where there is a cache.
 * @param stack - Which stack, in a model of two.
 * @returns Undefined without an intercept: then nothing need be built that only an intercept would see.
 */
export const tapOf = (
  intercept: Intercept | undefined,
  layer: number | undefined,
  position: Tensor | undefined,
  stack?: Stack,
): Tap | undefined =>
  intercept === undefined || intercept === identityIntercept
    ? undefined
    : (site) => (x) => replacement(intercept, x, { ...siteInfo(site, layer, stack), position });
