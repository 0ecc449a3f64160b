const whiteSpace = /\p{White_Space}/u;

/** The text without the white space that ends it; the time is linear, as no `\s+$` is. */
export const trimEnd = (text: string): string => {
  let end = text.length;
  while (end > 0 && whiteSpace.test(text[end - 1]!)) end -= 1; // No white space is beyond U+FFFF.
  return text.slice(0, end);
};

/**
 * The longest of some strings that a text has at a place, empty where it has none. Not a regular expression: one of
 * 10,000 alternatives takes a second for a line of text.
 */
const longestOf = (strings: Iterable<string>): ((text: string, at: number) => string) => {
  const sorted = [...new Set(strings)].sort(); // By code units, the shorter of two that begin alike first.
  const first = new Set(sorted.map((string) => string.charCodeAt(0)));
  /** The first from `low` on whose unit at `depth` is not below `unit`. */
  const bound = (low: number, high: number, depth: number, unit: number): number => {
    let [from, to] = [low, high];
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (sorted[middle]!.charCodeAt(depth) < unit) from = middle + 1;
      else to = middle;
    }
    return from;
  };
  return (text, at) => {
    if (!first.has(text.charCodeAt(at))) return '';
    let found = '';
    let [low, high] = [0, sorted.length];
    // Those from low to high begin as the text does, `depth` units long.
    for (let depth = 0; low < high && at + depth <= text.length; depth++) {
      if (sorted[low]!.length === depth) found = sorted[low++]!;
      const unit = text.charCodeAt(at + depth);
      low = bound(low, high, depth, unit);
      high = bound(low, high, depth, unit + 1);
    }
    return found;
  };
};

/**
 * A function that cuts a text at every place where one of the tokens stands: text and tokens in turn, text first and last,
 * empty where there is none. Of two tokens that begin alike the longer is found.
 *
 * @param tokens - Strings, none empty.
 * @param lstripTokens - Those of them that swallow the white space before them.
 */
export const cutAround = (
  tokens: readonly string[],
  lstripTokens: readonly string[] = [],
): ((text: string) => readonly string[]) => {
  if (tokens.length === 0) return (text) => [text];
  const longestAt = longestOf(tokens);
  const cut = (text: string): readonly string[] => {
    const parts: string[] = [];
    let from = 0;
    for (let at = 0; at < text.length; ) {
      const found = longestAt(text, at);
      if (found === '') {
        at += 1;
        continue;
      }
      parts.push(text.slice(from, at), found);
      at += found.length;
      from = at;
    }
    parts.push(text.slice(from));
    return parts;
  };
  if (lstripTokens.length === 0) return cut;
  const stripping = new Set(lstripTokens);
  return (text) =>
    cut(text).map((part, index, parts) => (index % 2 === 0 && stripping.has(parts[index + 1]!) ? trimEnd(part) : part));
};
