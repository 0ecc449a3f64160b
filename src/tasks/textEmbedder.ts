import { checkIntercept } from '../layers/intercept.ts';
import type { SiteInfo } from '../layers/sites.ts';
import type { EncoderModel } from '../models/encoderModel.ts';
import type { LoraOptions } from '../models/lora.ts';
import type { EncoderContext } from '../models/seq2seqModel.ts';
import { cast } from '../ops/cast.ts';
import { tensor } from '../ops/constant.ts';
import { divide } from '../ops/divide.ts';
import { matmul } from '../ops/matmul.ts';
import { max } from '../ops/max.ts';
import { maximum } from '../ops/maximum.ts';
import { mean } from '../ops/mean.ts';
import { multiply } from '../ops/multiply.ts';
import { expandDims, reshape } from '../ops/reshape.ts';
import { sliceAxis } from '../ops/slice.ts';
import { sqrt } from '../ops/sqrt.ts';
import { sum } from '../ops/sum.ts';
import { transpose } from '../ops/transpose.ts';
import { where } from '../ops/where.ts';
import { ArgumentError, refuseUnknown } from '../tensor/errors.ts';
import { type NDArray, ndarray } from '../tensor/ndarray.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Tree } from '../tensor/tree.ts';
import type { TextSamples } from '../tokenizers/textSegments.ts';
import type { Tokenizer } from '../tokenizers/tokenizer.ts';
import { type Batch, isSamples, select } from './batches.ts';
import type { EncoderBackbone } from './encoderBackbone.ts';
import { type EncoderBackboneInputs, encoderArrays, encoderTensors, isTokens } from './encoderInputs.ts';
import { deviceOf, heldParams } from './heldParams.ts';
import { forTexts } from './inputs.ts';
import type { QuantizationMode, QuantizeOptions } from './quantize.ts';
import type { SavesToPreset } from './savable.ts';
import type { AnyTextClassifierPreprocessor } from './textClassifier.ts';
import { predictBatches } from './trainer.ts';
import { tellTruncation } from './truncation.ts';

/** How the hidden states of a text become one: their mean over real places, that of the first place, or the largest. */
export type PoolingMode = 'mean' | 'cls' | 'max';

/** What an embedder is besides its backbone. */
export interface TextEmbedderOptions {
  /** Default `'mean'`. */
  readonly poolingMode?: PoolingMode;
  /** Whether embeddings have length 1. Default true. */
  readonly normalize?: boolean;
}

/** Options of `encodeText`. */
export interface EncodeTextOptions {
  /** Texts that go through the model at once. Default 32. */
  readonly batchSize?: number;
  /** Ends the work; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called after each batch with the number of texts that are done, and of all. */
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
}

/** An encoder that gives each text a point in space: immutable; what would change it gives a new one. */
export interface TextEmbedder<Config = unknown, Params extends Tree = Tree, T extends Tokenizer = Tokenizer>
  extends SavesToPreset {
  /** KerasHub's name of its class. */
  readonly name: string;
  /** The encoder with its parameters. */
  readonly backbone: EncoderBackbone<Config, Params>;
  /** Null: inputs are tokens, and no text is read. */
  readonly preprocessor: AnyTextClassifierPreprocessor<T> | null;
  /** The preprocessor's. */
  readonly tokenizer: T | null;
  /** How the hidden states of a text become one. */
  readonly poolingMode: PoolingMode;
  /** Whether embeddings have length 1. */
  readonly normalize: boolean;
  /** Where an intercept is called, in order. */
  readonly sites: readonly SiteInfo[];
  /** Embeddings, `[batch, hiddenDim]` float32, as an expression. */
  readonly apply: (inputs: EncoderBackboneInputs, context?: EncoderContext) => Tensor;
  /**
   * Embeddings of texts, in their order, whatever their lengths: like lengths go through the model together.
   *
   * @param x - A text, a list of texts or pairs, or tokens.
   * @returns `[texts, hiddenDim]` float32; one text gives one row.
   * @throws {ArgumentError} By rejection, if there is no preprocessor for texts.
   * @see keras_hub.models.TextEmbedder.encode_text
   */
  readonly encodeText: (x: TextSamples | EncoderBackboneInputs, options?: EncodeTextOptions) => Promise<NDArray>;
  /** The same as `encodeText`. @see keras_hub.models.BertTextEmbedder.encode_documents */
  readonly encodeDocuments: TextEmbedder<Config, Params, T>['encodeText'];
  /**
   * Products of embeddings: the cosine of each pair, if they are normalized.
   *
   * @param queries - `[queries, hiddenDim]`.
   * @param documents - `[documents, hiddenDim]`.
   * @returns `[queries, documents]` float32.
   */
  readonly similarity: (queries: NDArray, documents: NDArray) => Promise<NDArray>;
  /** The same embedder over another backbone. */
  readonly withBackbone: (backbone: EncoderBackbone<Config, Params>) => TextEmbedder<Config, Params, T>;
  /** The same embedder with LoRA; see the backbone's `enableLora`. */
  readonly enableLora: (options: LoraOptions) => TextEmbedder<Config, Params, T>;
  /** The same embedder with kernels in whole numbers of 8 or 4 bits; see the backbone's `quantize`. */
  readonly quantize: (mode: QuantizationMode, options?: QuantizeOptions) => Promise<TextEmbedder<Config, Params, T>>;
}

