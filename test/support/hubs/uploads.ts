import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { commitOf, type Fault, type Files, gitHash, isLarge, type Repo } from './server.ts';

/** What the hub keeps of uploads: the repositories, and the large storage. */
export interface UploadState {
  readonly repos: Record<string, Repo>;
  /** Bytes by their sha256, and of parts by `sha256/number`. */
  readonly objects: Map<string, Uint8Array>;
  /** Files that are larger go in parts of so many bytes. */
  readonly partBytes: number;
  /** Names of the repositories that were made private. */
  readonly secret: Set<string>;
}

interface Asked {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  readonly fault: Fault | undefined;
  readonly isWriter: boolean;
  readonly endpoint: string;
  readonly storage: string;
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const say = (response: ServerResponse, status: number, value: unknown, headers = {}): void => {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
};

/** The body of a request; undefined if the fault cuts it. */
const bodyOf = async (request: IncomingMessage, fault: Fault | undefined): Promise<Buffer | undefined> => {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of request) {
    pieces.push(piece as Buffer);
    size += (piece as Buffer).length;
    if (fault !== undefined && 'cut' in fault && size > fault.cut) {
      request.destroy();
      return undefined;
    }
  }
  return Buffer.concat(pieces);
};

type Line =
  | { readonly key: 'header'; readonly value: { readonly summary: string } }
  | { readonly key: 'file'; readonly value: { readonly path: string; readonly content: string } }
  | { readonly key: 'lfsFile'; readonly value: { readonly path: string; readonly oid: string; readonly size: number } }
  | { readonly key: 'deletedFile'; readonly value: { readonly path: string } };

/** A commit's lines as the files that there are after it; a text: what is wrong with them. */
const committed = (state: UploadState, before: Files, lines: readonly Line[]): Files | string => {
  const files: Record<string, Uint8Array | string> = { ...before };
  if (lines[0]?.key !== 'header') return 'the first line is no header';
  for (const line of lines.slice(1))
    if (line.key === 'file') files[line.value.path] = Buffer.from(line.value.content, 'base64');
    else if (line.key === 'lfsFile') {
      const bytes = state.objects.get(line.value.oid);
      if (bytes?.length !== line.value.size) return `no object ${line.value.oid}`;
      files[line.value.path] = bytes;
    } else if (line.key === 'deletedFile') delete files[line.value.path];
    else return 'a line of no kind';
  return files;
};

/** Answers what uploads ask of the hub; false if it is something else. */
export const onUpload = async (state: UploadState, asked: Asked): Promise<boolean> => {
  const { request, response, url, fault, isWriter, endpoint, storage } = asked;
  const path = decodeURIComponent(url.pathname);
  const part = /^\/put\/([0-9a-f]{64})(?:\/(\d+))?$/.exec(path);
  if (request.method === 'PUT' && part !== null) {
    const bytes = await bodyOf(request, fault);
    if (bytes === undefined) return true;
    if (Number(request.headers['content-length']) !== bytes.length) say(response, 411, {});
    else if (request.headers.authorization !== undefined) say(response, 400, { error: 'signed and authorized' });
    else {
      state.objects.set(part[2] === undefined ? part[1]! : `${part[1]}/${part[2]}`, bytes);
      say(response, 200, {}, { etag: `"${gitHash(bytes)}"` });
    }
    return true;
  }
  if (request.method !== 'POST') return false;
  const body = (await bodyOf(request, fault))?.toString() ?? '';
  const json = (): Readonly<Record<string, unknown>> => JSON.parse(body) as Readonly<Record<string, unknown>>;
  const complete = /^\/complete\/([0-9a-f]{64})$/.exec(path);
  if (complete !== null) {
    const { parts } = json() as { readonly parts: readonly { readonly partNumber: number; readonly etag: string }[] };
    const pieces = parts.map(({ partNumber }) => state.objects.get(`${complete[1]}/${partNumber}`)!);
    if (parts.some(({ etag }, i) => etag !== `"${gitHash(pieces[i]!)}"`)) say(response, 400, { error: 'wrong etag' });
    else {
      state.objects.set(complete[1]!, Buffer.concat(pieces));
      say(response, 200, {});
    }
    return true;
  }
  if (!isWriter) {
    say(response, 403, { error: 'You do not have the rights to write here' });
    return true;
  }
  if (path === '/api/repos/create') {
    const { name, organization = 'me', private: isPrivate } = json();
    const full = `${String(organization)}/${String(name)}`;
    const isThere = state.repos[full] !== undefined;
    if (!isThere) state.repos[full] = { files: { '.gitattributes': '*.h5 filter=lfs' } };
    if (!isThere && isPrivate === true) state.secret.add(full);
    say(response, isThere ? 409 : 200, {
      url: `${endpoint}/${full}`,
      name: full,
      error: isThere ? 'there' : undefined,
    });
    return true;
  }
  const preupload = /^\/api\/models\/([^/]+\/[^/]+)\/preupload\/main$/.exec(path);
  if (preupload !== null) {
    const { files } = json() as { readonly files: readonly { readonly path: string; readonly sample: string }[] };
    say(response, 200, {
      files: files.map(({ path: name }) => ({
        ...{ path: name, uploadMode: isLarge(name) ? 'lfs' : 'regular', shouldIgnore: name.endsWith('.tmp') },
      })),
    });
    return true;
  }
  const verify = /^\/verify\/([0-9a-f]{64})$/.exec(path);
  if (verify !== null) {
    const bytes = state.objects.get(verify[1]!);
    const isWhole = bytes !== undefined && sha256(bytes) === verify[1];
    say(response, isWhole ? 200 : 400, isWhole ? {} : { error: 'other bytes' });
    return true;
  }
  const lfs = /^\/([^/]+\/[^/]+)\.git\/info\/lfs\/objects\/batch$/.exec(path);
  if (lfs !== null) {
    const { objects } = json() as { readonly objects: readonly { readonly oid: string; readonly size: number }[] };
    say(response, 200, {
      objects: objects.map(({ oid, size }) => {
        if (state.objects.has(oid)) return { oid, size };
        const count = Math.ceil(size / state.partBytes);
        const upload =
          size <= state.partBytes
            ? { href: `${storage}/put/${oid}?signature=s` }
            : {
                href: `${endpoint}/complete/${oid}`,
                header: {
                  chunk_size: String(state.partBytes),
                  ...Object.fromEntries(
                    Array.from({ length: count }, (_, i) => [
                      String(i + 1),
                      `${storage}/put/${oid}/${i + 1}?signature=s`,
                    ]),
                  ),
                },
              };
        return { oid, size, actions: { upload, verify: { href: `${endpoint}/verify/${oid}` } } };
      }),
    });
    return true;
  }
  const commit = /^\/api\/models\/([^/]+\/[^/]+)\/commit\/main$/.exec(path);
  const repo = state.repos[commit?.[1] ?? ''];
  if (commit === null || repo === undefined) return false;
  const lines = body
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
  const files = committed(state, repo.files, lines);
  if (typeof files === 'string') say(response, 400, { error: files });
  else {
    state.repos[commit[1]!] = { ...repo, files };
    say(response, 200, { success: true, commitOid: commitOf(files), commitUrl: `${endpoint}/${commit[1]}` });
  }
  return true;
};
