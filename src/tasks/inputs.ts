import { leafStorage, type TensorValues, tensor } from '../ops/constant.ts';
import { evaluateReference } from '../runtime/reference/evaluate.ts';
import { ShapeError } from '../tensor/errors.ts';
import type { NDArray } from '../tensor/ndarray.ts';
import { formatShape } from '../tensor/shape.ts';
import type { TokenBatch } from './generation.ts';

/** Tokens as a user gives them: nested lists, typed arrays with a shape, or tensors on the host; `[batch, length]` or `[length]`. */
export interface TokenInputs {
  readonly tokenIds: TensorValues;
  /** Where tokens are given and must stay. Default: everywhere. */
  readonly paddingMask?: TensorValues;
}

const hostArray = (what: string, values: TensorValues, dtype: 'int32' | 'bool'): NDArray => {
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
