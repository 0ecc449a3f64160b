import * as E from 'fp-ts/lib/Either.js';
import { causeOf } from './errors.ts';

/** How patient requests are. Times are in milliseconds. */
export interface Patience {
  /** How often in a row a request may fail, with nothing won in between, before it is given up. */
  readonly tries: number;
  /** The first wait; each further one is twice as long. */
  readonly wait: number;
  /** The longest wait of our own. */
  readonly longestWait: number;
  /** The longest wait that a server may ask for. */
  readonly longestAsked: number;
  /** How long nothing may come before a connection counts as lost. */
  readonly stall: number;
}

/** Five tries with waits of 1 to 8 seconds; up to six minutes where a server asks for them; 10 seconds without a byte. */
export const defaultPatience: Patience = {
  tries: 5,
  wait: 1000,
  longestWait: 8000,
  longestAsked: 360_000,
  stall: 10_000,
};

/** What requests are made with: the only things of the network that differ between Node and browsers. */
export interface Network {
  /** The function of that name. */
  readonly fetch: typeof globalThis.fetch;
  /** Whether redirects are shown by `redirect: 'manual'`, as in Node. Browsers hide them, follow, and guard the credentials. */
  readonly showsRedirects: boolean;
  /** When to give up. */
  readonly patience: Patience;
}

/** A request for something on a hub. */
export interface HubRequest {
  /** Where it is. */
  readonly url: string;
  /** The `authorization` header. It is sent to the origin of `url` and to no other. */
  readonly authorization?: string | undefined;
  /** Further headers. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Default GET. */
  readonly method?: 'GET' | 'POST' | 'PUT';
  /** What is sent: a text, or bytes as they are asked for, of which `headers` says how many they are. */
  readonly body?: string | (() => AsyncIterable<Uint8Array>);
}

/** Why a request that may be made again failed. */
export interface Failure {
  /** For a message: `503 Service Unavailable`, `ECONNREFUSED`. */
  readonly reason: string;
  /** Milliseconds that the server asks to wait. */
  readonly asked?: number | undefined;
  /** True where no server answered at all. */
  readonly unreachable: boolean;
}

const mostRedirects = 10;

const isRedirect = (status: number): boolean => [301, 302, 303, 307, 308].includes(status);

const urlOf = (location: string | null, base: string): URL | undefined => {
  try {
    return location === null ? undefined : new URL(location, base);
  } catch {
    return undefined;
  }
};

/** Where a redirect leads, if it may be followed: never out of https, and to nothing but the web. */
const redirected = (url: string, location: string | null): E.Either<Failure, string> => {
  const target = urlOf(location, url);
  if (target === undefined) return E.left({ reason: `a redirect to nowhere (${location})`, unreachable: false });
  const allowed = url.startsWith('https:') ? ['https:'] : ['https:', 'http:'];
  return allowed.includes(target.protocol)
    ? E.right(target.href)
    : E.left({ reason: `a redirect out of ${allowed[0]} to ${target.protocol}`, unreachable: false });
};

/** The body of a request, read anew each time. */
const bodyOf = (body: HubRequest['body']): Pick<RequestInit, 'body'> & { readonly duplex?: 'half' } =>
  body === undefined ? {} : typeof body === 'string' ? { body } : { body: streamOf(body()), duplex: 'half' };

const streamOf = (pieces: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> => {
  const iterator = pieces[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      const { done, value } = await iterator.next();
      if (done === true) controller.close();
      else controller.enqueue(value);
    },
    cancel: async () => {
      await iterator.return?.();
    },
  });
};

/** Whether a redirect is followed by the same request: those that would make a GET of another method are not. */
const mayFollow = (method: string, status: number): boolean => method === 'GET' || status === 307 || status === 308;

/**
 * Makes one request and follows its redirects. Credentials go to the origin that was asked for and to no other.
 *
 * @param signal - Ends the request; the promise rejects with its reason.
 */
export const send = async (
  { fetch, showsRedirects }: Network,
  { url, authorization, headers = {}, method = 'GET', body }: HubRequest,
  signal: AbortSignal,
): Promise<E.Either<Failure, Response>> => {
  const { origin } = new URL(url);
  let at = url;
  try {
    for (let hop = 0; hop <= mostRedirects; hop++) {
      const own = authorization !== undefined && new URL(at).origin === origin ? { authorization } : {};
      const response = await fetch(at, {
        method,
        ...bodyOf(body),
        headers: { ...headers, ...own },
        redirect: showsRedirects ? 'manual' : 'follow',
        signal,
      });
      if (!showsRedirects || !isRedirect(response.status) || !mayFollow(method, response.status))
        return E.right(response);
      await response.body?.cancel();
      const next = redirected(at, response.headers.get('location'));
      if (E.isLeft(next)) return next;
      at = next.right;
    }
    return E.left({ reason: `more than ${mostRedirects} redirects`, unreachable: false });
  } catch (error) {
    return E.left({ reason: causeOf(error), unreachable: true });
  }
};

