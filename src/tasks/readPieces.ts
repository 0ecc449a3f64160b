import { type StoredTensor, scratch } from '../weights/index.ts';

/** Reads a piece of a stored tensor. */
export type ReadPiece = (source: StoredTensor, start: number, end: number) => Promise<Uint8Array>;

/** Reads pieces of tensors into two pieces of memory in turn: fresh memory for each would cost more than reading does. */
export const readerInTurn = (): ReadPiece => {
  let [next, other] = [scratch(), scratch()];
  return (source, start, end) => {
    [next, other] = [other, next];
    return source.read(start, end, other(end - start));
  };
};
