import * as E from 'fp-ts/lib/Either.js';
import { isJsonObject } from '../models/configReader.ts';
import { type HubProblem, hubProblem, refuse } from './errors.ts';
import { type Answer, ask, type Network } from './network.ts';
import type { Refusal, Remote } from './remote.ts';
import { formatPresetUri, type HubRepo } from './uri.ts';
import { type Digest, isInside, type RemoteFile } from './wanted.ts';

/** Where the Hugging Face hub is and who asks. */
export interface HubAccess {
  /** The hub's address without a slash at the end, or a mirror's. */
  readonly endpoint: string;
  /** A token, where there is one. */
  readonly token: string | undefined;
}

/** The hub's own address. */
export const hubEndpoint = 'https://huggingface.co';

/** More files than any model has, and more pages of them: a page has a thousand. */
const mostFiles = 100_000;
const mostPages = 1000;

/** Whether a text is a commit's full name. */
export const isCommit = (text: string): boolean => /^[0-9a-f]{40}$/.test(text);

const digestOf = (entry: Readonly<Record<string, unknown>>): Digest | undefined => {
  const lfs = isJsonObject(entry.lfs) ? entry.lfs.oid : undefined;
  if (typeof lfs === 'string' && /^[0-9a-f]{64}$/.test(lfs)) return { algorithm: 'sha256', hex: lfs };
  return typeof entry.oid === 'string' && isCommit(entry.oid) ? { algorithm: 'gitSha1', hex: entry.oid } : undefined;
};

const sizeOf = (entry: Readonly<Record<string, unknown>>): number | undefined => {
  const size = isJsonObject(entry.lfs) ? entry.lfs.size : entry.size;
  return typeof size === 'number' && Number.isSafeInteger(size) && size >= 0 ? size : undefined;
};

/** One entry of a listing: a file, nothing (a folder), or nonsense. */
const fileOf = (entry: unknown): RemoteFile | 'folder' | 'nonsense' => {
  if (!isJsonObject(entry) || typeof entry.path !== 'string' || !isInside(entry.path)) return 'nonsense';
  if (entry.type === 'directory') return 'folder';
  const size = sizeOf(entry);
  const digest = digestOf(entry);
  if (size === undefined || digest === undefined) return 'nonsense';
  const { oid, xetHash } = entry;
  return {
    name: entry.path,
    size,
    digest,
    ...(typeof oid === 'string' && isCommit(oid) ? { git: oid } : {}),
    ...(typeof xetHash === 'string' && /^[0-9a-f]{64}$/.test(xetHash) ? { xet: xetHash } : {}),
  };
};

/** The next page of a listing, by its `Link` header: of it only what page is meant, since a mirror may pass on the hub's own. */
const nextPage = (headers: Headers, url: string): string | undefined => {
  const query = /<[^>?]*(\?[^>]*)>\s*;\s*rel="?next"?/.exec(headers.get('link') ?? '')?.[1];
  return query === undefined ? undefined : new URL(query, url).href;
};

const parseAnswer = ({ text }: Answer): unknown => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
};

/** A path in an address: each step escaped, the slashes kept. */
export const escapePath = (path: string): string => path.split('/').map(encodeURIComponent).join('/');

