// @ts-check
// `npm run build`: the shaders' text, then dist/ by the TypeScript compiler, if anything changed since the last time.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installPackages } from './setup/packages.mjs';
import { runInTerminal, runScript, say } from './setup/process.mjs';
import { writeShaderSources } from './shaders.mjs';

const root = fileURLToPath(new URL('../', import.meta.url));
const dist = join(root, 'dist');
/** Where the build is made: what runs from dist meanwhile, or after a build that failed, is whole. */
const draft = join(root, 'dist.new');
const STAMP = '.stamp';

/**
 * Names the state of files by their paths, sizes and dates.
 *
 * @param {string} folder
 * @param {readonly string[]} paths - Relative to `folder`; folders count with all that is in them.
 */
export const stampOf = (folder, paths) => {
  const lines = paths.flatMap((path) => {
    const full = join(folder, path);
    if (!existsSync(full)) return [`${path} absent`];
    const files = statSync(full).isDirectory()
      ? readdirSync(full, { recursive: true, encoding: 'utf8' }).map((name) => join(path, name))
      : [path];
    return files
      .map((name) => ({ name, stat: statSync(join(folder, name)) }))
      .filter(({ stat }) => stat.isFile())
      .map(({ name, stat }) => `${name} ${stat.size} ${stat.mtimeMs}`)
      .sort();
  });
  return createHash('sha256').update(lines.join('\n')).digest('hex');
};

/** @param {string} path */
const readOr = (path, otherwise = '') => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return otherwise;
  }
};

/**
 * Builds if anything changed.
 *
 * @returns {Promise<number>} The compiler's exit status; 0 if there was nothing to do.
 */
export const build = async () => {
  writeShaderSources();
  const stamp = stampOf(root, ['src', 'tsconfig.json', 'package.json', 'package-lock.json']);
  if (readOr(join(dist, STAMP)) === stamp) return 0;
  say('building dist');
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const args = [tsc, '-p', join(root, 'tsconfig.json'), '--outDir', draft];
  try {
    rmSync(draft, { recursive: true, force: true });
    const status = await runInTerminal(process.execPath, args, { cwd: root });
    if (status !== 0) return status;
    writeFileSync(join(draft, STAMP), stamp);
    rmSync(dist, { recursive: true, force: true });
    renameSync(draft, dist);
    return 0;
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await runScript(async () => (installPackages() ? build() : 1));
}
