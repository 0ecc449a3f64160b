// @ts-check
// Makes sure that Dawn finds an adapter: what the system offers, else lavapipe by apt as root, else SwiftShader in the
// cache folder. The answer is kept, so that the next start only reads it.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installLavapipe, machineRelease, usesApt } from './apt.mjs';
import { cacheFolder, privateFolder, readJson, writeJson } from './cache.mjs';
import { problemOf, runQuietly, say } from './process.mjs';
import { installSwiftShader, swiftShaderEnvironment, swiftShaderFits } from './swiftshader.mjs';

/**
 * What the search found.
 *
 * @typedef {object} AdapterChoice
 * @property {'system' | 'lavapipe' | 'swiftshader' | 'none'} choice
 * @property {string} adapter - Its name; empty if there is none.
 * @property {string} reason - Why this one, in one line.
 * @property {Readonly<Record<string, string>>} environment - What a process needs to find it.
 * @property {number} found - When, in milliseconds since 1970.
 */

/** How long the answer "none" is believed: a network may come back. */
const NONE_HOLDS_MS = 24 * 3600 * 1000;

/** Variables by which a user steers the Vulkan loader: who sets one has chosen, and nothing is installed instead. */
const USERS_CHOICE = ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES'];

const OTHER_VARIABLES = [
  'LD_LIBRARY_PATH',
  'VK_ADD_DRIVER_FILES',
  'VK_LOADER_DRIVERS_SELECT',
  'PURELM_DAWN_FLAGS',
  'PURELM_NO_INSTALL',
];

/** @param {string} path */
const dated = (path) => {
  try {
    return `${path} ${statSync(path).mtimeMs}`;
  } catch {
    return '';
  }
};

/** @param {string} folder */
const datedFiles = (folder) => {
  try {
    return readdirSync(folder).map((name) => dated(join(folder, name)));
  } catch {
    return [];
  }
};

const driverFolders = () =>
  [join(homedir(), '.local', 'share'), '/usr/local/share', '/usr/share', '/etc'].map((path) =>
    join(path, 'vulkan', 'icd.d'),
  );

const loaders = () =>
  ['/usr/lib', '/usr/lib64', '/usr/local/lib', '/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu'].map((path) =>
    join(path, 'libvulkan.so.1'),
  );

const devices = () => {
  const inside = (/** @type {string} */ folder, /** @type {RegExp} */ pattern) => {
    try {
      return readdirSync(folder).filter((name) => pattern.test(name));
    } catch {
      return [];
    }
  };
  return [...inside('/dev', /^(nvidia\d+|dxg)$/), ...inside('/dev/dri', /^renderD\d+$/)];
};

const dawnVersion = () => {
  try {
    const path = join(dirname(createRequire(import.meta.url).resolve('webgpu')), 'package.json');
    const described = /** @type {{ version?: string } | undefined} */ (readJson(path));
    return described?.version ?? '';
  } catch {
    return '';
  }
};

/**
 * Names the circumstances on which the answer depends: if one changes, the search is made again.
 *
 * @param {NodeJS.ProcessEnv} env
 */
export const circumstances = (env) => {
  const facts = [
    process.platform,
    process.arch,
    `${process.getuid?.() ?? ''}`,
    `webgpu ${dawnVersion()}`,
    ...[...USERS_CHOICE, ...OTHER_VARIABLES].map((name) => `${name}=${env[name] ?? ''}`),
    ...(process.platform === 'linux'
      ? [...driverFolders().flatMap(datedFiles), ...loaders().map(dated), ...devices()]
      : []),
  ];
  return createHash('sha256').update(facts.join('\n')).digest('hex').slice(0, 16);
};

/**
 * @param {string} cache
 * @param {NodeJS.ProcessEnv} env
 */
const recordPath = (cache, env) => join(cache, 'adapters', `${circumstances(env)}.json`);

/**
 * Whether an answer read back can be used: it has the form, is not an old "none", and the files it names are there.
 *
 * @param {unknown} value
 * @param {number} now - Milliseconds since 1970.
 * @returns {value is AdapterChoice}
 */
export const holds = (value, now) => {
  const { choice, adapter, reason, environment, found } = /** @type {Partial<AdapterChoice>} */ (value ?? {});
  if (typeof choice !== 'string' || typeof adapter !== 'string' || typeof reason !== 'string') return false;
  if (typeof found !== 'number' || typeof environment !== 'object' || environment === null) return false;
  if (choice === 'none' && !(now - found >= 0 && now - found < NONE_HOLDS_MS)) return false;
  const driver = environment.VK_DRIVER_FILES;
  return driver === undefined || driver.split(':').every((path) => existsSync(path));
};

/**
 * The answer of an earlier search, if one holds for the present circumstances.
 *
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {AdapterChoice | undefined}
 */
export const knownChoice = (env = process.env) => {
  try {
    const value = readJson(recordPath(cacheFolder(env), env));
    return holds(value, Date.now()) ? value : undefined;
  } catch {
    return undefined;
  }
};

/**
 * What a process is started with: the chosen adapter's environment, a private XDG_RUNTIME_DIR where there is none
 * (Vulkan drivers ask for it), and the reason, for `purelm doctor`.
 *
 * @param {AdapterChoice | undefined} choice
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Readonly<Record<string, string>>} Only what is to be added.
 */
export const adapterEnvironment = (choice, env = process.env) => {
  const runtime = (() => {
    if (process.platform !== 'linux' || (env.XDG_RUNTIME_DIR ?? '') !== '') return {};
    try {
      return { XDG_RUNTIME_DIR: privateFolder(join(cacheFolder(env), 'run')) };
    } catch {
      return {};
    }
  })();
  return {
    ...runtime,
    ...(choice === undefined
      ? {}
      : { ...choice.environment, PURELM_ADAPTER_CHOICE: choice.choice, PURELM_ADAPTER_REASON: choice.reason }),
  };
};

