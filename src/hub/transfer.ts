import * as E from 'fp-ts/lib/Either.js';
import { causeOf, type HubProblem, refuse } from './errors.ts';
import {
  type Failure,
  failureOf,
  type HubRequest,
  isPassing,
  type Network,
  send,
  sleep,
  waitBefore,
  watch,
} from './network.ts';
import type { Refusal } from './remote.ts';
import type { Hasher, MakeHasher, PartialFile } from './store.ts';
import type { Digest, RemoteFile } from './wanted.ts';

/** What a transfer needs to know. */
export interface Transfer {
  /** What it is for, for messages. */
  readonly uri: string;
  /** How requests are made. */
  readonly network: Network;
  /** Where the file is. */
  readonly request: HubRequest;
  /** The file, as the hub announced it. */
  readonly file: RemoteFile;
  /** Where the bytes go. */
  readonly partial: PartialFile;
  /** Makes hashes. */
  readonly makeHasher: MakeHasher;
  /** What a refusal means. */
  readonly explain: (refusal: Refusal, what: string) => HubProblem;
  /** Called with the number of bytes that came; below 0 where some are thrown away. `fresh` is false for those of an earlier try. */
  readonly onBytes: (bytes: number, fresh: boolean) => void;
  /** Ends it; the promise rejects with the signal's reason, and what came stays. */
  readonly signal: AbortSignal;
}

/** The MD5 that Google's storage says of an object, in hexadecimal digits. */
const md5Of = (headers: Headers): Digest | undefined => {
  const base64 = /(?:^|[,\s])md5=([A-Za-z\d+/]{22}==)/.exec(headers.get('x-goog-hash') ?? '')?.[1];
  if (base64 === undefined) return undefined;
  const hex = [...atob(base64)].map((letter) => letter.charCodeAt(0).toString(16).padStart(2, '0')).join('');
  return { algorithm: 'md5', hex };
};

/** The strong tag of a response: the only kind that says that bytes are the same. */
const strongTag = (headers: Headers): string | undefined => {
  const tag = headers.get('etag');
  return tag === null || tag.startsWith('W/') ? undefined : tag;
};

/** How many bytes the whole file has, by a response that was not packed on the way. */
const totalOf = ({ status, headers }: Response): number | undefined => {
  if (headers.get('content-encoding') !== null) return undefined;
  const text =
    status === 206 ? /\/(\d+)$/.exec(headers.get('content-range') ?? '')?.[1] : headers.get('content-length');
  return text === null || text === undefined || !/^\d{1,15}$/.test(text) ? undefined : Number(text);
};

/** Where the bytes of a response begin, if it is what was asked for: the whole file, or all of it from `from` on. */
const beginsAt = ({ status, headers }: Response, from: number, size: number): number | undefined => {
  if (status === 200) return 0;
  const range = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(headers.get('content-range') ?? '');
  const fits =
    status === 206 && range !== null && Number(range[1]) === from && (range[3] === '*' || Number(range[3]) === size);
  return fits && headers.get('content-encoding') === null ? from : undefined;
};

type Step = 'again' | 'whole' | { readonly failure: Failure } | { readonly problem: HubProblem };

/**
 * Fetches what a file lacks, and checks the whole: its size, and its hash where the hub says one. A connection that is cut is
 * taken up where it broke off, a patient number of times.
 */
