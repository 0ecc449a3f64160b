import * as E from 'fp-ts/lib/Either.js';
import type * as TE from 'fp-ts/lib/TaskEither.js';
import { isJsonObject, type JsonObject } from '../models/configReader.ts';
import { causeOf, type HubProblem, hubProblem, refuse } from './errors.ts';
import { escapePath, type HubAccess, huggingFace } from './huggingFace.ts';
import { type LfsFile, sendLfsFile } from './lfs.ts';
import { type Answer, ask, type HubRequest, type Network } from './network.ts';
import { type DownloadProgress, progressMeter } from './progress.ts';
import type { MakeHasher } from './store.ts';
import { formatPresetUri, type HubRepo } from './uri.ts';

/** A file that is to be uploaded. */
export interface UploadFile {
  /** Its path in the repository. */
  readonly name: string;
  readonly size: number;
  /** Bytes from `start` to `end`, in pieces. */
  readonly read: (start: number, end: number) => AsyncIterable<Uint8Array>;
}

/** How files are uploaded. */
export interface UploadOptions {
  /** The line that the commit gets. */
  readonly message: string;
  /** Whether a repository that is not there yet is made private. */
  readonly isPrivate: boolean;
  /** Of the names that the repository has, those to be deleted in the same commit. */
  readonly stale: (name: string) => boolean;
  /** Of the names that the repository has, those that stay as they are. */
  readonly kept: (name: string) => boolean;
  /** Ends it; the promise rejects with its reason. Nothing is to be seen of it then. */
  readonly signal: AbortSignal;
  /** Called as bytes go. */
  readonly onProgress: ((progress: DownloadProgress) => void) | undefined;
}

/** A commit that an upload has made. */
export interface Uploaded {
  /** `user/repo`. */
  readonly repo: string;
  readonly commit: string;
  /** Where the repository is to be seen. */
  readonly url: string;
}

/** Bytes of a file that the hub looks at to say where it belongs. */
const SAMPLE = 512;

/** Files that are asked about at once. */
const BATCH = 100;

/** How many seconds an answer may take after everything was sent, in stalls of a download. */
const SLOWER = 6;

const base64 = (bytes: Uint8Array): string => {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
};

const wholeOf = async ({ read, size }: UploadFile, most = size): Promise<Uint8Array> => {
  const bytes = new Uint8Array(Math.min(most, size));
  let at = 0;
  for await (const piece of read(0, bytes.length)) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
};

const parse = ({ text }: Answer): JsonObject => {
  try {
    const json = JSON.parse(text) as unknown;
    return isJsonObject(json) ? json : {};
  } catch {
    return {};
  }
};

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** What an upload stops at: carried by an exception from the middle of it. */
class Stopped extends Error {
  readonly problem: HubProblem;

  constructor(problem: HubProblem) {
    super(problem.message);
    this.problem = problem;
  }
}

/**
 * Puts files into a repository by one commit, as huggingface_hub does: the repository is made if it is not there, the hub
 * says which files go to its large storage, these go there, and the commit names them all. Until then nothing is to be seen.
 *
 * @param access - Where the hub is, and as whom.
 * @param repo - `user/repo`, or `repo` alone for the user whom the token belongs to.
 * @see https://huggingface.co/docs/hub/api
 */
