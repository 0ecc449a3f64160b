/** Sizes that do not fit: says which op or argument, what was expected and what came. */
export class ShapeError extends Error {
  override readonly name = 'ShapeError';
}

/** A dtype that an op or a format does not take. */
export class DTypeError extends Error {
  override readonly name = 'DTypeError';
}

/** A programmer's mistake in an argument that is neither a shape nor a dtype. */
export class ArgumentError extends Error {
  override readonly name = 'ArgumentError';
}

/**
 * Refuses options that nobody knows: a misspelt one would else do nothing, in silence.
 *
 * @param what - Whose options they are, for the message.
 * @param known - The names that there are.
 * @throws {ArgumentError} If there is another one.
 */
export const refuseUnknown = (what: string, options: object, known: readonly string[]): void => {
  const strange = Object.keys(options).find((name) => !known.includes(name));
  if (strange !== undefined)
    throw new ArgumentError(`${what}: expected options among ${known.join(', ')}, got ${strange}`);
};
