// A trie of byte strings as one hash table of edges: a vocabulary of 256,000 pieces is built in a tenth of a second, and
// a step costs one look into an Int32Array. Maps of strings would need a substring for every candidate.

/** Byte strings with a number each. */
export interface ByteTrie {
  /** The node that a byte leads to from a node, or -1. The root is 0. */
  readonly step: (node: number, byte: number) => number;
  /** The node that `bytes[start..end)` lead to from a node, or -1; from -1 it is -1. */
  readonly walk: (node: number, bytes: Uint8Array, start: number, end: number) => number;
  /** The number of the string that ends at a node, or -1. */
  readonly valueAt: (node: number) => number;
}

/** A trie that grows. */
export interface ByteTrieBuilder extends ByteTrie {
  /** Gives `bytes[start..end)` a number; returns the one it had, or -1. @throws {RangeError} Beyond 2^24 nodes. */
  readonly add: (bytes: Uint8Array, start: number, end: number, value: number) => number;
}

/** How many nodes a trie may have: an edge is a node and a byte in 32 bits. */
export const MOST_NODES = 2 ** 24;

/** An empty trie. */
export const byteTrie = (): ByteTrieBuilder => {
  // Open addressing, at most five eighths full. An edge is `node * 256 + byte`; it and the node it leads to stand side by
  // side, so that a step is one look into memory. A target of 0 marks a free place, since no edge leads to the root.
  let bits = 10;
  let table = new Int32Array(2 ** (bits + 1));
  let values = new Int32Array(2 ** bits).fill(-1);
  let nodes = 1;

  /** Where an edge stands or would stand. */
  const placeOf = (edge: number): number => {
    let place = (Math.imul(edge, 0x9e3779b1) >>> (32 - bits)) << 1;
    while (table[place + 1] !== 0 && table[place] !== edge) place = (place + 2) & (table.length - 1);
    return place;
  };

  const grow = (): void => {
    const old = table;
    bits += 1;
    table = new Int32Array(2 ** (bits + 1));
    const more = new Int32Array(2 ** bits).fill(-1);
    more.set(values);
    values = more;
    for (let from = 0; from < old.length; from += 2) {
      if (old[from + 1] === 0) continue;
      const place = placeOf(old[from]!);
      table[place] = old[from]!;
      table[place + 1] = old[from + 1]!;
    }
  };

  const step = (node: number, byte: number): number => table[placeOf((node << 8) | byte) + 1]! || -1;

  return {
    step,
    walk: (node, bytes, start, end) => {
      for (let at = start; at < end && node >= 0; at++) node = step(node, bytes[at]!);
      return node;
    },
    valueAt: (node) => values[node]!,
    add: (bytes, start, end, value) => {
      let node = 0;
      for (let at = start; at < end; at++) {
        const edge = (node << 8) | bytes[at]!;
        let place = placeOf(edge);
        if (table[place + 1] === 0) {
          if (nodes === MOST_NODES) throw new RangeError(`expected at most ${MOST_NODES} nodes`);
          if (nodes * 16 >= table.length * 5) {
            grow();
            place = placeOf(edge);
          }
          table[place] = edge;
          table[place + 1] = nodes++;
        }
        node = table[place + 1]!;
      }
      const before = values[node]!;
      if (before < 0) values[node] = value;
      return before;
    },
  };
};
