import { pipe } from 'fp-ts/lib/function.js';
import { type DenseParams, dense } from '../../layers/dense.ts';
import { dropout } from '../../layers/dropout.ts';
import { noTap, tapOf } from '../../layers/intercept.ts';
import { type LayerNormParams, layerNorm } from '../../layers/layerNorm.ts';
import { type SiteInfo, siteInfo } from '../../layers/sites.ts';
import { add } from '../../ops/add.ts';
import { arange } from '../../ops/arange.ts';
import { matmul } from '../../ops/matmul.ts';
import { multiply } from '../../ops/multiply.ts';
import { foldIn } from '../../ops/random.ts';
import { expandDims, reshape } from '../../ops/reshape.ts';
import { sliceAxis } from '../../ops/slice.ts';
import { take } from '../../ops/take.ts';
import { tanh } from '../../ops/tanh.ts';
import { transpose } from '../../ops/transpose.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Tree } from '../../tensor/tree.ts';
import { type Activation, activations } from '../activations.ts';
import type { EncoderOutputs } from '../encoderModel.ts';
import { initWeights, type Start } from '../init.ts';
import type { EncoderContext } from '../seq2seqModel.ts';
import type { IgnoredTensor, ParamPath, WeightEntry, WeightTable } from '../weightEntry.ts';
import { linearRows, normRows, row } from '../weightRows.ts';

/** A head as pure functions: what a task adds to a backbone. */
export interface Head<Params extends Tree, Inputs> {
  /** Every parameter: place, shape, and name in KerasHub's task.weights.h5 and in transformers' files. */
  readonly weights: WeightTable;
  /** Where an intercept is called, in order, after the backbone's sites. */
  readonly sites: readonly SiteInfo[];
  /** Random parameters from a seed, as expressions. */
  init(seed: number): Params;
  /** What the task gives, from what the backbone gave. */
  apply(params: Params, inputs: Inputs, context?: EncoderContext): Tensor;
}

const start = (path: ParamPath): Start => {
  const last = path.at(-1);
  return last === 'gamma' ? 'ones' : last === 'beta' || last === 'bias' ? 'zeros' : { deviation: 0.02 };
};

const tableOf = (entries: readonly WeightEntry[], ignored: readonly IgnoredTensor[] = []): WeightTable => ({
  entries,
  layers: [],
  transformersPrefix: '',
  ignored: { keras: [], transformers: ignored },
});

const headOf = <Params extends Tree, Inputs>(
  weights: WeightTable,
  sites: readonly SiteInfo[],
  apply: Head<Params, Inputs>['apply'],
): Head<Params, Inputs> =>
  Object.freeze<Head<Params, Inputs>>({
    weights,
    sites,
    init: (seed) => initWeights(weights, seed, start) as unknown as Params,
    apply,
  });

/** Parameters of a masked LM's head, by KerasHub's names. */
export type MaskedLMHeadParams = {
  /** From `hiddenDim` to the token table's width. */
  readonly intermediateDense: DenseParams;
  /** Behind the activation. */
  readonly intermediateLayerNorm: LayerNormParams;
  /** `[vocabularySize]`. */
  readonly bias: Tensor;
};

/** What a masked LM's head reads. */
export interface MaskedLMHeadInputs {
  /** `[batch, length, hiddenDim]`. */
  readonly sequence: Tensor;
  /** Which places are to be foretold, `[batch, positions]` int32. */
  readonly maskPositions: Tensor;
  /** `[vocabularySize, width]`. */
  readonly tokenTable: Tensor;
}

/** What a masked LM's head depends on besides its parameters. */
export interface MaskedLMHeadSpec {
  /** Width of what it reads. */
  readonly hiddenDim: number;
  /** Width of the token table. */
  readonly width: number;
  /** Rows of the token table. */
  readonly vocabularySize: number;
  /** Between the dense layer and the norm. */
  readonly activation: Activation;
  /** Added to the variance in the norm. */
  readonly epsilon: number;
  /** Where transformers keeps it. */
  readonly names: { readonly dense: string; readonly norm: string; readonly bias: string };
  /** Tensors of transformers' files that are no parameters of their own. */
  readonly ignored: readonly IgnoredTensor[];
}

/** Rows of `x [batch, length, width]` at `positions [batch, count]`: `[batch, count, width]`. */
export const atPlaces = (x: Tensor, positions: Tensor): Tensor => {
  const [batch = 0, length = 0, width = 0] = x.shape;
  const rows = add(positions, multiply(expandDims(arange(batch), -1), length));
  return take(reshape(x, [batch * length, width]), rows);
};

/**
 * A masked LM's head: `norm(act(W h)) E^T + bias` at the places that are asked for.
 *
 * @see Devlin et al. 2019, section 3.1; keras_hub.layers.MaskedLMHead
 */
