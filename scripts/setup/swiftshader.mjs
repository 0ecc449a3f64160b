// @ts-check
// SwiftShader without root: the software Vulkan driver and the Vulkan loader that the npm package
// @sparticuz/chromium carries for headless browsers, unpacked into the cache folder.
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { npmEnvironment, writeFolder } from './cache.mjs';
import { NPM_PATIENCE, npmCommand, problemOf, runQuietly } from './process.mjs';
import { tarFiles } from './tar.mjs';

const PACKAGE = '@sparticuz/chromium';
const VERSION = '153.0.0';
const INNER = 'package/bin/swiftshader.tar.br';
const INNER_SHA256 = 'b680e40a33235ecc6ad4c6897a168b70ce5164f0d62d2a64d675320d51614631';
const DRIVER = 'vk_swiftshader_icd.json';
const FILES = [DRIVER, 'libvk_swiftshader.so', 'libvulkan.so.1'];

/** Whether the package's libraries run here: it carries those of Linux with glibc on x86-64 alone. */
export const swiftShaderFits = () => {
  if (process.platform !== 'linux' || process.arch !== 'x64') return false;
  const report = /** @type {{ header?: { glibcVersionRuntime?: string } }} */ (process.report?.getReport() ?? {});
  return report.header?.glibcVersionRuntime !== undefined;
};

/** @param {string} cache - The cache folder. */
export const swiftShaderFolder = (cache) => join(cache, `swiftshader-${VERSION}`);

/**
 * What a process needs to find SwiftShader; `LD_LIBRARY_PATH` counts only if it is set when the process starts.
 *
 * @param {string} folder
 * @param {NodeJS.ProcessEnv} env - The environment to add to.
 */
export const swiftShaderEnvironment = (folder, env) => ({
  VK_DRIVER_FILES: join(folder, DRIVER),
  LD_LIBRARY_PATH: [folder, env.LD_LIBRARY_PATH].filter((part) => part !== undefined && part !== '').join(':'),
});

/**
 * The three files that Dawn needs, out of the package as npm packs it.
 *
 * @param {Buffer} packed - The `.tgz`.
 * @param {string} sha256 - What the archive inside must hash to.
 * @returns {ReadonlyMap<string, Buffer>}
 * @throws {Error} If the package is not the one we know.
 */
export const unpackSwiftShader = (packed, sha256 = INNER_SHA256) => {
  const outer = gunzipSync(packed, { maxOutputLength: 512 * 2 ** 20 });
  const inner = [...tarFiles(outer)].find(({ name }) => name === INNER)?.data;
  if (inner === undefined) throw new Error(`the package has no ${INNER}`);
  const hash = createHash('sha256').update(inner).digest('hex');
  if (hash !== sha256) throw new Error(`expected ${INNER} with SHA-256 ${sha256}, got ${hash}`);
  const archive = brotliDecompressSync(inner, { maxOutputLength: 128 * 2 ** 20 });
  const found = new Map([...tarFiles(archive)].map(({ name, data }) => [name.replace(/^\.\//, ''), data]));
  return new Map(
    FILES.map((name) => {
      const data = found.get(name);
      if (data === undefined) throw new Error(`${INNER} has no ${name}`);
      return [name, data];
    }),
  );
};

/**
 * Puts SwiftShader into the cache folder, unless it is there.
 *
 * @param {string} cache
 * @returns {{ readonly ok: boolean, readonly folder: string, readonly problem: string }}
 */
export const installSwiftShader = (cache) => {
  const folder = swiftShaderFolder(cache);
  if (FILES.every((name) => existsSync(join(folder, name)))) return { ok: true, folder, problem: '' };
  let work = '';
  try {
    work = mkdtempSync(join(cache, 'unpacking-'));
    const [command, args] = npmCommand([
      'pack',
      `${PACKAGE}@${VERSION}`,
      '--ignore-scripts',
      '--loglevel=error',
      ...NPM_PATIENCE,
    ]);
    const packed = runQuietly(command, args, { cwd: work, env: npmEnvironment(cache), seconds: 600 });
    if (!packed.ok) return { ok: false, folder, problem: packed.problem };
    const name = packed.stdout.trim().split('\n').at(-1)?.trim() ?? '';
    if (!/^[\w.-]+\.tgz$/.test(name)) return { ok: false, folder, problem: `npm pack named no file, but ${name}` };
    writeFolder(folder, unpackSwiftShader(readFileSync(join(work, name))));
    return { ok: true, folder, problem: '' };
  } catch (error) {
    return { ok: false, folder, problem: problemOf(error) };
  } finally {
    if (work !== '') rmSync(work, { recursive: true, force: true });
  }
};
