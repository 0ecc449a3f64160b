import type { ByteTrie } from './byteTrie.ts';
import { characterLength } from './sentencePieceNormalizer.ts';
import { PieceType, type SentencePieceProto } from './sentencePieceProto.ts';

// All sums are float32, and of equal ones the first found stays: SentencePiece's own arithmetic decides its ties.
const f32 = Math.fround;

const UNKNOWN_PENALTY = 10;
// SentencePiece sets sums back to 0 where they get this large, before float32 loses the differences.
const LARGEST_SUM = 100_000;
const LARGEST_FLOAT = f32(3.4028234663852886e38);

/** Calls `emit` for each piece of a text in turn, with its id and where it stands. */
export type Segment = (text: Uint8Array, emit: (id: number, start: number, end: number) => void) => void;

/**
 * Segmentation by a unigram language model: of all ways to write the text as pieces, the one whose scores have the
 * largest sum. A character that no piece is has the score of the worst normal piece less 10.
 *
 * Time is linear in the text and in the longest piece.
 *
 * @param pieces - Ids of the normal, unused and user's pieces.
 * @param unknownId - Stands for characters that no piece is; -1 if the model has none.
 * @see Kudo 2018, section 3.2; unigram_model.cc of SentencePiece
 */
export const unigramSegment = ({ scores, types }: SentencePieceProto, pieces: ByteTrie, unknownId: number): Segment => {
  let worst = LARGEST_FLOAT;
  for (let id = 0; id < types.length; id++)
    if (types[id] === PieceType.NORMAL && scores[id]! < worst) worst = scores[id]!;
  const unknownScore = f32(worst - UNKNOWN_PENALTY);

  return (text, emit) => {
    const size = text.length;
    // The best way to write text[0..end): its sum, its last piece and where that begins; -1 is nowhere.
    const sums = new Float32Array(size + 1);
    const starts = new Int32Array(size + 1).fill(-1);
    const ids = new Int32Array(size + 1);
    const offer = (start: number, end: number, id: number, sum: number): void => {
      if (starts[end] !== -1 && sum <= sums[end]!) return;
      starts[end] = start;
      sums[end] = sum;
      ids[end] = id;
    };

    let reached = 0;
    for (let start = 0; start < size; ) {
      if (sums[start]! < -LARGEST_SUM || sums[start]! > LARGEST_SUM) {
        const offset = sums[start]!;
        for (let end = start; end <= reached; end++)
          if (end === start || starts[end] !== -1) sums[end] = sums[end]! - offset;
      }
      const sum = sums[start]!;
      const character = Math.min(characterLength(text[start]!), size - start);
      let isPiece = false;
      let node = 0;
      for (let end = start + 1; end <= size; end++) {
        node = pieces.step(node, text[end - 1]!);
        if (node < 0) break;
        const id = pieces.valueAt(node);
        if (id < 0 || types[id] === PieceType.UNUSED) continue;
        reached = Math.max(reached, end);
        const score = types[id] === PieceType.USER_DEFINED ? f32(0.1 * (end - start - 1)) : scores[id]!;
        offer(start, end, id, f32(score + sum));
        if (end - start === character) isPiece = true;
      }
      if (!isPiece) {
        reached = Math.max(reached, start + character);
        offer(start, start + character, unknownId, f32(unknownScore + sum));
      }
      start += character;
    }

    const ends: number[] = [];
    for (let end = size; end > 0; end = starts[end]!) ends.push(end);
    for (let i = ends.length - 1; i >= 0; i--) emit(ids[ends[i]!]!, starts[ends[i]!]!, ends[i]!);
  };
};