/** Milliseconds that a server asks to wait, by `Retry-After` (seconds or a date) or `RateLimit` (`"api";r=0;t=55`). */
export const askedWait = (headers: Headers, now = Date.now()): number | undefined => {
  const limit = /\br\s*=\s*0\s*;\s*t\s*=\s*(\d+)/.exec(headers.get('ratelimit') ?? '');
  if (limit !== null) return Number(limit[1]) * 1000 + 500;
  const after = headers.get('retry-after')?.trim() ?? '';
  if (/^\d+$/.test(after)) return Number(after) * 1000;
  const date = Date.parse(after);
  return after === '' || Number.isNaN(date) ? undefined : Math.max(0, date - now);
};

/** Whether a status may be another one the next time. */
export const isPassing = (status: number): boolean => [408, 425, 429, 500, 502, 503, 504].includes(status);

/** The failure that a response of a passing status is. */
export const failureOf = (response: Response): Failure => ({
  reason: `${response.status} ${response.statusText}`.trim(),
  asked: askedWait(response.headers),
  unreachable: false,
});

/** Waits, unless the signal ends the waiting: then the promise rejects with its reason. */
export const sleep = (milliseconds: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    }, milliseconds);
    signal.addEventListener('abort', onAbort, { once: true });
  });

/** How long to wait before a try, in milliseconds; undefined: give up. Waits of our own differ a little, so that many do not come at once. */
export const waitBefore = (patience: Patience, failed: number, { asked }: Failure): number | undefined => {
  if (failed >= patience.tries || (asked ?? 0) > patience.longestAsked) return undefined;
  const own = Math.min(patience.longestWait, patience.wait * 2 ** (failed - 1)) * (0.75 + Math.random() / 2);
  return Math.max(asked ?? 0, own);
};

/** A watch over one connection: `signal` ends it when the caller's does, or when nothing has come for a while. */
export interface Watch {
  readonly signal: AbortSignal;
  /** Something came. */
  readonly alive: () => void;
  /** The connection is done with. */
  readonly stop: () => void;
}

/**
 * Watches one connection.
 *
 * @param outer - The caller's signal.
 * @param stall - Milliseconds without anything.
 */
export const watch = (outer: AbortSignal, stall: number): Watch => {
  const inner = new AbortController();
  const give = (): void => inner.abort(new Error(`nothing came for ${stall / 1000} s`));
  let timer = setTimeout(give, stall);
  return {
    signal: AbortSignal.any([outer, inner.signal]),
    alive: () => {
      clearTimeout(timer);
      timer = setTimeout(give, stall);
    },
    stop: () => clearTimeout(timer),
  };
};

/** Reads a body of at most `most` bytes. */
const readBody = async (response: Response, most: number, alive: () => void): Promise<Uint8Array> => {
  const pieces: Uint8Array[] = [];
  let size = 0;
  if (response.body !== null)
    for (let reader = response.body.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      alive();
      size += value.length;
      if (size > most) {
        await reader.cancel();
        throw new Error(`more than ${most} bytes came`);
      }
      pieces.push(value);
    }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
};

/** A small answer, read whole. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** The largest answer of an API that is read: 64 MiB. */
const mostAnswerBytes = 2 ** 26;

/** The request with a body that tells of each piece of it that goes. */
const tellingBody = (request: HubRequest, tell: () => void): HubRequest => {
  const { body } = request;
  return body === undefined || typeof body === 'string'
    ? request
    : {
        ...request,
        body: async function* () {
          for await (const piece of body()) {
            tell();
            yield piece;
          }
        },
      };
};

/**
 * Asks patiently for a small answer: passing failures are tried again. Where nobody answers at all, it is given up after two
 * tries, because there may be a copy in the cache.
 *
 * @param signal - Ends it; the promise rejects with the signal's reason.
 */
export const ask = async (
  network: Network,
  request: HubRequest,
  signal: AbortSignal,
): Promise<E.Either<Failure, Answer>> => {
  for (let failed = 1; ; failed++) {
    const connection = watch(signal, network.patience.stall);
    let failure: Failure;
    let hasBegun = false;
    const told = tellingBody(request, () => {
      hasBegun = true;
      connection.alive();
    });
    try {
      const sent = await send(network, told, connection.signal);
      if (E.isLeft(sent)) failure = { ...sent.left, unreachable: sent.left.unreachable && !hasBegun };
      else if (isPassing(sent.right.status)) {
        failure = failureOf(sent.right);
        await sent.right.body?.cancel();
      } else {
        const { status, headers } = sent.right;
        const bytes = await readBody(sent.right, mostAnswerBytes, connection.alive);
        return E.right({ status, headers, text: new TextDecoder().decode(bytes) });
      }
    } catch (error) {
      failure = { reason: causeOf(error), unreachable: false };
    } finally {
      connection.stop();
    }
    signal.throwIfAborted();
    const wait = waitBefore(network.patience, failed, failure);
    if (wait === undefined || (failure.unreachable && failed >= 2)) return E.left(failure);
    await sleep(wait, signal);
  }
};
