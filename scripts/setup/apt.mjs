// @ts-check
// Installs Mesa's software Vulkan driver with apt. The mirror is the one that the machine's own sources name; apt is
// given a private source list and a private index, so that the machine's set-up of apt stays as it was.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { problemOf, runQuietly } from './process.mjs';

/**
 * One place that apt takes packages from. `options` are deb822 fields such as `Signed-By`.
 *
 * @typedef {object} AptSource
 * @property {readonly string[]} uris
 * @property {readonly string[]} suites
 * @property {readonly string[]} components
 * @property {Readonly<Record<string, string>>} options
 */

/**
 * What `/etc/os-release` says of the distribution.
 *
 * @typedef {object} Release
 * @property {readonly string[]} ids - Its name and the names of those it derives from: `debian`, `ubuntu`.
 * @property {string} version - `12`, `24.04`; empty if it has none.
 * @property {string} codename - `bookworm`, `noble`; empty if it has none.
 */

/** @param {string} text */
const words = (text) => text.split(/\s+/).filter((word) => word !== '');

/**
 * Reads `/etc/os-release`.
 *
 * @param {string} text
 * @returns {Release}
 */
export const parseOsRelease = (text) => {
  const fields = new Map(
    text.split('\n').flatMap((line) => {
      const match = /^([A-Z_]+)=(.*)$/.exec(line.trim());
      return match === null ? [] : [[match[1], (match[2] ?? '').replace(/^(["'])(.*)\1$/, '$2')]];
    }),
  );
  const field = (/** @type {string} */ name) => fields.get(name) ?? '';
  return {
    ids: [field('ID'), ...words(field('ID_LIKE'))].filter((id) => id !== ''),
    version: field('VERSION_ID'),
    codename: field('VERSION_CODENAME') || field('UBUNTU_CODENAME'),
  };
};

/**
 * Reads a `.sources` file (deb822): paragraphs of fields, of which binary sources that are not switched off are kept.
 *
 * @param {string} text
 * @returns {readonly AptSource[]}
 */
export const parseSources = (text) => {
  const lines = text.split('\n').filter((line) => !line.startsWith('#'));
  const paragraphs = lines
    .map((line) => (line.trim() === '' ? '' : line))
    .join('\n')
    .split(/\n{2,}/);
  return paragraphs.flatMap((paragraph) => {
    /** @type {{ name: string, value: string }[]} */
    const fields = [];
    for (const line of paragraph.split('\n')) {
      const last = fields.at(-1);
      const match = /^([^\s:]+):(.*)$/.exec(line);
      if (/^[ \t]/.test(line) && last !== undefined) last.value += `\n${line}`;
      else if (match !== null) fields.push({ name: match[1] ?? '', value: (match[2] ?? '').trim() });
    }
    const fieldOf = (/** @type {string} */ name) =>
      fields.find((field) => field.name.toLowerCase() === name)?.value ?? '';
    const known = ['types', 'uris', 'suites', 'components', 'enabled'];
    if (!words(fieldOf('types')).includes('deb') || /^(no|false|0|off)$/i.test(fieldOf('enabled'))) return [];
    return [
      {
        uris: words(fieldOf('uris')),
        suites: words(fieldOf('suites')),
        components: words(fieldOf('components')),
        options: Object.fromEntries(
          fields.filter(({ name }) => !known.includes(name.toLowerCase())).map(({ name, value }) => [name, value]),
        ),
      },
    ];
  });
};

/** One-line options whose deb822 name is not simply the same word with capitals. */
const OPTION_NAMES = new Map([
  ['arch', 'Architectures'],
  ['lang', 'Languages'],
  ['target', 'Targets'],
]);

/** @param {string} name */
const optionName = (name) =>
  OPTION_NAMES.get(name.toLowerCase()) ??
  name
    .toLowerCase()
    .split('-')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('-');

/**
 * Reads a `.list` file: `deb [option=value ...] uri suite component ...`, one source a line.
 *
 * @param {string} text
 * @returns {readonly AptSource[]}
 */
export const parseList = (text) =>
  text.split('\n').flatMap((line) => {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)([^#]*)/.exec(line);
    if (match === null) return [];
    const [, options = '', uri = '', suite = '', components = ''] = match;
    return [
      {
        uris: [uri],
        suites: [suite],
        components: words(components),
        options: Object.fromEntries(
          words(options).flatMap((option) => {
            const at = option.indexOf('=');
            if (at === -1) return [];
            const name = option.slice(0, at).replace(/[+-]$/, '');
            return [[optionName(name), option.slice(at + 1).replaceAll(',', ' ')]];
          }),
        ),
      },
    ];
  });

/**
 * One source as a deb822 paragraph.
 *
 * @param {AptSource} source
 */
export const formatSource = ({ uris, suites, components, options }) =>
  [
    'Types: deb',
    `URIs: ${uris.join(' ')}`,
    `Suites: ${suites.join(' ')}`,
    ...(components.length === 0 ? [] : [`Components: ${components.join(' ')}`]),
    ...Object.entries(options).map(([name, value]) => `${name}:${value.startsWith('\n') ? '' : ' '}${value}`),
    '',
  ].join('\n');

/** Names under which a release's sources may go besides its codename. */
const ALIASES = ['stable', 'oldstable', 'testing'];

/**
 * Chooses from where the driver comes: the distribution's own sources among all the machine's, and on Debian 12 the
 * backports at the same mirror, since Dawn refuses the Mesa (22.3) of Debian 12 itself.
 *
 * @param {Release} release
 * @param {readonly AptSource[]} sources
 * @returns {{ readonly sources: readonly AptSource[], readonly target: string | undefined } | undefined} `target` is
 * the suite to prefer, if not the usual one; nothing if no source is the distribution's own.
 */
export const chooseSources = ({ ids, version, codename }, sources) => {
  if (codename === '') return undefined;
  const bases = [codename, ...(ids[0] === 'debian' ? ALIASES : [])];
  const isOwn = (/** @type {string} */ suite) =>
    !suite.endsWith('/') &&
    bases.some((base) => suite === base || suite.startsWith(`${base}-`) || suite.startsWith(`${base}/`));
  const own = sources.flatMap((source) => {
    const suites = source.suites.filter(isOwn);
    return suites.length === 0 ? [] : [{ ...source, suites }];
  });
  const main = own.find(({ suites }) => suites.some((suite) => bases.includes(suite)));
  if (main === undefined) return undefined;
  if (ids[0] !== 'debian' || version !== '12') return { sources: own, target: undefined };
  const target = `${codename}-backports`;
  const there = own.some(({ suites }) => suites.includes(target));
  return { sources: there ? own : [...own, { ...main, suites: [target], components: ['main'] }], target };
};

/** @param {string} path */
const readOr = (path, otherwise = '') => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return otherwise;
  }
};

/** @param {string} root - The machine's `/etc`. */
export const machineSources = (root = '/etc') => {
  const folder = join(root, 'apt', 'sources.list.d');
  const names = (() => {
    try {
      return readdirSync(folder).sort();
    } catch {
      return [];
    }
  })();
  return [
    ...parseList(readOr(join(root, 'apt', 'sources.list'))),
    ...names.flatMap((name) => {
      const text = () => readOr(join(folder, name));
      if (name.endsWith('.sources')) return parseSources(text());
      return name.endsWith('.list') ? parseList(text()) : [];
    }),
  ];
};

/** What this machine is; `ids` is empty where there is no `/etc/os-release`. */
export const machineRelease = (root = '/etc') => parseOsRelease(readOr(join(root, 'os-release')));

/** @param {Release} release */
export const usesApt = ({ ids }) => ids.includes('debian') || ids.includes('ubuntu');

const PACKAGES = ['mesa-vulkan-drivers', 'libvulkan1'];

/**
 * Installs lavapipe and the Vulkan loader; must run as root. Removes nothing that is installed.
 *
 * @returns {{ readonly ok: boolean, readonly from: string, readonly problem: string }} `from` names the suite.
 */
export const installLavapipe = () => {
  const release = machineRelease();
  const chosen = chooseSources(release, machineSources());
  if (chosen === undefined) {
    return { ok: false, from: '', problem: `no apt source of this machine names the suite ${release.codename}` };
  }
  const from = chosen.target ?? release.codename;
  let folder = '';
  try {
    folder = mkdtempSync(join(tmpdir(), 'purelm-apt-'));
    mkdirSync(join(folder, 'sources'));
    mkdirSync(join(folder, 'lists', 'partial'), { recursive: true });
    writeFileSync(join(folder, 'sources', 'purelm.sources'), chosen.sources.map(formatSource).join('\n'));
    const options = [
      'Dir::Etc::SourceList=/dev/null',
      `Dir::Etc::SourceParts=${join(folder, 'sources')}`,
      `Dir::State::Lists=${join(folder, 'lists')}`,
      'Dir::Cache::pkgcache=',
      'Dir::Cache::srcpkgcache=',
      'APT::Sandbox::User=root', // The private folder is closed to apt's own user.
      'APT::Update::Error-Mode=any', // A mirror that does not answer is an error, not a warning.
      'Acquire::Languages=none',
      'Acquire::Retries=2',
      'DPkg::Lock::Timeout=60',
      'Dpkg::Use-Pty=0',
    ].flatMap((option) => ['-o', option]);
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' };
    const update = runQuietly('apt-get', [...options, '-qq', 'update'], { env, seconds: 180 });
    if (!update.ok) return { ok: false, from, problem: update.problem };
    const target = chosen.target === undefined ? [] : ['-t', chosen.target];
    const install = runQuietly(
      'apt-get',
      [...options, '-qq', '-y', '--no-install-recommends', '--no-remove', ...target, 'install', ...PACKAGES],
      { env, seconds: 600 },
    );
    return { ok: install.ok, from, problem: install.problem };
  } catch (error) {
    return { ok: false, from, problem: problemOf(error) };
  } finally {
    if (folder !== '') rmSync(folder, { recursive: true, force: true });
  }
};