/** What makes an embedder. */
export interface TextEmbedderParts<Config, Params extends Tree, T extends Tokenizer> extends TextEmbedderOptions {
  readonly backbone: EncoderBackbone<Config, Params>;
  /** Default null. */
  readonly preprocessor?: AnyTextClassifierPreprocessor<T> | null;
}

const poolingModes: readonly PoolingMode[] = ['mean', 'cls', 'max'];

/** Lengths that batches are padded to are multiples of this, so that a few plans serve all. */
const LENGTH_STEP = 16;

/** Texts that are packed at once. */
const MOST_PACKED = 4096;

const pooled = (mode: PoolingMode, sequence: Tensor, paddingMask: Tensor | undefined): Tensor => {
  const [batch = 0, , width = 0] = sequence.shape;
  if (mode === 'cls') return reshape(sliceAxis(sequence, 1, 0, 1), [batch, width]);
  if (paddingMask === undefined) return mode === 'mean' ? mean(sequence, { axis: 1 }) : max(sequence, { axis: 1 });
  const mask = expandDims(paddingMask, -1);
  if (mode === 'max') return max(where(mask, sequence, -3.4e38), { axis: 1 });
  const weights = cast(mask, 'float32');
  return divide(sum(multiply(sequence, weights), { axis: 1 }), maximum(sum(weights, { axis: 1 }), 1e-9));
};

const unit = (x: Tensor): Tensor => divide(x, maximum(sqrt(sum(multiply(x, x), { axis: -1, keepDims: true })), 1e-12));

/** Real places of each row, or undefined where a model reads padding too. */
const lengthsOf = ({ x }: Batch, model: EncoderModel): readonly number[] | undefined => {
  const mask = x.paddingMask;
  if (!model.hasPaddingMask || mask === undefined) return undefined;
  const [rows = 0, length = 0] = mask.shape;
  return Array.from({ length: rows }, (_, row) => {
    const own = mask.data.subarray(row * length, (row + 1) * length);
    return own.lastIndexOf(1) + 1;
  });
};

/** The first `length` columns of every array. */
const narrowed = ({ x }: Batch, length: number): Batch => ({
  x: Object.fromEntries(
    Object.entries(x).map(([name, { data, shape, dtype }]) => {
      const [rows = 0, width = 0] = shape;
      if (width <= length) return [name, { data, shape, dtype }];
      const kept = data.filter((_, at) => at % width < length) as typeof data;
      return [name, ndarray(kept, [rows, length], dtype)];
    }),
  ),
});

/**
 * An embedder of texts from its parts.
 *
 * @throws {ArgumentError} If the pooling mode is none.
 */
