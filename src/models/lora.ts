import { effectiveKernel, heUniform, loraShapes, mostLoraRank } from '../layers/lora.ts';
import { broadcastTo } from '../ops/broadcastTo.ts';
import { constant } from '../ops/constant.ts';
import { multiply } from '../ops/multiply.ts';
import { foldIn, key } from '../ops/random.ts';
import { ArgumentError } from '../tensor/errors.ts';
import { formatShape, type Shape } from '../tensor/shape.ts';
import { isTensor, type Tensor } from '../tensor/tensor.ts';
import { paths, type Tree } from '../tensor/tree.ts';
import type { CausalModel } from './causalModel.ts';
import { preview } from './configReader.ts';
import type { EncoderModel } from './encoderModel.ts';
import type { Seq2SeqModel } from './seq2seqModel.ts';
import { formatPath, type ParamPath, type WeightTable } from './weightEntry.ts';

/** Options of `enableLora`. */
export interface LoraOptions {
  /** Width of the factors, a whole number from 1 to the smaller side of each kernel. */
  readonly rank: number;
  /**
   * KerasHub's names of the layers that get factors; each must be one at least. Default: those of `query_dense`,
   * `value_dense`, `query` and `value` that there are.
   */
  readonly targetLayerNames?: readonly string[];
  /** The update is `alpha / rank` times the product of the factors. Default: `rank`, so the product itself. */
  readonly alpha?: number;
  /** Seed of the first factors' values. Default 0. */
  readonly seed?: number;
}

/** A layer with factors beside its kernel. */
export interface LoraLayer {
  /** KerasHub's name. */
  readonly name: string;
  /** Its place among KerasHub's flattened layers, by which a `.lora.h5` file names it. */
  readonly index: number;
  /** Where its parameters stand: `transformerLayers[0].selfAttention.query`. */
  readonly path: string;
  /** Its kernel's shape. */
  readonly kernel: Shape;
}

/** Which layers of a model have factors, how wide, and with what weight: all that is to be known besides parameters. */
export interface Lora {
  /** How many columns `a` has, and rows `b`. */
  readonly rank: number;
  /** The product of the factors counts `alpha / rank` times. */
  readonly alpha: number;
  readonly layers: readonly LoraLayer[];
}

/** The layers that get factors when nobody says which. @see keras_hub.models.Backbone.default_lora_layer_names */
export const defaultLoraLayerNames: readonly string[] = ['query_dense', 'value_dense', 'query', 'value'];

const unique = (names: readonly string[]): readonly string[] => [...new Set(names)];

/** Every layer of a table that can have factors: those with a kernel. */
const candidates = ({ layers, entries }: WeightTable): readonly LoraLayer[] => {
  const kernels = new Map(
    entries
      .filter(({ path }) => path.at(-1) === 'kernel')
      .map(({ path, shape }) => [formatPath(path.slice(0, -1)), shape] as const),
  );
  return layers.flatMap(({ name, path }, index) => {
    const kernel = kernels.get(formatPath(path));
    return kernel === undefined ? [] : [{ name, index, path: formatPath(path), kernel }];
  });
};

/**
 * Which layers of a model get factors.
 *
 * @throws {ArgumentError} If the rank is no whole number from 1 to the smaller side of every kernel, alpha is not a
 *   positive number, or a name is no layer's that has a kernel.
 */
export const planLora = (table: WeightTable, { rank, targetLayerNames, alpha = rank }: LoraOptions): Lora => {
  if (!Number.isInteger(rank) || rank < 1)
    throw new ArgumentError(`enableLora: expected a rank that is a whole number from 1, got ${preview(rank)}`);
  if (!Number.isFinite(alpha) || alpha <= 0)
    throw new ArgumentError(`enableLora: expected alpha to be a number above 0, got ${preview(alpha)}`);
  if (targetLayerNames !== undefined && (!Array.isArray(targetLayerNames) || targetLayerNames.length === 0))
    throw new ArgumentError(
      `enableLora: expected targetLayerNames to be a list of one name or more, got ${preview(targetLayerNames)}`,
    );
  const all = candidates(table);
  const unknown = targetLayerNames?.filter((name) => !all.some((layer) => layer.name === name)) ?? [];
  if (unknown.length > 0)
    throw new ArgumentError(
      `enableLora: expected names of layers that have a kernel (${unique(all.map(({ name }) => name)).join(', ')}), got ${unique(unknown).map(preview).join(', ')}`,
    );
  const names = new Set(targetLayerNames ?? defaultLoraLayerNames);
  const layers = all.filter(({ name }) => names.has(name));
  for (const { path, kernel } of layers)
    if (rank > mostLoraRank(kernel))
      throw new ArgumentError(
        `enableLora: expected a rank of at most ${mostLoraRank(kernel)} for ${path} with its kernel ${formatShape(kernel)}, got ${rank}`,
      );
  return { rank, alpha, layers };
};

