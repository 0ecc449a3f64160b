import type { StoredTensor } from '../weights/index.ts';

/** Reads a piece of a stored tensor. */
export type ReadPiece = (source: StoredTensor, start: number, end: number) => Promise<Uint8Array>;

/** Reads pieces of tensors into two pieces of memory in turn: fresh memory for each would cost more than reading does. */
export const readerInTurn = (): ReadPiece => {
  const memory: [Uint8Array, Uint8Array] = [new Uint8Array(0), new Uint8Array(0)];
  let turn: 0 | 1 = 0;
  return (source, start, end) => {
    if (memory[turn].length < end - start) memory[turn] = new Uint8Array(end - start);
    const into = memory[turn];
    turn = turn === 0 ? 1 : 0;
    return source.read(start, end, into);
  };
};
