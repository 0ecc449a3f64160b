// @ts-check
// `npm run build`: the shaders' text, then dist/, if anything changed since the last time: declarations by the TypeScript compiler,
// which checks the sources, and JavaScript by the bundler.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle } from './bundle.mjs';
import { installPackages } from './setup/packages.mjs';
import { problemOf, runInTerminal, runScript, say } from './setup/process.mjs';
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
 * @returns {Promise<number>} The compiler's exit status, 1 if the bundler failed; 0 if there was nothing to do.
 */
export const build = async () => {
  writeShaderSources();
  const stamp = stampOf(root, ['src', 'scripts/bundle.mjs', 'tsconfig.json', 'package.json', 'package-lock.json']);
  if (readOr(join(dist, STAMP)) === stamp) return 0;
  say('building dist');
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const args = [tsc, '-p', join(root, 'tsconfig.json'), '--emitDeclarationOnly', '--outDir', draft];
  try {
    rmSync(draft, { recursive: true, force: true });
    // Both at once; what the compiler refuses is said before what the bundler makes of it.
    const bundled = bundle(draft).then(
      () => undefined,
      (/** @type {unknown} */ problem) => ({ problem }),
    );
    const status = await runInTerminal(process.execPath, args, { cwd: root });
    const failed = await bundled;
    if (status !== 0) return status;
    if (failed !== undefined) {
      say(`the bundler failed: ${problemOf(failed.problem)}`);
      return 1;
    }
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
