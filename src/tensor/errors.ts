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
