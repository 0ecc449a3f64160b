import * as E from 'fp-ts/lib/Either.js';
import { isJsonObject } from '../models/configReader.ts';
import { type HubProblem, hubProblem, refuse } from './errors.ts';
import { escapePath } from './huggingFace.ts';
import { type Answer, ask, type Network } from './network.ts';
import type { Refusal, Remote } from './remote.ts';
import { formatPresetUri, type KaggleModel } from './uri.ts';
import { isInside, type RemoteFile } from './wanted.ts';

/** Where Kaggle is and who asks. */
export interface KaggleAccess {
  /** Kaggle's address without a slash at the end. */
  readonly endpoint: string;
  /** The `authorization` header: `Bearer …` for a token, `Basic …` for a name and a key. */
  readonly authorization: string | undefined;
}

/** Kaggle's own address. */
export const kaggleEndpoint = 'https://www.kaggle.com';

/** More files than any model has. */
const mostFiles = 100_000;

const parseAnswer = ({ text }: Answer): Readonly<Record<string, unknown>> => {
  try {
    const value = JSON.parse(text) as unknown;
    return isJsonObject(value) ? value : {};
  } catch {
    return {};
  }
};

const isWhole = (value: unknown, least: number): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= least;

/** Kaggle writes 64-bit numbers as texts, as JSON from protocol buffers does. */
const numberOf = (value: unknown): unknown =>
  typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value;

/** Asks Kaggle about a model: `access` says where and as whom. */
export const kaggle = (network: Network, { endpoint, authorization }: KaggleAccess, model: KaggleModel): Remote => {
  const uri = formatPresetUri(model);
  const page = `${endpoint}/models/${model.owner}/${model.model}`;
  const variation = `${endpoint}/api/v1/models/${model.owner}/${model.model}/${model.framework}/${model.variation}`;
  const login = `make an API token at ${endpoint}/settings and set KAGGLE_API_TOKEN, or KAGGLE_USERNAME and KAGGLE_KEY`;

  const explain = ({ status }: Refusal, what: string): HubProblem => {
    if (status === 403)
      return hubProblem(
        'Gated',
        uri,
        `Kaggle forbids it: open ${page} in a browser, log in and accept its terms${authorization === undefined ? `; then ${login}` : ' with the account that the credentials belong to'}`,
      );
    if (status === 401)
      return hubProblem(
        'Unauthorized',
        uri,
        authorization === undefined
          ? `Kaggle wants to know who asks: ${login}`
          : `Kaggle does not take the credentials that are set; ${login}`,
      );
    if (status === 404)
      return hubProblem('NotFound', uri, `Kaggle has no such model, version or file (${what}); see ${page}`);
    return hubProblem('Server', uri, `${what}: Kaggle answered ${status}`);
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

  const notKaggle = (what: string): E.Either<HubProblem, never> =>
    refuse('Server', uri, `${what} at ${endpoint} is not what Kaggle says; does something stand in between?`);

  return {
    uri,
    explain,
    current: (signal) => async () => {
      if (model.version !== undefined) return E.right(String(model.version));
      const answer = await askFor(`${variation}/get`, 'the newest version', signal);
      if (E.isLeft(answer)) return answer;
      const { versionNumber } = parseAnswer(answer.right);
      return isWhole(versionNumber, 1) ? E.right(String(versionNumber)) : notKaggle('the newest version');
    },
    list: (version, signal) => async () => {
      const files: RemoteFile[] = [];
      let token = '';
      let pages = 0;
      do {
        const next: string = token === '' ? '' : `&page_token=${encodeURIComponent(token)}`;
        const answer = await askFor(`${variation}/${version}/files?page_size=100${next}`, 'the list of files', signal);
        if (E.isLeft(answer)) return answer;
        const { files: page, nextPageToken } = parseAnswer(answer.right);
        if (!Array.isArray(page)) return notKaggle('the list of files');
        for (const entry of page) {
          const { name, size: given } = isJsonObject(entry) ? entry : {};
          const size = numberOf(given);
          if (typeof name !== 'string' || !isInside(name) || !isWhole(size, 0)) return notKaggle('the list of files');
          files.push({ name, size });
        }
        pages++;
        if (files.length > mostFiles || pages > 1000)
          return refuse('Server', uri, `expected at most ${mostFiles} files`);
        if (typeof nextPageToken === 'string' && nextPageToken === token && token !== '')
          return notKaggle('the list of files');
        token = typeof nextPageToken === 'string' ? nextPageToken : '';
      } while (token !== '');
      return E.right(files);
    },
    request: (version, name) => ({ url: `${variation}/${version}/download/${escapePath(name)}`, authorization }),
  };
};
