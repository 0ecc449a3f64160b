import { add } from '../ops/add.ts';
import { arange } from '../ops/arange.ts';
import { matmul } from '../ops/matmul.ts';
import { sliceAxis } from '../ops/slice.ts';
import { take } from '../ops/take.ts';
import { transpose } from '../ops/transpose.ts';
import { ShapeError } from '../tensor/errors.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** The table of an embedding: `embeddings` is `[rows, width]`. */
export type EmbeddingParams = {
  readonly embeddings: Tensor;
};

/**
 * Rows of a table by id: `ids [batch, length]` int32 to `[batch, length, width]`.
 *
 * @see keras_hub.layers.ReversibleEmbedding
 */
export const embed =
  ({ embeddings }: EmbeddingParams) =>
  (ids: Tensor): Tensor =>
    take(embeddings, ids);

/**
 * Logits from the same table that embeds: `h E^T`, `[..., width]` to `[..., rows]`.
 *
 * @see Press and Wolf 2017; keras_hub.layers.ReversibleEmbedding with reverse=True
 */
export const unembed =
  ({ embeddings }: EmbeddingParams) =>
  (h: Tensor): Tensor =>
    matmul(h, transpose(embeddings));

/**
 * Rows of a position table for `length` places: from 0 on, or from `position` on.
 *
 * @param position - int32 scalar; the place of the first row. Default 0.
 * @returns `[length, width]`.
 * @throws {ShapeError} If `length` exceeds the table.
 * @see keras_hub.layers.PositionEmbedding
 */
export const positions = ({ embeddings }: EmbeddingParams, length: number, position?: Tensor): Tensor => {
  const [rows = 0] = embeddings.shape;
  if (length > rows)
    throw new ShapeError(
      `positions: expected a length of at most ${rows} (maxSequenceLength), got ${length}; shorten the text or use a model with a longer position table`,
    );
  return position === undefined ? sliceAxis(embeddings, 0, 0, length) : take(embeddings, add(arange(length), position));
};