/** The factors of a model: the parameters that it has besides those of its table. */
export const loraEntries = ({
  rank,
  layers,
}: Lora): readonly { readonly path: string; readonly shape: Shape; readonly layer: LoraLayer }[] =>
  layers.flatMap((layer) => {
    const { a, b } = loraShapes(layer.kernel, rank);
    return [
      { path: `${layer.path}.loraKernelA`, shape: a, layer },
      { path: `${layer.path}.loraKernelB`, shape: b, layer },
    ];
  });

type Layer = Readonly<Record<string, Tree>>;

/** A tree with some of its records replaced, by path; all else is the same. */
const mapLayers = <Params extends Tree>(
  params: Params,
  layers: readonly LoraLayer[],
  f: (layer: Layer, index: number) => Layer,
): Params => {
  const places = new Map(layers.map(({ path }, i) => [path, i]));
  const walk = (tree: Tree, path: ParamPath): Tree => {
    if (isTensor(tree)) return tree;
    const place = places.get(formatPath(path));
    if (place !== undefined) return f(tree as Layer, place);
    return Array.isArray(tree)
      ? tree.map((branch: Tree, i) => walk(branch, [...path, i]))
      : Object.fromEntries(Object.entries(tree).map(([step, branch]) => [step, walk(branch, [...path, step])]));
  };
  return walk(params, []) as Params;
};

/** `params` with fresh factors: `a` random from the seed, `b` zeros, so that the model computes what it did before. */
export const addLora = <Params extends Tree>(params: Params, { rank, layers }: Lora, seed = 0): Params => {
  const root = key(seed);
  return mapLayers(params, layers, (layer, i) => {
    const { a, b } = loraShapes(layers[i]!.kernel, rank);
    return {
      ...layer,
      loraKernelA: heUniform(foldIn(root, i), a),
      loraKernelB: broadcastTo(constant(0), b),
    };
  });
};

/** `params` with other factors in place of their own, by path; those not given stay. */
export const replaceLora = <Params extends Tree>(
  params: Params,
  { layers }: Lora,
  factors: ReadonlyMap<string, Tensor>,
): Params =>
  mapLayers(params, layers, (layer, i) =>
    Object.fromEntries(
      Object.entries(layer).map(([name, own]) => [name, factors.get(`${layers[i]!.path}.${name}`) ?? own]),
    ),
  );

/** `params` whose kernels have taken up their factors, `kernel + alpha / rank * a b` in float32: plain ones. */
export const mergedLora = <Params extends Tree>(params: Params, { rank, alpha, layers }: Lora): Params =>
  mapLayers(params, layers, ({ kernel, loraKernelA, loraKernelB, ...layer }) => ({
    kernel: effectiveKernel(
      kernel as Tensor,
      { loraKernelA: loraKernelA as Tensor, loraKernelB: loraKernelB as Tensor },
      alpha / rank,
    ),
    ...layer,
  }));

/** Paths of those of the `params` that train: everything of the layers with factors but their kernels. */
export const loraTrainable = (params: Tree, { layers }: Lora): ReadonlySet<string> => {
  const own = new Set(layers.map(({ path }) => path));
  return new Set(
    paths(params)
      .map(([path]) => path)
      .filter((path) => {
        const last = path.lastIndexOf('.');
        return own.has(path.slice(0, last)) && path.slice(last + 1) !== 'kernel';
      }),
  );
};

/**
 * Parameters as layers with factors read them: they add the product of the factors as it is, so that `b` is scaled before
 * where `alpha` is not `rank`.
 */
const scaled = <Params extends Tree>(params: Params, { rank, alpha, layers }: Lora): Params =>
  alpha === rank
    ? params
    : mapLayers(params, layers, ({ loraKernelB, ...layer }) => ({
        ...layer,
        loraKernelB: multiply(loraKernelB as Tensor, alpha / rank),
      }));

/** A model that reads parameters with factors. */
export const loraModel = <Params extends Tree>(model: CausalModel<Params>, lora: Lora): CausalModel<Params> =>
  Object.freeze<CausalModel<Params>>({
    ...model,
    init: (seed) => addLora(model.init(seed), lora, seed),
    apply: (params, ...rest) => model.apply(scaled(params, lora), ...rest),
    logits: (params, ...rest) => model.logits(scaled(params, lora), ...rest),
  });

/** A model of two stacks that reads parameters with factors. */
export const loraSeq2SeqModel = <Params extends Tree>(model: Seq2SeqModel<Params>, lora: Lora): Seq2SeqModel<Params> =>
  Object.freeze<Seq2SeqModel<Params>>({
    ...model,
    init: (seed) => addLora(model.init(seed), lora, seed),
    encode: (params, ...rest) => model.encode(scaled(params, lora), ...rest),
    remember: (params, ...rest) => model.remember(scaled(params, lora), ...rest),
    decoder: loraModel(model.decoder, lora),
  });

/** An encoder that reads parameters with factors. */
export const loraEncoderModel = <Params extends Tree>(model: EncoderModel<Params>, lora: Lora): EncoderModel<Params> =>
  Object.freeze<EncoderModel<Params>>({
    ...model,
    init: (seed) => addLora(model.init(seed), lora, seed),
    apply: (params, ...rest) => model.apply(scaled(params, lora), ...rest),
    tokenTable: (params) => model.tokenTable(scaled(params, lora)),
  });
