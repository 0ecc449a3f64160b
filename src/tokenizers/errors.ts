/** A tokenizer's file that cannot be used: the message names the file, the place and what stands there. */
export class TokenizerFileError extends Error {
  override readonly name = 'TokenizerFileError';
}

/** A piece of someone's text as it stands in messages: quoted, and cut when it is long. */
export const quote = (text: string): string => JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);

/** What came, in a few words, for messages about arguments of a wrong kind. */
export const describe = (value: unknown): string => {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'string') return `the string ${quote(value)}`;
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'object') return `an object (${Object.prototype.toString.call(value).slice(8, -1)})`;
  return `the ${typeof value} ${String(value)}`;
};