export const transfer = async (options: Transfer): Promise<E.Either<HubProblem, void>> => {
  const { uri, network, request, file, partial, makeHasher, explain, onBytes, signal } = options;
  const algorithm = file.digest?.algorithm ?? 'md5';
  let hasher: Hasher = makeHasher(algorithm, file.size);
  let announced: Digest | undefined = file.digest;
  // Where the hub says no hash, its sizes may be rounded too: there the storage says how many bytes there are.
  let { size } = file;
  // Bytes of an earlier process can only be gone on from where a hash will judge the whole.
  let inherited = partial.size() > 0;
  // Not in browsers, which would have to ask the storage first whether it takes such a header.
  let tag: string | undefined;

  let restarts = 0;

  const restart = async (): Promise<void> => {
    restarts++;
    onBytes(-partial.size(), false);
    await partial.restart();
    hasher = makeHasher(algorithm, file.size);
    inherited = false;
    tag = undefined;
  };

  const read = async (response: Response, alive: () => void): Promise<Failure | undefined> => {
    if (response.body === null) return undefined;
    const reader = response.body.getReader();
    for (;;) {
      let next: { readonly done: boolean; readonly value?: Uint8Array | undefined };
      try {
        next = await reader.read();
      } catch (error) {
        return { reason: causeOf(error), unreachable: false };
      }
      if (next.done || next.value === undefined) return undefined;
      alive();
      if (partial.size() + next.value.length > size) {
        await reader.cancel().catch(() => undefined);
        await restart();
        return { reason: `more than the ${size} bytes that the hub announced came`, unreachable: false };
      }
      hasher.update(next.value);
      await partial.append(next.value);
      onBytes(next.value.length, true);
    }
  };

  const step = async (): Promise<Step> => {
    const from = partial.size();
    if (from === size && (!inherited || announced !== undefined)) return 'whole';
    if (from === size) await restart();
    const connection = watch(signal, network.patience.stall);
    try {
      const range: Readonly<Record<string, string>> =
        partial.size() === 0
          ? {}
          : {
              range: `bytes=${partial.size()}-`,
              ...(tag === undefined || !network.showsRedirects ? {} : { 'if-range': tag }),
            };
      const headers = { 'accept-encoding': 'identity', ...range };
      const sent = await send(network, { ...request, headers }, connection.signal);
      if (E.isLeft(sent)) return { failure: sent.left };
      const response = sent.right;
      if (response.status !== 200 && response.status !== 206) {
        await response.body?.cancel().catch(() => undefined);
        if (isPassing(response.status)) return { failure: failureOf(response) };
        if (response.status !== 416 || partial.size() === 0) return { problem: explain(response, file.name) };
        await restart();
        return { failure: { reason: '416: there is nothing after what has come', unreachable: false } };
      }
      if (file.digest === undefined) size = totalOf(response) ?? size;
      const start = beginsAt(response, partial.size(), size);
      announced ??= md5Of(response.headers);
      const cannotGoOn = start === undefined || (start > 0 && inherited && announced === undefined);
      if (cannotGoOn) {
        await response.body?.cancel().catch(() => undefined);
        if (partial.size() === 0) return { failure: { reason: 'another part of the file came', unreachable: false } };
        await restart();
        return 'again';
      }
      if (start === 0 && partial.size() > 0) await restart();
      tag ??= strongTag(response.headers);
      const before = partial.size();
      const failure = await read(response, connection.alive);
      if (partial.size() === size) return 'whole';
      if (partial.size() > before) return 'again';
      return { failure: failure ?? { reason: `only ${before} of ${size} bytes came`, unreachable: false } };
    } finally {
      connection.stop();
    }
  };

  if (partial.size() > size) await partial.restart();
  for await (const bytes of partial.size() > 0 ? partial.bytes() : []) hasher.update(bytes);
  onBytes(partial.size(), false);

  let mismatches = 0;
  let cuts = 0;
  for (let failed = 0; ; ) {
    const next = await step();
    signal.throwIfAborted();
    if (restarts > mostRestarts)
      return refuse(
        'Corrupt',
        uri,
        `${file.name}: expected ${size} bytes, as the hub announced, got others each of ${restarts} times; does something stand between us and the hub?`,
      );
    if (next === 'whole') {
      const found = hasher.hex();
      if (announced === undefined || announced.hex === found) {
        await partial.finish();
        return E.right(undefined);
      }
      mismatches++;
      await restart();
      if (mismatches > 1)
        return refuse(
          'Corrupt',
          uri,
          `${file.name}: expected ${announced.algorithm} ${announced.hex}, got ${found}, twice; does something stand between us and the hub?`,
        );
    } else if (next === 'again') {
      failed = 0;
      // A server that cuts after each byte is not endured for ever.
      cuts++;
      if (cuts > mostCuts) return refuse('Server', uri, `${file.name}: cut off ${cuts} times`);
    } else if ('problem' in next) return E.left(next.problem);
    else {
      failed++;
      const wait = waitBefore(network.patience, failed, next.failure);
      if (wait === undefined)
        return refuse(
          next.failure.unreachable ? 'Offline' : 'Server',
          uri,
          `${file.name}: given up after ${failed} tries (${next.failure.reason}); what has come, ${partial.size()} of ${size} bytes, stays for the next time`,
        );
      await sleep(wait, signal);
    }
  }
};

/** How often one transfer is begun anew, because what came cannot be gone on from. */
const mostRestarts = 4;

/** How often one transfer is taken up again after a cut. */
const mostCuts = 1000;
