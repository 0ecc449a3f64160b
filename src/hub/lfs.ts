import { isJsonObject, type JsonObject } from '../models/configReader.ts';
import type { Answer, HubRequest } from './network.ts';
import type { UploadFile } from './upload.ts';

/** A file for the large storage, with the sha256 of its bytes. */
export interface LfsFile extends UploadFile {
  readonly oid: string;
}

/** What sending takes besides. */
export interface LfsCalls {
  /** Makes a request patiently, and rejects what is no success. */
  readonly call: (request: HubRequest, what: string) => Promise<Answer>;
  readonly endpoint: string;
  readonly authorization: string;
}

const lfsType = 'application/vnd.git-lfs+json';

/** Headers that a storage asks for. */
const headersOf = (value: unknown): Readonly<Record<string, string>> =>
  isJsonObject(value)
    ? Object.fromEntries(
        Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
      )
    : {};

const actionOf = (actions: unknown, name: string): { readonly href: string; readonly header: unknown } | undefined => {
  const action = isJsonObject(actions) ? actions[name] : undefined;
  return isJsonObject(action) && typeof action.href === 'string'
    ? { href: action.href, header: action.header }
    : undefined;
};

/** The object that the storage has to say of a file. */
const objectOf = ({ text }: Answer, oid: string): JsonObject => {
  const json: unknown = JSON.parse(text);
  const objects = isJsonObject(json) && Array.isArray(json.objects) ? json.objects : [];
  const own = objects.find((object) => isJsonObject(object) && object.oid === oid) as JsonObject | undefined;
  if (own === undefined) throw new Error('the storage did not say where to');
  if (isJsonObject(own.error)) throw new Error(String(own.error.message ?? 'the storage refused'));
  return own;
};

/**
 * Sends a file to the hub's large storage, whole or in the parts that it asks for; one that is there already is not sent
 * again.
 *
 * @param full - `user/repo`.
 * @param tell - Called with the numbers of bytes that have gone; a part that is sent again is told once.
 * @see https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md, and the hub's own transfer "multipart"
 */
export const sendLfsFile = async (
  { call, endpoint, authorization }: LfsCalls,
  full: string,
  revision: string,
  file: LfsFile,
  tell: (bytes: number) => void,
): Promise<void> => {
  const { name, oid, size } = file;
  const headers = { accept: lfsType, 'content-type': lfsType };
  /** Only the hub itself gets the token: the storage's addresses are signed. */
  const ofHub = (url: string) => (new URL(url).origin === new URL(endpoint).origin ? { authorization } : {});
  const batch = await call(
    {
      url: `${endpoint}/${full}.git/info/lfs/objects/batch`,
      method: 'POST',
      authorization,
      headers,
      body: JSON.stringify({
        operation: 'upload',
        transfers: ['basic', 'multipart'],
        hash_algo: 'sha_256',
        ref: { name: revision },
        objects: [{ oid, size }],
      }),
    },
    `${name}: asking for a place`,
  );
  const { actions } = objectOf(batch, oid);
  const upload = actionOf(actions, 'upload');
  if (upload === undefined) {
    tell(size);
    return;
  }

  /** Puts one range of bytes; gives the storage's tag of it. */
  const put = async (url: string, start: number, end: number, own: Readonly<Record<string, string>>) => {
    let most = start;
    const answer = await call(
      {
        url,
        method: 'PUT',
        headers: { ...own, 'content-length': String(end - start) },
        body: async function* () {
          let at = start;
          for await (const piece of file.read(start, end)) {
            yield piece;
            at += piece.length;
            if (at > most) {
              tell(at - most);
              most = at;
            }
          }
        },
      },
      name,
    );
    return answer.headers.get('etag') ?? '';
  };

  const { chunk_size: chunk, ...rest } = isJsonObject(upload.header) ? upload.header : {};
  if (chunk === undefined) await put(upload.href, 0, size, headersOf(upload.header));
  else {
    const length = Number(chunk);
    const urls = Object.entries(rest)
      .filter(([part]) => /^\d+$/.test(part))
      .sort(([a], [b]) => Number(a) - Number(b))
      .map(([, url]) => String(url));
    if (!(length >= 1) || urls.length !== Math.ceil(size / length))
      throw new Error(`${name}: expected the storage to name ${Math.ceil(size / length)} parts, got ${urls.length}`);
    const parts: { readonly partNumber: number; readonly etag: string }[] = [];
    for (const [i, url] of urls.entries())
      parts.push({ partNumber: i + 1, etag: await put(url, i * length, Math.min(size, (i + 1) * length), {}) });
    await call(
      { url: upload.href, method: 'POST', headers, ...ofHub(upload.href), body: JSON.stringify({ oid, parts }) },
      `${name}: joining its parts`,
    );
  }
  const verify = actionOf(actions, 'verify');
  if (verify !== undefined)
    await call(
      {
        url: verify.href,
        method: 'POST',
        headers: { ...headers, ...headersOf(verify.header) },
        ...ofHub(verify.href),
        body: JSON.stringify({ oid, size }),
      },
      `${name}: having it verified`,
    );
};
