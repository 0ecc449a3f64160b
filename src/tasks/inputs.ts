import { leafStorage, type TensorValues, tensor } from '../ops/constant.ts';
import { evaluateReference } from '../runtime/reference/evaluate.ts';
import { ArgumentError, ShapeError } from '../tensor/errors.ts';
import type { NDArray } from '../tensor/ndarray.ts';
import { formatShape } from '../tensor/shape.ts';
import type { Batch } from './batches.ts';
import type { TokenBatch } from './decodingLoop.ts';

/** Tokens as a user gives them: nested lists, typed arrays with a shape, or tensors on the host; `[batch, length]` or `[length]`. */
export interface TokenInputs {
  /** From 0 to one less than the vocabulary's size. */
  readonly tokenIds: TensorValues;
  /** Where tokens are given and must stay. Default: everywhere. */
  readonly paddingMask?: TensorValues;
}

/** What kind of thing a value is, for messages. */
export const describe = (value: unknown): string =>
  value === null
    ? 'null'
    : Array.isArray(value)
      ? 'a list'
      : typeof value === 'object'
        ? 'an object'
        : `${typeof value}`;

/** Values on the host as an array. @throws {ShapeError} If a device holds them. */
export const hostArray = (what: string, values: TensorValues, dtype: 'int32' | 'bool' | 'float32'): NDArray => {
  const made = tensor(values, { dtype });
  const storage = leafStorage(made);
  if (storage?.kind === 'resident')
    throw new ShapeError(`${what}: expected values on the host, got a tensor that a device holds; read it first`);
  return storage?.kind === 'host' ? storage.array : evaluateReference([made])[0]!;
};

/**
 * Token inputs as flat arrays, checked before anything runs.
 *
 * @throws {ShapeError} If the shapes are not `[batch, length]` (or `[length]`), or differ.
 * @throws {RangeError} If an id is outside the vocabulary.
 */
export const tokenBatch = (
  what: string,
  { tokenIds, paddingMask }: TokenInputs,
  vocabularySize: number,
): TokenBatch => {
  const ids = hostArray(`${what}: tokenIds`, tokenIds, 'int32');
  const { shape } = ids;
  if (shape.length < 1 || shape.length > 2 || shape.includes(0))
    throw new ShapeError(
      `${what}: expected tokenIds of shape [batch, length] with at least one token, got ${formatShape(shape)}`,
    );
  const [batch, length] = shape.length === 1 ? [1, shape[0]!] : [shape[0]!, shape[1]!];
  const mask =
    paddingMask === undefined
      ? { data: new Uint8Array(batch * length).fill(1), shape }
      : hostArray(`${what}: paddingMask`, paddingMask, 'bool');
  if (formatShape(mask.shape) !== formatShape(shape))
    throw new ShapeError(
      `${what}: expected paddingMask of tokenIds' shape ${formatShape(shape)}, got ${formatShape(mask.shape)}`,
    );
  const wrong = ids.data.findIndex((id) => id < 0 || id >= vocabularySize);
  if (wrong !== -1)
    throw new RangeError(
      `${what}: expected token ids from 0 to ${vocabularySize - 1} (vocabularySize ${vocabularySize}), got ${ids.data[wrong]} at place ${wrong % length} of row ${Math.floor(wrong / length)}; was the text encoded by another tokenizer?`,
    );
  return {
    tokenIds: Int32Array.from(ids.data),
    paddingMask: Uint8Array.from(mask.data, (given) => (given === 0 ? 0 : 1)),
    batch,
    length,
  };
};

/** Weights as float32, whatever they were. */
export const asWeights = ({ data, shape }: NDArray): NDArray => ({
  data: Float32Array.from(data),
  shape,
  dtype: 'float32',
});

/**
 * Tokens as examples, checked before anything runs.
 *
 * @param y - The ids that come next, of tokenIds' shape; undefined where nothing is learnt.
 * @param sampleWeight - Of the same shape, or one number an example.
 * @throws {ShapeError} If a shape does not fit, or there is no batch axis.
 * @throws {RangeError} If an id is outside the vocabulary.
 */
export const tokenExamples = (
  what: string,
  x: TokenInputs,
  y: unknown,
  sampleWeight: unknown,
  vocabularySize: number,
): Batch => {
  const given = tensor(x.tokenIds, { dtype: 'int32' }).shape;
  if (given.length !== 2)
    throw new ShapeError(
      `${what}: expected x, y and sampleWeight to have a batch axis (tokenIds of [batch, length]), got ${formatShape(given)}`,
    );
  const { tokenIds, paddingMask, batch, length } = tokenBatch(what, x, vocabularySize);
  const shape = [batch, length];
  const weights =
    sampleWeight === undefined
      ? undefined
      : hostArray(`${what}: sampleWeight`, sampleWeight as TensorValues, 'float32');
  if (weights !== undefined && !['', `,${length}`].some((rest) => weights.shape.join() === `${batch}${rest}`))
    throw new ShapeError(
      `${what}: expected sampleWeight of shape ${formatShape(shape)} or [${batch}], got ${formatShape(weights.shape)}`,
    );
  const targets =
    y === undefined ? undefined : tokenBatch(`${what}: y`, { tokenIds: y as TensorValues }, vocabularySize);
  if (targets !== undefined && (targets.batch !== batch || targets.length !== length))
    throw new ShapeError(
      `${what}: expected y of tokenIds' shape ${formatShape(shape)}, got ${formatShape([targets.batch, targets.length])}`,
    );
  return {
    x: {
      tokenIds: { data: tokenIds, shape, dtype: 'int32' },
      paddingMask: { data: paddingMask, shape, dtype: 'bool' },
    },
    ...(targets === undefined ? {} : { y: { data: targets.tokenIds, shape, dtype: 'int32' } }),
    ...(weights === undefined ? {} : { sampleWeight: weights }),
  };
};

/**
 * The preprocessor of a task, where texts are to be read.
 *
 * @param what - What reads them, for the message.
 * @param instead - What it reads without one.
 * @throws {ArgumentError} If there is none.
 */
export const forTexts = <P>(what: string, preprocessor: P | null, instead = 'tokens'): P => {
  if (preprocessor === null)
    throw new ArgumentError(
      `${what}: expected ${instead}, since this model has no preprocessor, got text; attach a preprocessor or tokenize it first`,
    );
  return preprocessor;
};