const probePath = fileURLToPath(new URL('probe.mjs', import.meta.url));

/**
 * Asks Dawn, in a process of its own, since a broken driver may take the process down.
 *
 * @param {Readonly<Record<string, string>>} added - Variables besides the user's own.
 * @param {NodeJS.ProcessEnv} env
 * @returns {{ readonly name: string, readonly problem: string }} One of the two is empty.
 */
const probe = (added, env) => {
  const result = runQuietly(process.execPath, [probePath], {
    env: { ...env, ...adapterEnvironment(undefined, env), ...added },
    seconds: 60,
  });
  if (!result.ok) return { name: '', problem: result.problem };
  const answer = /** @type {{ found?: boolean, name?: string, problem?: string }} */ (
    JSON.parse(result.stdout.trim().split('\n').at(-1) ?? '{}')
  );
  return answer.found === true
    ? { name: answer.name ?? 'unnamed adapter', problem: '' }
    : { name: '', problem: answer.problem ?? 'the probe gave no answer' };
};

/** @returns {readonly string[]} The description files of lavapipe. */
const lavapipeFiles = () =>
  driverFolders().flatMap((folder) => {
    try {
      return readdirSync(folder)
        .filter((name) => /^lvp_icd.*\.json$/.test(name))
        .map((name) => join(folder, name));
    } catch {
      return [];
    }
  });

/**
 * @param {NodeJS.ProcessEnv} env
 * @returns {Omit<AdapterChoice, 'found'>}
 */
const search = (env) => {
  const none = (/** @type {string} */ reason) =>
    /** @type {const} */ ({ choice: 'none', adapter: '', reason, environment: {} });
  const system = probe({}, env);
  if (system.name !== '') {
    const chosen = USERS_CHOICE.find((name) => (env[name] ?? '') !== '');
    const reason = chosen === undefined ? 'the system offers it' : `the environment asks for it (${chosen})`;
    return { choice: 'system', adapter: system.name, reason, environment: {} };
  }
  const asked = USERS_CHOICE.find((name) => (env[name] ?? '') !== '');
  if (asked !== undefined) return none(`${asked} is set, and with it: ${system.problem}`);
  if (process.platform !== 'linux')
    return none(`${system.problem}; there is no software driver to install on ${process.platform}`);
  if ((env.PURELM_NO_INSTALL ?? '') !== '') return none(`${system.problem}; PURELM_NO_INSTALL is set`);

  const problems = [system.problem];
  if (process.getuid?.() === 0 && usesApt(machineRelease())) {
    say(
      'no WebGPU adapter on this machine; installing the software driver lavapipe (mesa-vulkan-drivers, libvulkan1) with apt',
    );
    const installed = installLavapipe();
    if (installed.ok) {
      const environments = [{}, ...lavapipeFiles().map((file) => ({ VK_DRIVER_FILES: file }))];
      for (const environment of environments) {
        const { name, problem } = probe(environment, env);
        const reason = `the system had none (${system.problem}); lavapipe was installed by apt from ${installed.from}`;
        if (name !== '') return { choice: 'lavapipe', adapter: name, reason, environment };
        problems.push(`with lavapipe installed: ${problem}`);
      }
      say(`lavapipe from ${installed.from} is installed, but Dawn does not take it: ${problems.at(-1)}`);
    } else {
      problems.push(`apt: ${installed.problem}`);
      say(`apt did not work: ${installed.problem}`);
    }
  }
  if (!swiftShaderFits())
    return none(`${problems.join('; ')}; SwiftShader's package is for Linux on x86-64 with glibc only`);
  say('fetching the software driver SwiftShader (npm package @sparticuz/chromium, 70 MB) into the cache folder');
  const fetched = installSwiftShader(cacheFolder(env));
  if (!fetched.ok) {
    say(`SwiftShader cannot be had: ${fetched.problem}`);
    return none([...problems, `SwiftShader: ${fetched.problem}`].join('; '));
  }
  const environment = swiftShaderEnvironment(fetched.folder, env);
  const { name, problem } = probe(environment, env);
  if (name === '') {
    say(`SwiftShader is unpacked, but Dawn does not take it: ${problem}`);
    return none([...problems, `with SwiftShader: ${problem}`].join('; '));
  }
  return {
    choice: 'swiftshader',
    adapter: name,
    reason: `${problems.join('; ')}; SwiftShader was unpacked into the cache folder`,
    environment,
  };
};

/**
 * The adapter to use, from the last search or by a new one.
 *
 * @param {{ retry?: 'never' | 'if none' | 'always', env?: NodeJS.ProcessEnv }} [options] - `retry`: when to search
 * although an answer is known.
 * @returns {AdapterChoice}
 */
export const chooseAdapter = ({ retry = 'never', env = process.env } = {}) => {
  const known = retry === 'always' ? undefined : knownChoice(env);
  if (known !== undefined && !(retry === 'if none' && known.choice === 'none')) return known;
  say('looking for a WebGPU adapter');
  const choice = { ...search(env), found: Date.now() };
  say(choice.choice === 'none' ? `no WebGPU adapter: ${choice.reason}` : `using ${choice.adapter}: ${choice.reason}`);
  try {
    // An installation changes the circumstances, so the path is that of the state now reached.
    writeJson(recordPath(cacheFolder(env), env), choice);
  } catch (error) {
    say(`the answer cannot be kept: ${problemOf(error)}`);
  }
  return choice;
};