export const textEmbedder = <Config, Params extends Tree, T extends Tokenizer>(
  name: string,
  parts: TextEmbedderParts<Config, Params, T>,
): TextEmbedder<Config, Params, T> => {
  const { backbone, preprocessor = null, poolingMode = 'mean', normalize = true } = parts;
  const { model } = backbone;
  if (!poolingModes.includes(poolingMode))
    throw new ArgumentError(
      `${name}: expected poolingMode to be one of ${poolingModes.join(', ')}, got ${JSON.stringify(poolingMode)}`,
    );

  const forward = (params: Params, inputs: EncoderBackboneInputs, context?: EncoderContext): Tensor => {
    const tensors = encoderTensors(inputs);
    const { sequence } = model.apply(params, tensors, context);
    const one = pooled(poolingMode, sequence, tensors.paddingMask);
    return normalize ? unit(one) : one;
  };

  /** Texts as arrays. */
  const packed = (x: unknown): Batch => {
    if (isTokens(x)) return { x: encoderArrays('encodeText', x, model) };
    const own = forTexts('encodeText', preprocessor);
    const arrays = encoderArrays('encodeText', own(x as TextSamples).x, model);
    tellTruncation(name, own, x, arrays.tokenIds!);
    return { x: arrays };
  };

  const encodeText = async (
    x: TextSamples | EncoderBackboneInputs,
    options: EncodeTextOptions = {},
  ): Promise<NDArray> => {
    refuseUnknown('encodeText', options, ['batchSize', 'signal', 'onProgress']);
    const { batchSize = 32, signal, onProgress } = options;
    if (!Number.isInteger(batchSize) || batchSize < 1)
      throw new ArgumentError(`encodeText: expected batchSize to be a whole number from 1, got ${batchSize}`);
    if (Array.isArray(x) && x.length === 0)
      throw new ArgumentError('encodeText: expected at least one text, got an empty list');
    const isOne = typeof x === 'string' || ('first' in x && typeof x.first === 'string');
    const all: unknown = isOne ? [x] : x;
    const chunks = isSamples(all)
      ? Array.from({ length: Math.ceil(all.length / MOST_PACKED) }, (_, i) =>
          all.slice(i * MOST_PACKED, (i + 1) * MOST_PACKED),
        )
      : [all];
    const total = isSamples(all) ? all.length : undefined;
    const device = await deviceOf(backbone);
    const params = await heldParams(device, backbone.params);
    const width = model.hiddenDim;
    const results: Float32Array[] = [];
    let done = 0;
    for (const chunk of chunks) {
      signal?.throwIfAborted();
      const batch = packed(chunk);
      const size = batch.x.tokenIds!.shape[0]!;
      const lengths = lengthsOf(batch, model);
      const order = Array.from({ length: size }, (_, i) => i);
      if (lengths !== undefined) order.sort((a, b) => lengths[a]! - lengths[b]! || a - b);
      const batches = async function* (): AsyncGenerator<Batch> {
        for (let start = 0; start < size; start += batchSize) {
          const rows = order.slice(start, start + batchSize);
          const longest = lengths === undefined ? undefined : Math.max(1, ...rows.map((row) => lengths[row]!));
          const own = select(batch, rows);
          yield longest === undefined ? own : narrowed(own, Math.ceil(longest / LENGTH_STEP) * LENGTH_STEP);
          done += rows.length;
          onProgress?.({ done, total: total ?? size });
        }
      };
      const { data } = await predictBatches(
        { device, params, forward: (own, inputs) => forward(own as Params, inputs as never) },
        batches(),
        { signal },
      );
      const placed = new Float32Array(size * width);
      for (const [at, row] of order.entries()) placed.set(data.subarray(at * width, (at + 1) * width), row * width);
      results.push(placed);
    }
    const joined = new Float32Array(results.reduce((count, { length }) => count + length, 0));
    let at = 0;
    for (const part of results) {
      joined.set(part, at);
      at += part.length;
    }
    return ndarray(joined, [joined.length / width, width], 'float32');
  };

  const withBackbone = (other: EncoderBackbone<Config, Params>): TextEmbedder<Config, Params, T> =>
    textEmbedder(name, { ...parts, backbone: other });

  return Object.freeze<TextEmbedder<Config, Params, T>>({
    name,
    backbone,
    preprocessor,
    tokenizer: preprocessor?.tokenizer ?? null,
    poolingMode,
    normalize,
    sites: model.sites,
    apply: (inputs, context) => {
      if (context?.intercept !== undefined) checkIntercept(name, context.intercept, model.sites);
      return forward(backbone.params, inputs, context);
    },
    encodeText,
    encodeDocuments: encodeText,
    similarity: async (queries, documents) => {
      const [products] = await (await deviceOf(backbone)).evaluate([
        matmul(tensor(queries), transpose(tensor(documents))),
      ]);
      return products!;
    },
    withBackbone,
    enableLora: (options) => withBackbone(backbone.enableLora(options)),
    saveToPreset: async (folder, options) => {
      const { saveTask } = await import('./saveToPreset.ts');
      await saveTask(folder, withBackbone(backbone), options);
    },
    quantize: async (mode, options) => withBackbone(await backbone.quantize(mode, options)),
  });
};
