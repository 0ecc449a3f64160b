import { randomBytes } from 'node:crypto';
import { copyFile, mkdir, readdir, readFile, rename, stat, symlink, unlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { isJsonObject } from '../../models/configReader.ts';
import { isCommit } from '../huggingFace.ts';
import type { PresetStore } from '../store.ts';
import type { HubRepo } from '../uri.ts';
import { type Digest, isInside, type RemoteFile } from '../wanted.ts';
import { withLock } from './lock.ts';
import { openPartial } from './partial.ts';

/** The size of a regular file, links followed; undefined if there is none. */
export const sizeOf = async (path: string): Promise<number | undefined> => {
  try {
    const found = await stat(path);
    return found.isFile() ? found.size : undefined;
  } catch {
    return undefined;
  }
};

/** Names of all files below a folder, with slashes; links to files count, links to folders do not. */
export const filesBelow = async (folder: string): Promise<readonly string[]> => {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const names: string[] = [];
  for (const entry of entries) {
    const path = join(entry.parentPath ?? entry.path, entry.name);
    if (!entry.isDirectory() && (await sizeOf(path)) !== undefined)
      names.push(relative(folder, path).split('\\').join('/'));
  }
  return names;
};

/** Writes a small file in one step. */
const writeWhole = async (path: string, text: string): Promise<void> => {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  await writeFile(temporary, text);
  await rename(temporary, path);
};

/** What marks a folder as a cache, for programs that make backups. */
const cacheTag = `Signature: 8a477f597d28d172789f06886806bc55
# This folder is a cache of downloaded models. See https://bford.info/cachedir/.
`;

/** A file in a listing, as huggingface_hub notes it. */
const treeEntry = ({ size, digest, git = '', xet }: RemoteFile): Readonly<Record<string, unknown>> => ({
  size,
  blob_id: git,
  ...(digest?.algorithm === 'sha256' ? { lfs_sha256: digest.hex, lfs_size: size } : {}),
  ...(xet === undefined ? {} : { xet_hash: xet }),
});

const fromTree = (name: string, entry: unknown): RemoteFile | undefined => {
  if (!isInside(name) || !isJsonObject(entry)) return undefined;
  const { size, blob_id, lfs_sha256, lfs_size } = entry;
  const bytes = lfs_size ?? size;
  if (typeof bytes !== 'number' || !Number.isSafeInteger(bytes) || bytes < 0) return undefined;
  const digest: Digest | undefined =
    typeof lfs_sha256 === 'string'
      ? { algorithm: 'sha256', hex: lfs_sha256 }
      : typeof blob_id === 'string' && isCommit(blob_id)
        ? { algorithm: 'gitSha1', hex: blob_id }
        : undefined;
  return digest === undefined ? undefined : { name, size: bytes, digest };
};

/**
 * The cache of the Hugging Face hub, as Python's huggingface_hub lays it out: `models--user--repo` with `blobs` by hash,
 * `snapshots` by commit whose files link to the blobs, `refs` from branches to commits, and `trees`, listings by commit.
 *
 * @param cache - The folder of the whole cache.
 * @param repo - The repository, checked.
 * @param links - False: files of a snapshot are the bytes themselves. So they are where the system has no links.
 */
export const hubCacheStore = (cache: string, { repo, revision }: HubRepo, links = true): PresetStore => {
  const name = `models--${repo.split('/').join('--')}`;
  const storage = join(cache, name);
  const snapshot = (commit: string): string => join(storage, 'snapshots', commit);
  const pointer = (commit: string, file: string): string => join(snapshot(commit), ...file.split('/'));
  const blob = ({ digest, name: file }: RemoteFile): string => {
    if (digest === undefined) throw new Error(`${file}: the hub says no hash, and the cache names files by it`);
    return join(storage, 'blobs', digest.hex);
  };

  /** Lets a snapshot have a blob: by a link, or by the bytes. `spare`: the blob may be moved. */
  const point = async (commit: string, file: RemoteFile, spare: boolean): Promise<void> => {
    const to = pointer(commit, file.name);
    const temporary = `${blob(file)}.${randomBytes(6).toString('hex')}.tmp`;
    await mkdir(dirname(to), { recursive: true });
    const linked =
      links &&
      (await symlink(relative(dirname(to), blob(file)), temporary).then(
        () => true,
        () => false,
      ));
    if (!linked && spare) return rename(blob(file), to);
    try {
      if (!linked) await copyFile(blob(file), temporary);
      await rename(temporary, to);
    } finally {
      await unlink(temporary).catch(() => undefined);
    }
  };

  return {
    place: storage,
    states: async () => {
      const commit = await readFile(join(storage, 'refs', ...revision.split('/')), 'utf8').catch(() => '');
      return [revision, commit.trim()].filter(isCommit).slice(0, 1);
    },
    remember: async (commit) => {
      if (revision === commit) return;
      const path = join(storage, 'refs', ...revision.split('/'));
      const there = await readFile(path, 'utf8').catch(() => undefined);
      if (there !== commit) await writeWhole(path, commit).catch(() => undefined);
    },
    listing: async (commit) => {
      try {
        const tree = JSON.parse(await readFile(join(storage, 'trees', `${commit}.json`), 'utf8')) as unknown;
        if (!isJsonObject(tree) || tree.format_version !== 1 || !isJsonObject(tree.files)) return undefined;
        const files = Object.entries(tree.files).map(([file, entry]) => fromTree(file, entry));
        return files.some((file) => file === undefined) ? undefined : (files as readonly RemoteFile[]);
      } catch {
        return undefined;
      }
    },
    keepListing: async (commit, files) => {
      const sorted = [...files].sort((a, b) => (a.name < b.name ? -1 : 1));
      const entries = Object.fromEntries(sorted.map((file) => [file.name, treeEntry(file)]));
      await writeWhole(
        join(storage, 'trees', `${commit}.json`),
        JSON.stringify({ format_version: 1, files: entries }, null, 1),
      ).catch(() => undefined);
    },
    names: (commit) => filesBelow(snapshot(commit)),
    has: async (commit, file) => {
      if ((await sizeOf(pointer(commit, file.name))) === file.size) return true;
      if ((await sizeOf(blob(file))) !== file.size) return false;
      return point(commit, file, false).then(
        () => true,
        (problem: unknown) => {
          // Without links another file of the same bytes may have taken the blob for itself just now.
          if (problem instanceof Error && 'code' in problem && problem.code === 'ENOENT') return false;
          throw problem;
        },
      );
    },
    readText: (commit, file) => readFile(pointer(commit, file), 'utf8'),
    exclusively: async (_, file, signal, work) => {
      await mkdir(cache, { recursive: true });
      await writeFile(join(cache, 'CACHEDIR.TAG'), cacheTag, { flag: 'wx' }).catch(() => undefined);
      return withLock(join(cache, '.locks', name, `${file.digest?.hex}.purelm.lock`), signal, work);
    },
    begin: (commit, file) =>
      openPartial(`${blob(file)}.purelm.incomplete`, blob(file), () => point(commit, file, true)),
    folder: snapshot,
  };
};
