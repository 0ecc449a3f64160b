import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { onUpload, type UploadState } from './uploads.ts';

/** Bytes of a model's files by name. */
export type Files = Readonly<Record<string, Uint8Array | string>>;

/** A repository on the hub that the tests have. */
export interface Repo {
  readonly files: Files;
  /** `terms`: they have to be accepted; `hidden`: only a token sees it. */
  readonly access?: 'terms' | 'hidden';
  /** Branches besides main, by name, with files of their own. */
  readonly branches?: Readonly<Record<string, Files>>;
}

/** A model on Kaggle: its files by version. */
export interface Model {
  readonly versions: Readonly<Record<number, Files>>;
  readonly access?: 'terms';
}

/** What goes wrong with a response. */
export type Fault =
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>> }
  /** The connection breaks after so many bytes of the body. */
  | { readonly cut: number }
  /** Nothing more comes after so many bytes, and the connection stays. */
  | { readonly stall: number }
  /** So many bytes at a time, with a pause after each. */
  | { readonly slow: number; readonly pause: number }
  /** Other bytes than there should be, of the same number or not. */
  | { readonly bytes: Uint8Array }
  /** The whole file, whatever part was asked for. */
  | { readonly wholeOnly: true }
  /** Another part than was asked for. */
  | { readonly shifted: number }
  /** A response of Kaggle's storage that says no hash. */
  | { readonly hashless: true }
  /** A text instead of JSON. */
  | { readonly text: string };

/** A request as the server saw it. */
export interface Seen {
  readonly host: 'hub' | 'storage';
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
}

/** Two hubs and their storage, on ports of this machine. */
export interface Hubs {
  /** Address of the Hugging Face hub and of Kaggle: one host plays both. */
  readonly endpoint: string;
  /** Address of the storage that large files are redirected to. */
  readonly storage: string;
  /** All requests so far. */
  readonly seen: readonly Seen[];
  /** Lets the next requests whose path matches go wrong, one after the other. */
  readonly fail: (path: RegExp, ...faults: readonly Fault[]) => void;
  /** Lets all requests whose path matches go wrong. */
  readonly failAlways: (path: RegExp, fault: Fault) => void;
  /** Forgets faults and requests. */
  readonly reset: () => void;
  /** What uploads have left. */
  readonly uploads: UploadState;
  /** Bytes of bodies that went out. */
  readonly sent: () => number;
  readonly close: () => Promise<void>;
}

/** The token that the hubs take. */
export const goodToken = 'hf_good';

/** A token of somebody who has not accepted any terms. */
export const poorToken = 'hf_poor';

const bytesOf = (content: Uint8Array | string): Uint8Array =>
  typeof content === 'string' ? new TextEncoder().encode(content) : content;

/** Git's hash of a file. */
export const gitHash = (content: Uint8Array | string): string => {
  const bytes = bytesOf(content);
  return createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
};

const hashOf = (algorithm: string, content: Uint8Array | string): string =>
  createHash(algorithm).update(bytesOf(content)).digest('hex');

/** Whether the hub keeps a file in its large storage. */
export const isLarge = (name: string): boolean => /\.(?:safetensors|h5|bin|spm|model|onnx)$/.test(name);

/** The name that the hub's cache gives a file. */
export const blobName = (name: string, content: Uint8Array | string): string =>
  isLarge(name) ? hashOf('sha256', content) : gitHash(content);

/** The commit of a state of files: the same files, the same commit. */
export const commitOf = (files: Files): string =>
  createHash('sha1')
    .update(JSON.stringify(Object.entries(files).map(([name, content]) => [name, gitHash(content)])))
    .digest('hex');

interface Options {
  readonly repos?: Readonly<Record<string, Repo>>;
  /** Names that a repository had once: the hub redirects from them. */
  readonly renamed?: Readonly<Record<string, string>>;
  readonly models?: Readonly<Record<string, Model>>;
  /** Entries on one page of a listing. Default 4. */
  readonly page?: number;
  /** What links to further pages begin with, where a mirror passes on another host's. */
  readonly origin?: string;
  /** Bytes of a part of a large file that is uploaded. Default 100,000. */
  readonly partBytes?: number;
  /** A port; default any. kagglehub's test environment wants 7777. */
  readonly port?: number;
}

const procedureOf = (url: URL): RegExpExecArray | null =>
  /^\/api\/v1\/models\.ModelApiService\/(\w+)$/.exec(url.pathname);