/** Asks the Hugging Face hub, or a mirror of it, about a repository: `access` says which and as whom. */
export const huggingFace = (network: Network, { endpoint, token }: HubAccess, repo: HubRepo): Remote => {
  const uri = formatPresetUri(repo);
  const page = `${endpoint}/${repo.repo}`;
  const authorization = token === undefined ? undefined : `Bearer ${token}`;

  const explain = ({ status, headers }: Refusal, what: string): HubProblem => {
    const code = headers.get('x-error-code');
    const said = headers.get('x-error-message')?.slice(0, 300);
    const login = `make a token at ${endpoint}/settings/tokens and set HF_TOKEN, or log in with hf auth login`;
    if (code === 'GatedRepo' || (status === 403 && /gated|awaiting|accept/i.test(said ?? '')))
      return hubProblem(
        'Gated',
        uri,
        token === undefined
          ? `gated: open ${page} in a browser, log in and accept its terms; then ${login}`
          : `gated: open ${page} in a browser and accept its terms with the account that the token belongs to (a request may have to be granted first)`,
      );
    if (code === 'RevisionNotFound')
      return hubProblem('NotFound', uri, `has no revision ${JSON.stringify(repo.revision)}; see ${page}/tree/main`);
    if (code === 'EntryNotFound') return hubProblem('NotFound', uri, `has no ${what}`);
    if (status === 401 && /invalid/i.test(said ?? ''))
      return hubProblem('Unauthorized', uri, `the hub does not take the token that is set; ${login}`);
    // The hub does not say whether a repository is there to those who may not see it.
    if (status === 401 || code === 'RepoNotFound' || status === 404)
      return hubProblem(
        'NotFound',
        uri,
        `no such repository at ${endpoint}, or one that this ${token === undefined ? 'user, who is not logged in,' : 'token'} may not see${token === undefined ? `; if it is private, ${login}` : ''}`,
      );
    if (status === 403)
      return hubProblem(
        'Unauthorized',
        uri,
        `the hub forbids it (${said ?? '403'}); may the token read this repository?`,
      );
    return hubProblem('Server', uri, `${what}: the hub answered ${status}${said === undefined ? '' : ` (${said})`}`);
  };

  const askFor = async (url: string, what: string, signal: AbortSignal): Promise<E.Either<HubProblem, Answer>> => {
    const answer = await ask(network, { url, authorization }, signal);
    if (E.isLeft(answer))
      return answer.left.unreachable
        ? refuse('Offline', uri, `${endpoint} cannot be reached (${answer.left.reason})`)
        : refuse('Server', uri, `${what}: ${endpoint} gave up on us (${answer.left.reason})`);
    const { status, headers } = answer.right;
    return status === 200 ? answer : E.left(explain({ status, headers }, what));
  };

  const notAHub = (what: string): E.Either<HubProblem, never> =>
    refuse(
      'Server',
      uri,
      `${what} at ${endpoint} is not what a hub says; is HF_ENDPOINT right, or does something stand in between?`,
    );

  return {
    uri,
    explain,
    current: (signal) => async () => {
      if (isCommit(repo.revision)) return E.right(repo.revision);
      const url = `${endpoint}/api/models/${repo.repo}/revision/${encodeURIComponent(repo.revision)}`;
      const answer = await askFor(url, 'the revision', signal);
      if (E.isLeft(answer)) return answer;
      const info = parseAnswer(answer.right);
      const sha = isJsonObject(info) ? info.sha : undefined;
      return typeof sha === 'string' && isCommit(sha) ? E.right(sha) : notAHub('the revision');
    },
    list: (commit, signal) => async () => {
      const files: RemoteFile[] = [];
      let pages = 0;
      let url: string | undefined = `${endpoint}/api/models/${repo.repo}/tree/${commit}?recursive=true&expand=false`;
      while (url !== undefined) {
        const answer: E.Either<HubProblem, Answer> = await askFor(url, 'the list of files', signal);
        if (E.isLeft(answer)) return answer;
        const entries = parseAnswer(answer.right);
        if (!Array.isArray(entries)) return notAHub('the list of files');
        for (const entry of entries) {
          const file = fileOf(entry);
          if (file === 'nonsense') return notAHub('the list of files');
          if (file !== 'folder') files.push(file);
        }
        pages++;
        if (files.length > mostFiles || pages > mostPages)
          return refuse('Server', uri, `expected at most ${mostFiles} files on ${mostPages} pages`);
        url = nextPage(answer.right.headers, url);
      }
      return E.right(files);
    },
    request: (commit, name) => ({ url: `${page}/resolve/${commit}/${escapePath(name)}`, authorization }),
  };
};
