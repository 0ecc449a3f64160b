import * as E from 'fp-ts/lib/Either.js';

/**
 * What can stand between a preset's name and its files. `BadUri`: a form that is none. `UnknownPreset`: no such id and no
 * such folder. `NotFound`: the hub has no such model, revision or file. `Gated`: terms have to be accepted. `Unauthorized`:
 * the hub wants other credentials. `NotAPreset`: no layout that can be loaded. `Offline`: not in the cache, and the network
 * is not to be used or not there. `Server`: the hub refused, or answered nonsense. `Corrupt`: bytes that are not those that
 * were announced. `InputOutput`: the file system refused.
 */
export interface HubProblem {
  /** Which kind of trouble. */
  readonly _tag:
    | 'BadUri'
    | 'UnknownPreset'
    | 'NotFound'
    | 'Gated'
    | 'Unauthorized'
    | 'NotAPreset'
    | 'Offline'
    | 'Server'
    | 'Corrupt'
    | 'InputOutput';
  /** For people: what it is about, what was expected, what came, the way out. */
  readonly message: string;
  /** The preset that was asked for. */
  readonly uri?: string;
}

/** A problem with this tag; the message begins with what was asked for. */
export const hubProblem = (_tag: HubProblem['_tag'], uri: string, problem: string): HubProblem => ({
  _tag,
  message: `${uri}: ${problem}`,
  uri,
});

/** A left with this tag; the message begins with what was asked for. */
export const refuse = (_tag: HubProblem['_tag'], uri: string, problem: string): E.Either<HubProblem, never> =>
  E.left(hubProblem(_tag, uri, problem));

/** What promises are rejected with when a preset cannot be had: a `HubProblem` that is an `Error`. */
export class HubError extends Error {
  override readonly name = 'HubError';
  readonly _tag: HubProblem['_tag'];
  readonly uri: string | undefined;

  constructor({ _tag, message, uri }: HubProblem) {
    super(message);
    this._tag = _tag;
    this.uri = uri;
  }
}

/** The same problem as a value to throw or to reject with. */
export const toHubError = (problem: HubProblem): HubError => new HubError(problem);

/** The right of a `result`; of a left, its problem is thrown. */
export const orHubError = <A>(result: E.Either<HubProblem, A>): A => {
  if (E.isLeft(result)) throw toHubError(result.left);
  return result.right;
};

/** What went wrong, in a few words: the innermost cause of a failed request says more than the outermost. */
export const causeOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  if (error.cause !== undefined) return causeOf(error.cause);
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message;
};