const listen = (server: Server, port = 0): Promise<string> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
  });

/** Starts the hubs. */
export const startHubs = async (options: Options): Promise<Hubs> => {
  const { renamed = {}, models = {}, page = 4, origin, partBytes = 100_000 } = options;
  const repos: Record<string, Repo> = { ...options.repos };
  const uploads: UploadState = { repos, objects: new Map(), partBytes, secret: new Set() };
  const seen: Seen[] = [];
  let faults: { readonly path: RegExp; readonly fault: Fault; readonly always: boolean }[] = [];
  let sent = 0;

  const faultFor = (path: string): Fault | undefined => {
    const at = faults.findIndex((entry) => entry.path.test(path));
    if (at < 0) return undefined;
    const { fault, always } = faults[at]!;
    if (!always) faults = faults.filter((_, i) => i !== at);
    return fault;
  };

  const write = async (response: ServerResponse, bytes: Uint8Array): Promise<void> => {
    sent += bytes.length;
    if (response.write(bytes) || response.destroyed) return;
    await new Promise<void>((resolve) => {
      const go = (): void => {
        response.off('drain', go).off('close', go);
        resolve();
      };
      response.on('drain', go).on('close', go);
    });
  };

  /** Sends bytes, or the part that was asked for, or what the fault makes of them. */
  const sendBytes = async (
    request: IncomingMessage,
    response: ServerResponse,
    content: Uint8Array,
    tag: string,
    fault: Fault | undefined,
  ): Promise<void> => {
    const bytes = fault !== undefined && 'bytes' in fault ? fault.bytes : content;
    const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
    const condition = request.headers['if-range'];
    const asked = range !== null && (condition === undefined || condition === tag) ? Number(range[1]) : 0;
    const from = fault !== undefined && 'wholeOnly' in fault ? 0 : asked;
    if (from > 0 && from >= bytes.length) {
      response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end();
      return;
    }
    const start = fault !== undefined && 'shifted' in fault ? Math.max(0, from - fault.shifted) : from;
    const part = bytes.subarray(start);
    response.writeHead(from > 0 ? 206 : 200, {
      etag: tag,
      'accept-ranges': 'bytes',
      'content-length': part.length,
      'content-type': 'application/octet-stream',
      ...(from > 0 ? { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` } : {}),
    });
    if (request.method === 'HEAD') {
      response.end();
      return;
    }
    if (fault !== undefined && 'cut' in fault) {
      await write(response, part.subarray(0, fault.cut));
      response.destroy();
      return;
    }
    if (fault !== undefined && 'stall' in fault) {
      await write(response, part.subarray(0, fault.stall));
      return;
    }
    if (fault !== undefined && 'slow' in fault)
      for (let at = 0; at < part.length && !response.destroyed; at += fault.slow) {
        await write(response, part.subarray(at, at + fault.slow));
        await delay(fault.pause);
      }
    else await write(response, part);
    response.end();
  };

  const json = (response: ServerResponse, value: unknown, headers: Readonly<Record<string, string>> = {}): void => {
    response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
  };

  const no = (response: ServerResponse, status: number, code: string, message: string): void => {
    response.writeHead(status, { 'x-error-code': code, 'x-error-message': message, 'content-type': 'text/plain' });
    response.end(message);
  };

  const tokenOf = (request: IncomingMessage): string | undefined =>
    /^(?:Bearer|Basic) (.+)$/.exec(request.headers.authorization ?? '')?.[1];

  const statesOf = ({ files, branches = {} }: Repo): ReadonlyMap<string, Files> =>
    new Map(
      [['main', files] as const, ...Object.entries(branches)].flatMap(([name, state]) => [
        [name, state],
        [commitOf(state), state],
      ]),
    );

  const tree = (request: IncomingMessage, response: ServerResponse, repo: string, files: Files, url: URL): void => {
    const folders = [...new Set(Object.keys(files).flatMap((name) => name.split('/').slice(0, -1)))];
    const entries = [
      ...folders.map((path) => ({ type: 'directory', oid: gitHash(path), size: 0, path })),
      ...Object.entries(files).map(([path, content]) => {
        const size = bytesOf(content).length;
        const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${hashOf('sha256', content)}\nsize ${size}\n`;
        return isLarge(path)
          ? {
              type: 'file',
              oid: gitHash(pointer),
              size,
              lfs: { oid: hashOf('sha256', content), size, pointerSize: pointer.length },
              path,
            }
          : { type: 'file', oid: gitHash(content), size, path };
      }),
    ];
    const from = Number(url.searchParams.get('cursor') ?? 0);
    const next = from + page;
    const link = `<${origin ?? `http://${request.headers.host}`}/api/models/${repo}/tree/${commitOf(files)}?recursive=true&cursor=${next}>; rel="next"`;
    json(response, entries.slice(from, next), next < entries.length ? { link } : {});
  };

  const onHub = async (request: IncomingMessage, response: ServerResponse, url: URL, fault?: Fault): Promise<void> => {
    const path = decodeURIComponent(url.pathname);
    const api = /^\/api\/models\/((?:[\w.-]+\/)?[\w.-]+)(?:\/(revision|tree)\/(.+))?$/.exec(path);
    const file = /^\/((?:[\w.-]+\/)?[\w.-]+)\/resolve\/(refs\/pr\/\d+|[^/]+)\/(.+)$/.exec(path);
    const named = (api ?? file)?.[1] ?? '';
    const moved = renamed[named];
    if (moved !== undefined) {
      response.writeHead(307, { location: url.pathname.replace(named, moved) + url.search }).end();
      return;
    }
    const repo = repos[named];
    const token = tokenOf(request);
    if (token !== undefined && token !== goodToken && token !== poorToken)
      return no(response, 401, '', 'Invalid credentials in Authorization header');
    if (repo === undefined || (repo.access === 'hidden' && token !== goodToken))
      return no(response, token === undefined ? 401 : 404, 'RepoNotFound', 'Repository not found');
    const revision = api?.[3] ?? file?.[2] ?? 'main';
    const files = statesOf(repo).get(revision);
    if (files === undefined) return no(response, 404, 'RevisionNotFound', `Invalid rev id: ${revision}`);
    if (api !== null) {
      if (api[2] === 'tree') return tree(request, response, named, files, url);
      const siblings = Object.keys(files).map((rfilename) => ({ rfilename }));
      return json(response, { id: named, sha: commitOf(files), gated: repo.access === 'terms', siblings });
    }
    if (repo.access === 'terms' && token !== goodToken)
      return no(
        response,
        token === undefined ? 401 : 403,
        'GatedRepo',
        `Access to model ${named} is restricted. You must be authenticated to access it.`,
      );
    const name = file?.[3] ?? '';
    const content = Object.hasOwn(files, name) ? files[name] : undefined;
    response.setHeader('x-repo-commit', commitOf(files));
    if (content === undefined) return no(response, 404, 'EntryNotFound', 'Entry not found');
    if (!isLarge(name)) return sendBytes(request, response, bytesOf(content), `"${gitHash(content)}"`, fault);
    const sha = hashOf('sha256', content);
    response.writeHead(302, {
      location: `${storage}/lfs/${named}/${commitOf(files)}/${name}?signature=s`,
      'x-linked-etag': `"${sha}"`,
      'x-linked-size': String(bytesOf(content).length),
      etag: `"${gitHash(content)}"`,
    });
    response.end();
  };

  /** Kaggle's remote procedures, which its Python library calls instead of the paths. */
  const onProcedure = async (request: IncomingMessage, response: ServerResponse, name: string): Promise<void> => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const asked = JSON.parse(Buffer.concat(pieces).toString() || '{}') as Readonly<Record<string, string>>;
    const key = `${asked.ownerSlug}/${asked.modelSlug}/keras/${asked.instanceSlug}`;
    const version = asked.versionNumber ?? '';
    if (name === 'GetModelInstance') return onKaggle(request, response, key, ['get']);
    if (name === 'ListModelInstanceVersionFiles') return onKaggle(request, response, key, [version, 'files']);
    return onKaggle(request, response, key, [version, 'download', asked.path ?? '']);
  };

  const onKaggle = async (
    request: IncomingMessage,
    response: ServerResponse,
    key: string,
    [first = '', verb, ...rest]: readonly string[],
    url?: URL,
  ): Promise<void> => {
    const model = models[key];
    const say = (status: number, message: string): void => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ code: status, message }));
    };
    if (model === undefined) return say(404, 'Not found');
    if (first === 'get') return json(response, { versionNumber: Math.max(...Object.keys(model.versions).map(Number)) });
    const files = model.versions[Number(first)];
    if (files === undefined) return say(404, 'Not found');
    if (verb === 'files') {
      const all = Object.entries(files).map(([name, content]) => ({ name, size: bytesOf(content).length }));
      const from = Number(url?.searchParams.get('page_token') ?? 0);
      const to = url === undefined ? all.length : from + page;
      return json(response, { files: all.slice(from, to), nextPageToken: to < all.length ? String(to) : '' });
    }
    if (model.access === 'terms' && tokenOf(request) !== goodToken) return say(403, 'Permission denied');
    const name = rest.join('/');
    if (!Object.hasOwn(files, name)) return say(404, 'Not found');
    response.writeHead(302, { location: `${storage}/kaggle/${key}/${first}/${name}?X-Goog-Signature=s` }).end();
  };

  const onStorage = async (
    request: IncomingMessage,
    response: ServerResponse,
    url: URL,
    fault: Fault | undefined,
  ): Promise<void> => {
    const path = decodeURIComponent(url.pathname);
    const lfs = /^\/lfs\/((?:[\w.-]+\/)?[\w.-]+)\/([0-9a-f]{40})\/(.+)$/.exec(path);
    const object = /^\/kaggle\/([^/]+\/[^/]+\/[^/]+\/[^/]+)\/(\d+)\/(.+)$/.exec(path);
    const repo = repos[lfs?.[1] ?? ''];
    const files = repo === undefined ? undefined : statesOf(repo).get(lfs?.[2] ?? '');
    const content =
      lfs !== null
        ? files?.[lfs[3] ?? '']
        : models[object?.[1] ?? '']?.versions[Number(object?.[2])]?.[object?.[3] ?? ''];
    if (content === undefined) {
      response.writeHead(404).end();
      return;
    }
    const bytes = bytesOf(content);
    if (object !== null && !(fault !== undefined && 'hashless' in fault))
      response.setHeader('x-goog-hash', `crc32c=AAAAAA==,md5=${createHash('md5').update(bytes).digest('base64')}`);
    await sendBytes(request, response, bytes, `"${hashOf('md5', bytes)}"`, fault);
  };

  const serve = (host: Seen['host']): Server =>
    createServer((request, response) => {
      const url = new URL(request.url ?? '/', `http://${request.headers.host}`);
      const headers = request.headers as Readonly<Record<string, string | undefined>>;
      seen.push({ host, method: request.method ?? '', path: decodeURIComponent(url.pathname), headers });
      const fault = faultFor(decodeURIComponent(url.pathname));
      if (fault !== undefined && 'status' in fault) {
        response.writeHead(fault.status, fault.headers ?? {}).end('no');
        return;
      }
      if (fault !== undefined && 'text' in fault) {
        response.writeHead(200).end(fault.text);
        return;
      }
      const procedure = procedureOf(url);
      const steps = /^\/api\/v1\/models\/([^/]+\/[^/]+\/[^/]+\/[^/]+)\/(.+)$/.exec(decodeURIComponent(url.pathname));
      const isWriter = tokenOf(request) === goodToken;
      const answer =
        request.method === 'PUT' || (request.method === 'POST' && procedureOf(url) === null)
          ? onUpload(uploads, { request, response, url, fault, isWriter, endpoint, storage }).then((isDone) => {
              if (!isDone) response.writeHead(404).end();
            })
          : host === 'storage'
            ? onStorage(request, response, url, fault)
            : procedure !== null
              ? onProcedure(request, response, procedure[1]!)
              : steps !== null
                ? onKaggle(request, response, steps[1]!, steps[2]!.split('/'), url)
                : onHub(request, response, url, fault);
      answer.catch((error: unknown) => response.destroy(error as Error));
    });

  const servers = [serve('hub'), serve('storage')] as const;
  const endpoint = await listen(servers[0], options.port);
  const storage = await listen(servers[1]);
  return {
    endpoint,
    storage,
    seen,
    uploads,
    fail: (path, ...several) => {
      faults = [...faults, ...several.map((fault) => ({ path, fault, always: false }))];
    },
    failAlways: (path, fault) => {
      faults = [...faults, { path, fault, always: true }];
    },
    reset: () => {
      faults = [];
      seen.length = 0;
      sent = 0;
    },
    sent: () => sent,
    close: async () => {
      await Promise.all(
        servers.map(
          (server) =>
            new Promise<void>((resolve) => {
              server.close(() => resolve());
              server.closeAllConnections();
            }),
        ),
      );
    },
  };
};
