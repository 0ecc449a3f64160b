import * as E from 'fp-ts/lib/Either.js';
import { type HubProblem, refuse } from './errors.ts';
import { hubEndpoint } from './huggingFace.ts';
import { kaggleEndpoint } from './kaggle.ts';
import { defaultPatience, type Patience } from './network.ts';

/** Variables of an environment by name. */
export type Variables = Readonly<Record<string, string | undefined>>;

/** What the environment says about hubs, in the words that Python's libraries use. */
export interface HubSettings {
  /** Address of the Hugging Face hub or a mirror, without a slash at the end: HF_ENDPOINT. */
  readonly endpoint: string;
  /** Token of the hub: HF_TOKEN, HUGGING_FACE_HUB_TOKEN, or the file that logging in writes. */
  readonly token: string | undefined;
  /** Folder of the hub's cache: HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME, XDG_CACHE_HOME. */
  readonly hubCache: string;
  /** Whether the network is left alone: HF_HUB_OFFLINE, TRANSFORMERS_OFFLINE. */
  readonly offline: boolean;
  /** Whether files of a snapshot may be links: not with HF_HUB_DISABLE_SYMLINKS. */
  readonly links: boolean;
  /** Whether bars are shown on a terminal: not with HF_HUB_DISABLE_PROGRESS_BARS. */
  readonly bars: boolean;
  /** Kaggle's address, without a slash at the end: KAGGLE_API_ENDPOINT. */
  readonly kaggleEndpoint: string;
  /** The `authorization` header for Kaggle: KAGGLE_API_TOKEN, KAGGLE_USERNAME and KAGGLE_KEY, or their files. */
  readonly kaggleAuthorization: string | undefined;
  /** Folder of kagglehub's cache: KAGGLEHUB_CACHE. */
  readonly kaggleCache: string;
  /** When requests give up. HF_HUB_DOWNLOAD_TIMEOUT says how many seconds nothing may come. */
  readonly patience: Patience;
}

/** What settings are read from: an environment, and files that may be there. */
export interface SettingsSource {
  /** The environment. */
  readonly variables: Variables;
  /** The user's folder. */
  readonly home: string;
  /** Joins steps of a path. */
  readonly join: (...steps: string[]) => string;
  /** The text of a file; undefined if there is none. */
  readonly readText: (path: string) => string | undefined;
}

/** Whether a variable says yes, by Python's reading: 1, on, yes or true. */
const isTrue = (value: string | undefined): boolean => /^(?:1|on|yes|true)$/i.test(value ?? '');

/** A secret as it was meant: without line ends and spaces around it. An empty one is none. */
const cleaned = (text: string | undefined): string | undefined => {
  const secret = text?.replace(/[\r\n]/g, '').trim();
  return secret === undefined || secret === '' ? undefined : secret;
};

/** A path with `~` and `$VARIABLE` replaced, as Python's expanduser and expandvars do. */
const expanded = (path: string, { variables, home }: SettingsSource): string =>
  path
    .replace(/^~(?=$|[\\/])/, () => home)
    .replace(/\$(?:(\w+)|\{([^}]*)\})/g, (whole, plain?: string, braced?: string) => {
      const value = variables[plain ?? braced ?? ''];
      return value === undefined ? whole : value;
    });

