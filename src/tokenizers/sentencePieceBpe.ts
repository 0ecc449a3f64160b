import type { ByteTrie } from './byteTrie.ts';
import { pop, push } from './heap.ts';
import { characterLength, longestSymbol } from './sentencePieceNormalizer.ts';
import { PieceType, type SentencePieceProto } from './sentencePieceProto.ts';
import type { Segment } from './unigram.ts';

// SentencePiece takes a piece apart no deeper.
const DEEPEST = 100;

/** The place of each score among all, best first: equal scores have one place. */
const ranksOf = (scores: Float32Array): Int32Array => {
  // As SentencePiece compares them: by their bits, so that -0 is less than 0 and nothing is unordered.
  const bits = new Int32Array(scores.buffer, scores.byteOffset, scores.length);
  const keys = bits.map((bit) => (bit < 0 ? bit ^ 0x7fffffff : bit));
  const sorted = keys.slice().sort();
  let distinct = 0;
  for (let i = 0; i < sorted.length; i++) if (i === 0 || sorted[i] !== sorted[i - 1]) sorted[distinct++] = sorted[i]!;
  return keys.map((key) => {
    let low = 0;
    let high = distinct - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sorted[middle]! < key) low = middle + 1;
      else high = middle;
    }
    return distinct - 1 - low;
  });
};

/**
 * Segmentation by byte-pair encoding as SentencePiece does it: two neighbours are joined where their whole is a piece, the
 * one with the best score first, the leftmost of equals first. The user's symbols stand and join nothing.
 *
 * An unused piece is a step to others; what is left of them is taken apart again. Time is O(n log n) in the text.
 *
 * @param pieces - Ids of the normal, unused and user's pieces.
 * @param symbols - The user's symbols; `undefined` for none.
 * @param unknownId - Stands for characters that no piece is; -1 if the model has none.
 * @see Sennrich et al. 2016, algorithm 1; bpe_model.cc of SentencePiece
 */
export const sentencePieceBpe = (
  { scores, types }: SentencePieceProto,
  pieces: ByteTrie,
  symbols: ByteTrie | undefined,
  unknownId: number,
): Segment => {
  const ranks = ranksOf(scores);

  return (text, emit) => {
    // Parts of the text, from single characters on. A part is known by its place in the first list of them.
    const size = text.length;
    const starts = new Int32Array(size + 1);
    const frozen = new Uint8Array(size);
    let count = 0;
    for (let at = 0; at < size; count++) {
      const symbol = longestSymbol(symbols, text, at);
      starts[count] = at;
      frozen[count] = symbol > 0 ? 1 : 0;
      at += symbol > 0 ? symbol : Math.min(characterLength(text[at]!), size - at);
    }
    starts[count] = size;

    const next = new Int32Array(count);
    const previous = new Int32Array(count);
    const nodes = new Int32Array(count); // The trie's node for each part, or -1.
    for (let part = 0; part < count; part++) {
      next[part] = part + 1;
      previous[part] = part - 1;
      nodes[part] = pieces.walk(0, text, starts[part]!, starts[part + 1]!);
    }
    const wholes = new Int32Array(count).fill(-1); // The id of this part and the next together, or -1.
    const heap: number[] = []; // rank * count + place: ordered by rank, then from the left.
    // How an unused piece came about: the length of its left half. The last way that was seen counts.
    const halves = new Map<number, number>();

    const offer = (left: number): void => {
      const right = next[left]!;
      wholes[left] = -1;
      if (right >= count || frozen[left] === 1 || frozen[right] === 1) return;
      const node = pieces.walk(nodes[left]!, text, starts[right]!, starts[next[right]!]!);
      const id = node < 0 ? -1 : pieces.valueAt(node);
      if (id < 0) return;
      wholes[left] = id;
      push(heap, ranks[id]! * count + left);
      if (types[id] === PieceType.UNUSED) halves.set(id, starts[right]! - starts[left]!);
    };
    for (let part = 0; part < count; part++) offer(part);

    while (heap.length > 0) {
      const key = pop(heap);
      const left = key % count;
      const id = wholes[left]!;
      // One of the two has been joined with another since, and what stands here now has another rank.
      if (id < 0 || ranks[id]! * count + left !== key) continue;
      const right = next[left]!;
      nodes[left] = pieces.walk(nodes[left]!, text, starts[right]!, starts[next[right]!]!);
      next[left] = next[right]!;
      if (next[right]! < count) previous[next[right]!] = left;
      wholes[right] = -1;
      if (previous[left]! >= 0) offer(previous[left]!);
      offer(left);
    }

    const emitParts = (node: number, start: number, end: number, depth: number): void => {
      const id = node < 0 ? -1 : pieces.valueAt(node);
      if (id < 0) emit(unknownId, start, end);
      else if (types[id] !== PieceType.UNUSED || depth > DEEPEST) emit(id, start, end);
      else {
        const half = halves.get(id);
        if (half === undefined) emit(unknownId, start, end);
        else {
          emitParts(pieces.walk(0, text, start, start + half), start, start + half, depth + 1);
          emitParts(pieces.walk(0, text, start + half, end), start + half, end, depth + 1);
        }
      }
    };
    for (let part = 0; part < count; part = next[part]!)
      emitParts(nodes[part]!, starts[part]!, starts[next[part]!]!, 0);
  };
};
