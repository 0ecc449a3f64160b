// @ts-check
// The cache folder: drivers without root, and what the search for an adapter found.
import {
  accessSync,
  constants,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir, userInfo } from 'node:os';
import { dirname, join, resolve } from 'node:path';

/** @param {string} path */
const isWritableFolder = (path) => {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

/**
 * Makes a folder that nobody else may write to. What lies in it will be loaded as code, so a folder of another owner is
 * refused.
 *
 * @param {string} path
 * @throws {Error} If it is a link, or somebody else's, or cannot be made.
 */
export const privateFolder = (path) => {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const stat = lstatSync(path);
  const uid = process.getuid?.();
  if (!stat.isDirectory() || (uid !== undefined && (stat.uid !== uid || (stat.mode & 0o022) !== 0))) {
    throw new Error(`${path}: expected a folder of one's own that no one else may write to`);
  }
  return path;
};

/**
 * Where purelm keeps what it fetched: `$XDG_CACHE_HOME/purelm`, `~/.cache/purelm`, `%LOCALAPPDATA%\purelm`, or a
 * private folder under the temporary one for a user without a home.
 *
 * @param {NodeJS.ProcessEnv} [env]
 * @param {string} [home]
 */
export const cacheFolder = (env = process.env, home = homedir()) => {
  const named = env.XDG_CACHE_HOME ?? (process.platform === 'win32' ? env.LOCALAPPDATA : undefined);
  if (named !== undefined && named !== '') return privateFolder(join(resolve(named), 'purelm'));
  if (isWritableFolder(home)) return privateFolder(join(home, '.cache', 'purelm'));
  return privateFolder(join(tmpdir(), `purelm-${userInfo().uid}`));
};

/**
 * The environment for npm, which needs a cache folder elsewhere where the user has no home.
 *
 * @param {string} cache
 * @param {NodeJS.ProcessEnv} [env]
 * @param {string} [home]
 * @returns {NodeJS.ProcessEnv}
 */
export const npmEnvironment = (cache, env = process.env, home = homedir()) => {
  // An npm that starts us names its own folder in the environment, which may well lie in the home that is not there.
  const named = env.npm_config_cache;
  const elsewhere = named !== undefined && !named.startsWith(home);
  return isWritableFolder(home) || elsewhere ? env : { ...env, npm_config_cache: join(cache, 'npm') };
};

/**
 * A JSON file's value, or nothing if there is none that can be read.
 *
 * @param {string} path
 * @returns {unknown}
 */
export const readJson = (path) => {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
};

/**
 * Writes by way of a draft: what was there stays until the draft is whole, and a draft that fails is taken away.
 *
 * @param {string} path - What the error names.
 * @param {string} draft
 * @param {() => void} write - Makes the draft.
 * @param {() => void} place - Puts it where it belongs.
 */
const byDraft = (path, draft, write, place) => {
  try {
    write();
    place();
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    // A write that fails knows no path.
    throw error instanceof Error ? Object.assign(error, { path }) : error;
  }
};

/**
 * Writes a file whole or not at all.
 *
 * @param {string} path
 * @param {string} text
 */
export const writeText = (path, text) => {
  mkdirSync(dirname(path), { recursive: true });
  const draft = `${path}.${process.pid}`;
  byDraft(
    path,
    draft,
    () => writeFileSync(draft, text),
    () => renameSync(draft, path),
  );
};

/**
 * Writes a JSON file whole or not at all.
 *
 * @param {string} path
 * @param {unknown} value
 */
export const writeJson = (path, value) => writeText(path, `${JSON.stringify(value, undefined, 2)}\n`);

/**
 * Puts a folder of files in the place of what was there, whole or not at all.
 *
 * @param {string} folder
 * @param {Iterable<readonly [name: string, data: Uint8Array]>} files
 */
export const writeFolder = (folder, files) => {
  const draft = mkdtempSync(`${folder}-`);
  byDraft(
    folder,
    draft,
    () => {
      for (const [name, data] of files) writeFileSync(join(draft, name), data, { mode: 0o755 });
    },
    () => {
      rmSync(folder, { recursive: true, force: true });
      renameSync(draft, folder);
    },
  );
};
