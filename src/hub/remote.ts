import type * as TE from 'fp-ts/lib/TaskEither.js';
import type { HubProblem } from './errors.ts';
import type { HubRequest } from './network.ts';
import type { RemoteFile } from './wanted.ts';

/** A response that says no, as far as it is needed to say why. */
export interface Refusal {
  readonly status: number;
  readonly headers: Headers;
}

/** One model on one of the hubs: what can be asked about it. All names in it have been checked. */
export interface Remote {
  /** How a user would write it, with its revision or version. */
  readonly uri: string;
  /** Which state is meant now: the commit that a branch stands at, or the newest version. */
  readonly current: (signal: AbortSignal) => TE.TaskEither<HubProblem, string>;
  /** All files of a state. */
  readonly list: (state: string, signal: AbortSignal) => TE.TaskEither<HubProblem, readonly RemoteFile[]>;
  /** The request for a file of a state. */
  readonly request: (state: string, name: string) => HubRequest;
  /** What a refusal means, for people. */
  readonly explain: (refusal: Refusal, what: string) => HubProblem;
}