export const maskedLMHead = ({
  hiddenDim,
  width,
  vocabularySize,
  activation,
  epsilon,
  names,
  ignored,
}: MaskedLMHeadSpec): Head<MaskedLMHeadParams, MaskedLMHeadInputs> => {
  const group = 'layers/masked_lm_head';
  return headOf(
    tableOf(
      [
        ...linearRows(['intermediateDense'], [hiddenDim], [width], `${group}/_intermediate_dense`, names.dense),
        ...normRows(['intermediateLayerNorm'], width, `${group}/_intermediate_layer_norm`, names.norm),
        row(['bias'], [vocabularySize], `${group}/vars/0`, names.bias),
      ],
      ignored,
    ),
    [siteInfo('headDense', undefined), siteInfo('headNormOut', undefined), siteInfo('maskLogits', undefined)],
    (params, { sequence, maskPositions, tokenTable }, { intercept } = {}) => {
      const tap = tapOf(intercept, undefined, undefined) ?? noTap;
      return pipe(
        atPlaces(sequence, maskPositions),
        dense(params.intermediateDense),
        activations[activation],
        tap('headDense'),
        layerNorm(params.intermediateLayerNorm, { epsilon }),
        tap('headNormOut'),
        (h) => add(matmul(h, transpose(tokenTable)), params.bias),
        tap('maskLogits'),
      );
    },
  );
};

/** Parameters of a classifier's head, by KerasHub's names. */
export type ClassifierHeadParams = {
  /** Over the first place, in families without a pooler. */
  readonly pooledDense?: DenseParams;
  /** To the classes. */
  readonly logits: DenseParams;
};

/** What a family's classifier leaves to its user. */
export interface ClassifierHeadOptions {
  /** How many classes there are. */
  readonly numClasses: number;
  /** Dropout before each dense layer while training. */
  readonly dropout: number;
  /** Width of the dense layer over the first place, in families without a pooler. Default: the backbone's. */
  readonly hiddenDim?: number | undefined;
}

/** What a classifier's head depends on besides its parameters. */
export interface ClassifierHeadSpec {
  /** Width of what it reads. */
  readonly hiddenDim: number;
  /** How many logits it gives. */
  readonly numClasses: number;
  /** Dropout before each dense layer while training. */
  readonly dropout: number;
  /** Dropout before the last layer, where it is another. */
  readonly outputDropout?: number | undefined;
  /** The dense layer over the first place, in families without a pooler. */
  readonly pooler?:
    | {
        readonly dim: number;
        readonly activation: 'tanh' | Activation;
        /** Where transformers keeps it. */
        readonly name: string;
        /** Whether dropout comes before this layer too. Default: it does. */
        readonly isFirstDropped?: boolean;
      }
    | undefined;
  /** Where transformers keeps the last layer. */
  readonly name: string;
}

const withDropout = (drop: EncoderContext['dropout'], rate: number, place: number): ((x: Tensor) => Tensor) =>
  drop === undefined || rate === 0 ? (x) => x : dropout({ key: foldIn(drop.key, place), rate });

/**
 * A classifier's head: logits from the pooled output, or from a dense layer over the first place.
 *
 * @see keras_hub.models.BertTextClassifier, keras_hub.models.RobertaTextClassifier
 */
export const classifierHead = ({
  hiddenDim,
  numClasses,
  dropout: rate,
  outputDropout = rate,
  pooler,
  name,
}: ClassifierHeadSpec): Head<ClassifierHeadParams, EncoderOutputs> => {
  const width = pooler?.dim ?? hiddenDim;
  return headOf<ClassifierHeadParams, EncoderOutputs>(
    tableOf([
      ...(pooler === undefined
        ? []
        : linearRows(['pooledDense'], [hiddenDim], [pooler.dim], 'layers/dense', pooler.name)),
      ...linearRows(['logits'], [width], [numClasses], pooler === undefined ? 'layers/dense' : 'layers/dense_1', name),
    ]),
    [siteInfo('classLogits', undefined)],
    (params, { sequence, pooled }, { intercept, dropout: drop } = {}) => {
      const tap = tapOf(intercept, undefined, undefined) ?? noTap;
      const [batch = 0] = sequence.shape;
      // Places of dropout far beyond those of any backbone.
      const before = (place: number, own: number) => withDropout(drop, drop?.rate ?? own, 2 ** 20 + place);
      const first = () => before(0, rate)(reshape(sliceAxis(sequence, 1, 0, 1), [batch, hiddenDim]));
      const read =
        pooler === undefined || params.pooledDense === undefined
          ? (pooled ?? first())
          : (pooler.activation === 'tanh' ? tanh : activations[pooler.activation])(dense(params.pooledDense)(first()));
      return tap('classLogits')(dense(params.logits)(before(1, outputDropout)(read)));
    },
  );
};
