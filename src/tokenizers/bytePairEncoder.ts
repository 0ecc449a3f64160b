// Why not a library: @huggingface/tokenizers 0.2.0 splits at JavaScript's \s (which has U+FEFF and lacks U+0085), keeps
// a byte that is in no vocabulary between two others, where transformers joins them over it, and is slower.

import { byteCharacters } from './bytes.ts';
import { pop, push } from './heap.ts';

/** A merge rule: two neighbouring pieces that become one. */
export type Merge = readonly [left: string, right: string];

/**
 * Byte-pair encoding of one word's bytes: of all neighbouring pairs that a rule names, the one whose rule stands first
 * is joined, the leftmost of equals first, until none is left.
 *
 * A byte that neither the vocabulary nor a rule knows is left out before, a piece without an id after: what transformers
 * does without an unknown token, for rules whose parts all have ids. Time is O(n log n) in the word's length.
 *
 * @param vocabulary - Ids of pieces, spelt in byte characters.
 * @param merges - Rules in order of rank, no pair twice.
 * @returns Bytes to ids.
 * @see Sennrich et al. 2016, algorithm 1; keras_hub.tokenizers.BytePairTokenizer
 */
export const bytePairEncoder = (
  vocabulary: ReadonlyMap<string, number>,
  merges: readonly Merge[],
): ((bytes: Uint8Array) => readonly number[]) => {
  // Pieces are numbered, so that a pair is one number and a word an Int32Array.
  const pieces = new Map<string, number>();
  const pieceOf = (text: string): number => {
    const known = pieces.get(text);
    if (known !== undefined) return known;
    pieces.set(text, pieces.size);
    return pieces.size - 1;
  };
  const rules = merges.map(([left, right]) => [pieceOf(left), pieceOf(right), pieceOf(left + right)] as const);
  const pieceOfByte = byteCharacters.map((character) =>
    vocabulary.has(character) || pieces.has(character) ? pieceOf(character) : -1,
  );
  const count = pieces.size;
  const ruleOfPair = new Map(rules.map(([left, right], rule) => [left * count + right, rule]));
  const joined = Int32Array.from(rules, ([, , both]) => both);
  const idOfPiece = Int32Array.from(pieces.keys(), (piece) => vocabulary.get(piece) ?? -1);

  return (bytes) => {
    const word = Int32Array.from(bytes, (byte) => pieceOfByte[byte]!).filter((piece) => piece >= 0);
    const length = word.length;
    const next = Int32Array.from(word, (_, at) => at + 1);
    const previous = Int32Array.from(word, (_, at) => at - 1);
    const ruleAt = new Int32Array(length); // The rule for the pair that begins here, or -1.
    const heap: number[] = []; // rule * length + place: ordered by rule, then from the left.

    const offer = (at: number): void => {
      const right = next[at]!;
      const rule = right < length ? (ruleOfPair.get(word[at]! * count + word[right]!) ?? -1) : -1;
      ruleAt[at] = rule;
      if (rule >= 0) push(heap, rule * length + at);
    };
    for (let at = 0; at < length; at++) offer(at);

    while (heap.length > 0) {
      const key = pop(heap);
      const at = key % length;
      const rule = (key - at) / length;
      if (ruleAt[at] !== rule) continue; // One of the two has been joined with another since.
      const right = next[at]!;
      const after = next[right]!;
      word[at] = joined[rule]!;
      next[at] = after;
      if (after < length) previous[after] = at;
      ruleAt[right] = -1;
      offer(at);
      if (previous[at]! >= 0) offer(previous[at]!);
    }

    const ids: number[] = [];
    for (let at = 0; at < length; at = next[at]!) {
      const id = idOfPiece[word[at]!]!;
      if (id >= 0) ids.push(id);
    }
    return ids;
  };
};