const endpointOf = (name: string, text: string | undefined, usual: string): E.Either<HubProblem, string> => {
  if (text === undefined || text === '') return E.right(usual);
  const bare = text.replace(/\/+$/, '');
  return /^https?:\/\/[^\s?#]+$/.test(bare) && URL.canParse(bare)
    ? E.right(bare)
    : refuse('BadUri', name, `expected an address like ${usual}, got ${JSON.stringify(text)}`);
};

const basic = (name: string, key: string): string =>
  `Basic ${btoa(String.fromCharCode(...new TextEncoder().encode(`${name}:${key}`)))}`;

/** The header for Kaggle, from where kagglehub takes it, in its order. */
const kaggleAuthorizationOf = (source: SettingsSource): E.Either<HubProblem, string | undefined> => {
  const { variables, home, join, readText } = source;
  const file = (path: string): string | undefined => cleaned(readText(path));
  const given = cleaned(variables.KAGGLE_API_TOKEN);
  const token =
    (given === undefined ? undefined : (file(given) ?? given)) ??
    file(join(home, '.kaggle', 'access_token')) ??
    file(join(home, '.kaggle', 'access_token.txt'));
  if (token !== undefined) return E.right(`Bearer ${token}`);
  const name = cleaned(variables.KAGGLE_USERNAME);
  const key = cleaned(variables.KAGGLE_KEY);
  if (name !== undefined && key !== undefined) return E.right(basic(name, key));
  const path = join(variables.KAGGLE_CONFIG_DIR ?? join(home, '.kaggle'), 'kaggle.json');
  const text = readText(path);
  if (text === undefined || text.trim() === '') return E.right(undefined);
  try {
    const { username, key: saved } = JSON.parse(text) as { readonly username?: unknown; readonly key?: unknown };
    if (typeof username === 'string' && typeof saved === 'string') return E.right(basic(username, saved));
  } catch {
    // Said below: what is in the file is a secret, and stays out of the message.
  }
  return refuse(
    'Unauthorized',
    path,
    'expected JSON with "username" and "key"; make a new one in the settings of Kaggle',
  );
};

/**
 * Reads what the environment says, each variable as the Python library reads it that it comes from; an empty one counts as
 * none.
 */
export const readSettings = (source: SettingsSource): E.Either<HubProblem, HubSettings> => {
  const { join, home, readText } = source;
  const variables: Variables = Object.fromEntries(
    Object.entries(source.variables).filter(([, value]) => value !== undefined && value !== ''),
  );
  const at = { ...source, variables };
  const hfHome = expanded(
    variables.HF_HOME ?? join(variables.XDG_CACHE_HOME ?? join(home, '.cache'), 'huggingface'),
    at,
  );
  const endpoint = endpointOf('HF_ENDPOINT', variables.HF_ENDPOINT, hubEndpoint);
  if (E.isLeft(endpoint)) return endpoint;
  const kaggle = endpointOf('KAGGLE_API_ENDPOINT', variables.KAGGLE_API_ENDPOINT, kaggleEndpoint);
  if (E.isLeft(kaggle)) return kaggle;
  const kaggleAuthorization = kaggleAuthorizationOf(at);
  if (E.isLeft(kaggleAuthorization)) return kaggleAuthorization;
  const tokenPath = expanded(variables.HF_TOKEN_PATH ?? join(hfHome, 'token'), at);
  const seconds = Number(variables.HF_HUB_DOWNLOAD_TIMEOUT);
  return E.right({
    endpoint: endpoint.right,
    token: isTrue(variables.HF_HUB_DISABLE_IMPLICIT_TOKEN)
      ? undefined
      : (cleaned(variables.HF_TOKEN ?? variables.HUGGING_FACE_HUB_TOKEN) ?? cleaned(readText(tokenPath))),
    hubCache: expanded(variables.HF_HUB_CACHE ?? variables.HUGGINGFACE_HUB_CACHE ?? join(hfHome, 'hub'), at),
    offline: isTrue(variables.HF_HUB_OFFLINE ?? variables.TRANSFORMERS_OFFLINE),
    links: !isTrue(variables.HF_HUB_DISABLE_SYMLINKS),
    bars: !isTrue(variables.HF_HUB_DISABLE_PROGRESS_BARS),
    kaggleEndpoint: kaggle.right,
    kaggleAuthorization: kaggleAuthorization.right,
    kaggleCache: variables.KAGGLEHUB_CACHE ?? join(home, '.cache', 'kagglehub'),
    patience: seconds > 0 ? { ...defaultPatience, stall: seconds * 1000 } : defaultPatience,
  });
};
