const whiteSpace = /\p{White_Space}/u;

/** The text without the white space that ends it; the time is linear, as no `\s+$` is. */
export const trimEnd = (text: string): string => {
  let end = text.length;
  while (end > 0 && whiteSpace.test(text[end - 1]!)) end -= 1; // No white space is beyond U+FFFF.
  return text.slice(0, end);
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
  const separator = new RegExp(
    `(${[...tokens]
      .sort((a, b) => b.length - a.length)
      .map((token) => token.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'))
      .join('|')})`,
    'u',
  );
  if (lstripTokens.length === 0) return (text) => text.split(separator);
  const stripping = new Set(lstripTokens);
  return (text) =>
    text
      .split(separator)
      .map((part, index, parts) => (index % 2 === 0 && stripping.has(parts[index + 1]!) ? trimEnd(part) : part));
};
