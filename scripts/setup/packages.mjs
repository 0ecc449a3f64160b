// @ts-check
// Installs the locked packages, if those in node_modules are not the very ones.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { cacheFolder, npmEnvironment, readJson } from './cache.mjs';
import { NPM_PATIENCE, npmCommand, runQuietly, say } from './process.mjs';

const root = new URL('../../', import.meta.url);

/** @typedef {{ readonly packages?: Readonly<Record<string, LockedPackage>> }} Lock */
/** @typedef {{ readonly version?: string, readonly optional?: boolean, readonly devOptional?: boolean }} LockedPackage */

/**
 * The packages that the lock names and that are not installed in that version. Optional ones may be absent: they are
 * for other platforms.
 *
 * @param {Lock} lock - `package-lock.json`.
 * @param {Lock} installed - `node_modules/.package-lock.json`, which npm writes when it is done.
 * @returns {readonly string[]} Their paths, such as `node_modules/fp-ts`.
 */
export const missingPackages = (lock, installed) =>
  Object.entries(lock.packages ?? {})
    .filter(([path, wanted]) => {
      if (path === '') return false;
      const found = installed.packages?.[path];
      if (found === undefined) return !(wanted.optional === true || wanted.devOptional === true);
      return found.version !== wanted.version;
    })
    .map(([path]) => path);

/** @param {string} path */
const readLock = (path) => /** @type {Lock} */ (readJson(fileURLToPath(new URL(path, root))) ?? {});

/**
 * Installs what is missing.
 *
 * @returns {boolean} Whether all packages are there now.
 */
export const installPackages = () => {
  const missing = () => {
    const paths = missingPackages(readLock('package-lock.json'), readLock('node_modules/.package-lock.json'));
    return paths.length > 0 ? paths : ['node_modules/webgpu'].filter((path) => !existsSync(new URL(path, root)));
  };
  if (missing().length === 0) return true;
  say('installing the locked packages (npm ci)');
  const [command, args] = npmCommand([
    'ci',
    '--include=dev',
    '--include=optional',
    '--loglevel=error',
    ...NPM_PATIENCE,
  ]);
  const result = runQuietly(command, args, { cwd: fileURLToPath(root), env: npmEnvironment(cacheFolder()) });
  if (result.ok) return true;
  say(`npm ci did not work: ${result.problem}`);
  return missing().length === 0;
};
