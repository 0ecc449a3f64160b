import type { EncoderInputs as ModelInputs } from '../models/encoderModel.ts';
import { type TensorValues, tensor } from '../ops/constant.ts';
import { ArgumentError, ShapeError } from '../tensor/errors.ts';
import type { NDArray } from '../tensor/ndarray.ts';
import { formatShape, sameShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Batch } from './batches.ts';
import { describe, hostArray } from './inputs.ts';
import { warnOnce } from './warnOnce.ts';

/** What an encoder reads, in any form that becomes tensors, `[batch, length]` each. */
export interface EncoderBackboneInputs {
  /** int32, from 0 to one less than the vocabulary's size. */
  readonly tokenIds: TensorValues;
  /** int32: which text of a pair a token belongs to. Default: 0 everywhere. */
  readonly segmentIds?: TensorValues | undefined;
  /** bool: which places are real. Default: all. */
  readonly paddingMask?: TensorValues | undefined;
}

/** The same with the places that are to be foretold. */
export interface MaskedLMTokens extends EncoderBackboneInputs {
  /** `[batch, positions]` int32, places in the row. */
  readonly maskPositions: TensorValues;
}

/** Inputs as tensors. */
export const encoderTensors = ({
  tokenIds,
  segmentIds,
  paddingMask,
}: EncoderBackboneInputs): ModelInputs & Readonly<Record<string, Tensor>> => ({
  tokenIds: tensor(tokenIds, { dtype: 'int32' }),
  ...(segmentIds === undefined ? {} : { segmentIds: tensor(segmentIds, { dtype: 'int32' }) }),
  ...(paddingMask === undefined ? {} : { paddingMask: tensor(paddingMask, { dtype: 'bool' }) }),
});

/** What tokens are held to. */
export interface EncoderLimits {
  readonly name: string;
  readonly vocabularySize: number;
  readonly maxSequenceLength: number;
  readonly numSegments: number | undefined;
  readonly hasPaddingMask: boolean;
}

/**
 * Says once that a mask is left out where a model reads none: FNet mixes all places, padding too. KerasHub, given one, takes
 * it for another input.
 */
export const tellMask = (
  { name, hasPaddingMask }: Pick<EncoderLimits, 'name' | 'hasPaddingMask'>,
  { paddingMask }: { readonly paddingMask?: unknown },
): void => {
  if (!hasPaddingMask && paddingMask !== undefined)
    warnOnce(`${name}: reads no paddingMask, so the one given is left out; padding counts as text does`);
};

/** Whether a value is a record of tokens. */
export const isTokens = (value: unknown): value is EncoderBackboneInputs =>
  typeof value === 'object' && value !== null && 'tokenIds' in value;

/** @throws {RangeError} If a number is outside 0 to `high - 1`. */
const expectBelow = (what: string, { data, shape }: NDArray, high: number, why: string): void => {
  const wrong = data.findIndex((value) => value < 0 || value >= high);
  const length = shape.at(-1) ?? 1;
  if (wrong !== -1)
    throw new RangeError(
      `${what} from 0 to ${high - 1} (${why}), got ${data[wrong]} at place ${wrong % length} of row ${Math.floor(wrong / length)}`,
    );
};

/**
 * Tokens as arrays that a model can read, checked before anything runs; what a family does not read is left out.
 *
 * @throws {ShapeError} If a shape is not `[batch, length]`, or longer than the model reads.
 * @throws {RangeError} If an id is outside the vocabulary, a segment is one too many, or a place outside the row.
 */
export const encoderArrays = (
  what: string,
  inputs: EncoderBackboneInputs & { readonly maskPositions?: TensorValues | undefined },
  limits: EncoderLimits,
): Batch['x'] => {
  const { vocabularySize, maxSequenceLength, numSegments, hasPaddingMask } = limits;
  tellMask(limits, inputs);
  const tokenIds = hostArray(`${what}: tokenIds`, inputs.tokenIds, 'int32');
  const { shape } = tokenIds;
  if (shape.length !== 2 || shape.includes(0))
    throw new ShapeError(
      `${what}: expected tokenIds of shape [batch, length] with at least one token, got ${formatShape(shape)}`,
    );
  if (shape[1]! > maxSequenceLength)
    throw new ShapeError(
      `${what}: expected rows of at most ${maxSequenceLength} tokens (the model's maxSequenceLength), got ${shape[1]}; shorten the texts or set the preprocessor's sequenceLength`,
    );
  expectBelow(`${what}: expected token ids`, tokenIds, vocabularySize, `vocabularySize ${vocabularySize}`);
  const same = (name: 'segmentIds' | 'paddingMask', dtype: 'int32' | 'bool'): NDArray | undefined => {
    const values = inputs[name];
    if (values === undefined) return undefined;
    const array = hostArray(`${what}: ${name}`, values, dtype);
    if (!sameShape(array.shape, shape))
      throw new ShapeError(
        `${what}: expected ${name} of tokenIds' shape ${formatShape(shape)}, got ${formatShape(array.shape)}`,
      );
    return array;
  };
  const segmentIds = numSegments === undefined ? undefined : same('segmentIds', 'int32');
  if (segmentIds !== undefined)
    expectBelow(`${what}: expected segment ids`, segmentIds, numSegments!, `the model has ${numSegments} segments`);
  const paddingMask = hasPaddingMask ? same('paddingMask', 'bool') : undefined;
  const maskPositions =
    inputs.maskPositions === undefined ? undefined : hostArray(`${what}: maskPositions`, inputs.maskPositions, 'int32');
  if (maskPositions !== undefined) {
    if (maskPositions.shape.length !== 2 || maskPositions.shape[0] !== shape[0])
      throw new ShapeError(
        `${what}: expected maskPositions of shape [${shape[0]}, positions], got ${formatShape(maskPositions.shape)}`,
      );
    expectBelow(`${what}: expected maskPositions`, maskPositions, shape[1]!, `rows have ${shape[1]} tokens`);
  }
  return {
    tokenIds,
    ...(segmentIds === undefined ? {} : { segmentIds }),
    ...(paddingMask === undefined ? {} : { paddingMask }),
    ...(maskPositions === undefined ? {} : { maskPositions }),
  };
};

/** Weights of examples: one number each, or of the targets' shape. */
export const weightsOf = (what: string, values: unknown, shapes: readonly (readonly number[])[]): NDArray => {
  const array = hostArray(`${what}: sampleWeight`, values as TensorValues, 'float32');
  if (!shapes.some((shape) => sameShape(shape, array.shape)))
    throw new ShapeError(
      `${what}: expected sampleWeight of shape ${shapes.map(formatShape).join(' or ')}, got ${formatShape(array.shape)}`,
    );
  return array;
};

/**
 * Targets as ids.
 *
 * @throws {ShapeError} If they are of another shape.
 * @throws {RangeError} If one is no class or token.
 */
export const targetsOf = (
  what: string,
  values: unknown,
  shape: readonly number[],
  { high, why }: { readonly high: number; readonly why: string },
): NDArray => {
  if (values === null || typeof values !== 'object')
    throw new ArgumentError(`${what}: expected y to be a list of whole numbers, got ${describe(values)}`);
  const array = hostArray(`${what}: y`, values as TensorValues, 'int32');
  if (!sameShape(array.shape, shape))
    throw new ShapeError(`${what}: expected y of shape ${formatShape(shape)}, got ${formatShape(array.shape)}`);
  expectBelow(`${what}: expected y`, array, high, why);
  return array;
};
