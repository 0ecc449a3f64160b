import * as E from 'fp-ts/lib/Either.js';
import { printable } from '../models/configReader.ts';

/**
 * What can be wrong with a preset or a checkpoint. `NotAPreset`: no folder of a known kind. `MissingFile`: a file that
 * must be there is not. `BrokenFile`: a file that contradicts its own format. `UnknownFormat`: a format we do not read.
 * `WrongConfig`: a config of another family, or with nonsense in it. `WrongTensors`: tensors that do not fit the config.
 * `InputOutput`: the operating system refused.
 */
export interface WeightsError {
  /** Which kind of trouble. */
  readonly _tag:
    | 'NotAPreset'
    | 'MissingFile'
    | 'BrokenFile'
    | 'UnknownFormat'
    | 'WrongConfig'
    | 'WrongTensors'
    | 'InputOutput';
  /** For people: what it is about, what was expected, what came, the way out. */
  readonly message: string;
  /** The file or folder it is about. */
  readonly path?: string;
}

/** A left with this tag; the message begins with the path. */
export const fail = (_tag: WeightsError['_tag'], path: string, problem: string): E.Either<WeightsError, never> =>
  E.left(weightsError(_tag, path, problem));

/** An error with this tag; the message begins with the path. */
export const weightsError = (_tag: WeightsError['_tag'], path: string, problem: string): WeightsError => ({
  _tag,
  message: `${path}: ${problem}`,
  path,
});

/** What promises are rejected with when a preset or a checkpoint cannot be read: a `WeightsError` that is an `Error`. */
export class PresetError extends Error {
  override readonly name = 'PresetError';
  readonly _tag: WeightsError['_tag'];
  readonly path: string | undefined;

  constructor({ _tag, message, path }: WeightsError) {
    super(printable(message));
    this._tag = _tag;
    this.path = path;
  }
}

/** The same error as a value to throw or to reject with. */
export const toPresetError = (error: WeightsError): PresetError => new PresetError(error);

/** The first few of a list and how many more there are: long lists stay readable. */
export const firstFew = (items: readonly string[], few = 4): string =>
  items.length <= few ? items.join(', ') : `${items.slice(0, few).join(', ')} and ${items.length - few} more`;
