// V8 keeps a longer piece of a string as a view, and remembering it would keep the whole text alive.
const REMEMBERED_LENGTH = 12;
const REMEMBERED_WORDS = 20_000;

/** The same function of a word, with the ids of short words remembered. */
export const remembering = (encode: (word: string) => readonly number[]): ((word: string) => readonly number[]) => {
  const remembered = new Map<string, readonly number[]>();
  return (word) => {
    const known = remembered.get(word);
    if (known !== undefined) return known;
    const ids = encode(word);
    if (word.length <= REMEMBERED_LENGTH) {
      if (remembered.size === REMEMBERED_WORDS) remembered.clear();
      remembered.set(word, ids);
    }
    return ids;
  };
};