export const uploadFiles =
  (
    { network, makeHasher }: { readonly network: Network; readonly makeHasher: MakeHasher },
    access: HubAccess,
    { repo, revision }: HubRepo,
    files: readonly UploadFile[],
    options: UploadOptions,
  ): TE.TaskEither<HubProblem, Uploaded> =>
  async () => {
    const { endpoint, token } = access;
    const { signal } = options;
    const uri = formatPresetUri({ kind: 'hub', repo, revision });
    if (token === undefined)
      return refuse(
        'Unauthorized',
        uri,
        `uploading needs a token that may write: make one at ${endpoint}/settings/tokens and set HF_TOKEN, or log in with hf auth login`,
      );
    const authorization = `Bearer ${token}`;
    const patient: Network = {
      ...network,
      patience: { ...network.patience, stall: network.patience.stall * SLOWER },
    };

    const explain = ({ status, headers, text: body }: Answer, what: string): HubProblem => {
      const said = text(parse({ status, headers, text: body }).error) ?? headers.get('x-error-message') ?? '';
      const why = said === '' ? '' : ` (${said.slice(0, 300)})`;
      if (status === 401 || status === 403)
        return hubProblem(
          'Unauthorized',
          uri,
          `${what}: the token may not write there${why}; make one that may at ${endpoint}/settings/tokens`,
        );
      if (status === 404) return hubProblem('NotFound', uri, `${what}: no such repository or branch${why}`);
      return hubProblem('Server', uri, `${what}: the hub answered ${status}${why}`);
    };

    const call = async (request: HubRequest, what: string, allowed: readonly number[] = []): Promise<Answer> => {
      const answer = await ask(patient, request, signal);
      if (E.isLeft(answer))
        throw new Stopped(
          hubProblem(
            answer.left.unreachable ? 'Offline' : 'Server',
            uri,
            `${what}: ${endpoint} ${answer.left.unreachable ? 'cannot be reached' : 'gave up on us'} (${answer.left.reason})`,
          ),
        );
      const { status } = answer.right;
      if ((status >= 200 && status < 300) || allowed.includes(status)) return answer.right;
      throw new Stopped(explain(answer.right, what));
    };

    const post = (path: string, value: unknown, what: string, allowed?: readonly number[]): Promise<Answer> =>
      call(
        {
          url: `${endpoint}${path}`,
          method: 'POST',
          authorization,
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(value),
        },
        what,
        allowed,
      );

    /** `user/repo`, after making the repository if it was not there. */
    const made = async (): Promise<string> => {
      const [organization, name] = repo.includes('/') ? repo.split('/') : [undefined, repo];
      const body = { type: 'model', name, ...(organization === undefined ? {} : { organization }) };
      const asked = options.isPrivate ? { ...body, private: true } : body;
      const answer = parse(await post('/api/repos/create', asked, 'making the repository', [409]));
      const full = text(answer.url) === undefined ? undefined : new URL(String(answer.url)).pathname.slice(1);
      return repo.includes('/') ? repo : (text(answer.name) ?? full ?? repo);
    };

    /** Names of the files that are there. */
    const there = async (full: string): Promise<readonly string[]> => {
      const remote = huggingFace(network, access, { kind: 'hub', repo: full, revision });
      const state = await remote.current(signal)();
      const listed = E.isLeft(state) ? state : await remote.list(state.right, signal)();
      if (E.isLeft(listed)) throw new Stopped(listed.left);
      return listed.right.map(({ name }) => name);
    };

    /** Of some files, those that go to the large storage, and those that the hub does not want. */
    const modesOf = async (full: string, some: readonly UploadFile[]): Promise<ReadonlyMap<string, string>> => {
      const described = await Promise.all(
        some.map(async (file) => ({
          path: file.name,
          size: file.size,
          sample: base64(await wholeOf(file, SAMPLE)),
        })),
      );
      const path = `/api/models/${full}/preupload/${encodeURIComponent(revision)}`;
      const answer = parse(await post(path, { files: described }, 'asking where files belong'));
      const entries = Array.isArray(answer.files) ? answer.files.filter(isJsonObject) : [];
      return new Map(
        entries.map(({ path: name, uploadMode, shouldIgnore }) => [
          String(name),
          shouldIgnore === true ? 'ignored' : String(uploadMode),
        ]),
      );
    };

    const hashed = async (file: UploadFile): Promise<LfsFile> => {
      const hasher = makeHasher('sha256', file.size);
      for await (const piece of file.read(0, file.size)) {
        signal.throwIfAborted();
        hasher.update(piece);
      }
      return { ...file, oid: hasher.hex() };
    };

    const run = async (): Promise<Uploaded> => {
      const full = await made();
      const before = await there(full);
      const wanted = files.filter(({ name }) => !(before.includes(name) && options.kept(name)));
      const modes = new Map<string, string>();
      for (let at = 0; at < wanted.length; at += BATCH)
        for (const [name, mode] of await modesOf(full, wanted.slice(at, at + BATCH))) modes.set(name, mode);
      const sent = wanted.filter(({ name }) => modes.get(name) !== 'ignored');
      const strange = sent.find(({ name }) => !['lfs', 'regular'].includes(modes.get(name) ?? ''));
      if (strange !== undefined)
        throw new Stopped(hubProblem('Server', uri, `the hub did not say where ${strange.name} belongs`));

      const meter = progressMeter(sent, options.onProgress);
      const large: LfsFile[] = [];
      for (const file of sent) if (modes.get(file.name) === 'lfs') large.push(await hashed(file));
      for (const file of large) {
        const tell = meter(file);
        await sendLfsFile({ call, endpoint, authorization }, full, revision, file, (bytes) => tell(bytes, true));
      }

      const lines: unknown[] = [{ key: 'header', value: { summary: options.message, description: '' } }];
      for (const file of sent)
        if (modes.get(file.name) === 'regular') {
          const content = base64(await wholeOf(file));
          lines.push({ key: 'file', value: { path: file.name, content, encoding: 'base64' } });
          meter(file)(file.size, true);
        }
      for (const { name: path, oid, size } of large)
        lines.push({ key: 'lfsFile', value: { path, algo: 'sha256', oid, size } });
      const names = new Set(files.map(({ name }) => name));
      for (const path of before.filter((name) => !names.has(name) && options.stale(name)))
        lines.push({ key: 'deletedFile', value: { path } });
      const answer = parse(
        await call(
          {
            url: `${endpoint}/api/models/${full}/commit/${encodeURIComponent(revision)}`,
            method: 'POST',
            authorization,
            headers: { 'content-type': 'application/x-ndjson' },
            body: lines.map((line) => `${JSON.stringify(line)}\n`).join(''),
          },
          'the commit',
        ),
      );
      const commit = text(answer.commitOid);
      if (commit === undefined) throw new Stopped(hubProblem('Server', uri, 'the hub did not name the commit'));
      return { repo: full, commit, url: `${endpoint}/${escapePath(full)}` };
    };

    try {
      return E.right(await run());
    } catch (error) {
      signal.throwIfAborted();
      return error instanceof Stopped ? E.left(error.problem) : refuse('InputOutput', uri, causeOf(error));
    }
  };
