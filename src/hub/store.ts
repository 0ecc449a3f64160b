import type { Digest, RemoteFile } from './wanted.ts';

/** A file that is being fetched. What it holds stays for the next try, unless it is begun anew. */
export interface PartialFile {
  /** How many bytes it holds. */
  readonly size: () => number;
  /** The bytes that it holds. */
  readonly bytes: () => AsyncIterable<Uint8Array>;
  /** Puts bytes at its end. */
  readonly append: (bytes: Uint8Array) => Promise<void>;
  /** Throws away what it holds. */
  readonly restart: () => Promise<void>;
  /** Gives the file its name, all at once: before this nobody sees it, after it it is whole. */
  readonly finish: () => Promise<void>;
  /** Leaves it as it is; nothing happens after `finish`. */
  readonly close: () => Promise<void>;
}

/**
 * Where one model's files are kept: a hub's cache on disk, or a browser's. A state is a commit of a repository or a version of
 * a Kaggle model. Only whole files are seen through it. Promises reject with the system's errors.
 */
export interface PresetStore {
  /** Where that is, for messages. */
  readonly place: string;
  /** The states that may be current as far as is known here, the likeliest first. */
  readonly states: () => Promise<readonly string[]>;
  /** Notes that a state is current, where that can be noted. */
  readonly remember: (state: string) => Promise<void>;
  /** All files that a state has on the hub, if that was noted. */
  readonly listing: (state: string) => Promise<readonly RemoteFile[] | undefined>;
  /** Notes all files that a state has on the hub, where that can be noted. */
  readonly keepListing: (state: string, files: readonly RemoteFile[]) => Promise<void>;
  /** Names of the files of a state that are there. */
  readonly names: (state: string) => Promise<readonly string[]>;
  /** Whether a file is there and whole, as far as can be seen at a glance. A copy of it from another state is taken over. */
  readonly has: (state: string, file: RemoteFile) => Promise<boolean>;
  /** Reads a small text that is there. */
  readonly readText: (state: string, name: string) => Promise<string>;
  /** Runs `work` while nobody else, in this process or another, fetches this file. */
  readonly exclusively: <A>(state: string, file: RemoteFile, signal: AbortSignal, work: () => Promise<A>) => Promise<A>;
  /** Opens what there is of a file, or begins it. */
  readonly begin: (state: string, file: RemoteFile) => Promise<PartialFile>;
  /** The folder of a state, where there are folders. */
  readonly folder: ((state: string) => string) | undefined;
}

/** A hash that is being made. */
export interface Hasher {
  /** Takes in further bytes. */
  readonly update: (bytes: Uint8Array) => void;
  /** The hash in hexadecimal digits; the last thing to ask for. */
  readonly hex: () => string;
}

/** Makes a hash of a kind; `size` is that of the whole file, which git's hash begins with. */
export type MakeHasher = (algorithm: Digest['algorithm'], size: number) => Hasher;
