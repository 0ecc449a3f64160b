import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { stampOf } from '../../scripts/build.mjs';
import { adapterEnvironment, circumstances, holds } from '../../scripts/setup/adapter.mjs';
import { cacheFolder, npmEnvironment, privateFolder, readJson, writeJson } from '../../scripts/setup/cache.mjs';
import { missingPackages } from '../../scripts/setup/packages.mjs';
import { runQuietly, tellingLine } from '../../scripts/setup/process.mjs';
import { countTests } from '../../scripts/setup/report.mjs';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'purelm-state-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('missingPackages', () => {
  const lock = {
    packages: {
      '': { version: '0.1.0' },
      'node_modules/a': { version: '1.0.0' },
      'node_modules/b': { version: '2.0.0', optional: true },
    },
  };

  it('names what is absent or of another version', () => {
    expect(missingPackages(lock, {})).toEqual(['node_modules/a']);
    expect(missingPackages(lock, { packages: { 'node_modules/a': { version: '1.0.1' } } })).toEqual(['node_modules/a']);
  });

  it('is content without optional packages, but not with other versions of them', () => {
    const a = { 'node_modules/a': { version: '1.0.0' } };
    expect(missingPackages(lock, { packages: a })).toEqual([]);
    expect(missingPackages(lock, { packages: { ...a, 'node_modules/b': { version: '1.9.0' } } })).toEqual([
      'node_modules/b',
    ]);
  });
});

describe('package-lock.json', () => {
  it('names every package that a package in it asks for, those for other platforms too, else npm ci refuses it', () => {
    const lock = readJson(fileURLToPath(new URL('../../package-lock.json', import.meta.url))) as {
      readonly packages: Readonly<Record<string, { readonly optionalDependencies?: Readonly<Record<string, string>> }>>;
    };
    const asked = Object.values(lock.packages).flatMap(({ optionalDependencies = {} }) =>
      Object.keys(optionalDependencies),
    );
    expect(asked.filter((name) => lock.packages[`node_modules/${name}`] === undefined)).toEqual([]);
  });
});

describe('stampOf', () => {
  const write = (name: string, text: string, date: number) => {
    writeFileSync(join(folder, name), text);
    utimesSync(join(folder, name), date, date);
  };

  it('changes with a date, a size, a new file and a removed one, and only then', () => {
    mkdirSync(join(folder, 'src', 'inner'), { recursive: true });
    write('src/inner/a.ts', 'a', 1000);
    write('package.json', '{}', 1000);
    const stamp = () => stampOf(folder, ['src', 'package.json', 'absent.json']);
    const first = stamp();
    expect(stamp()).toBe(first);
    write('src/inner/a.ts', 'b', 1001);
    const dated = stamp();
    expect(dated).not.toBe(first);
    write('src/inner/a.ts', 'bb', 1001);
    const longer = stamp();
    expect(longer).not.toBe(dated);
    write('src/b.ts', '', 1000);
    expect(stamp()).not.toBe(longer);
    rmSync(join(folder, 'src/b.ts'));
    expect(stamp()).toBe(longer);
  });
});

describe('holds', () => {
  const now = 1_000_000_000;
  const choice = { choice: 'system', adapter: 'a', reason: 'r', environment: {}, found: 1 };

  it('believes an adapter as long as circumstances stay', () => {
    expect(holds(choice, now)).toBe(true);
  });

  it('believes "none" for a day', () => {
    const none = { ...choice, choice: 'none' };
    expect(holds({ ...none, found: now - 3_600_000 }, now)).toBe(true);
    expect(holds({ ...none, found: now - 25 * 3_600_000 }, now)).toBe(false);
    expect(holds({ ...none, found: now + 1 }, now)).toBe(false);
  });

  it('does not believe in a driver that is gone', () => {
    const driver = join(folder, 'driver.json');
    const with_ = { ...choice, environment: { VK_DRIVER_FILES: driver } };
    expect(holds(with_, now)).toBe(false);
    writeFileSync(driver, '{}');
    expect(holds(with_, now)).toBe(true);
  });

  it('passes over what is not an answer', () => {
    for (const value of [undefined, null, 3, 'x', {}, { ...choice, found: '1' }, { ...choice, environment: null }]) {
      expect(holds(value, now)).toBe(false);
    }
  });
});

describe('circumstances', () => {
  it('depend on what the user asks of the Vulkan loader and of Dawn, and on nothing else in the environment', () => {
    const plain = circumstances({});
    expect(circumstances({ EDITOR: 'ed' })).toBe(plain);
    expect(circumstances({ VK_DRIVER_FILES: '/d.json' })).not.toBe(plain);
    expect(circumstances({ PURELM_DAWN_FLAGS: 'backend=null' })).not.toBe(plain);
  });
});

describe('adapterEnvironment', () => {
  it("carries the driver's variables and the reason", () => {
    const choice = {
      choice: 'swiftshader',
      adapter: 'S',
      reason: 'because',
      environment: { VK_DRIVER_FILES: '/d.json' },
      found: 1,
    } as const;
    expect(adapterEnvironment(choice, { XDG_RUNTIME_DIR: '/run/user/1' })).toEqual({
      VK_DRIVER_FILES: '/d.json',
      PURELM_ADAPTER_CHOICE: 'swiftshader',
      PURELM_ADAPTER_REASON: 'because',
    });
  });

  it.runIf(process.platform === 'linux')('gives a private XDG_RUNTIME_DIR where there is none', () => {
    expect(adapterEnvironment(undefined, { XDG_CACHE_HOME: folder })).toEqual({
      XDG_RUNTIME_DIR: join(folder, 'purelm', 'run'),
    });
  });
});

describe('the cache folder', () => {
  it('is where XDG_CACHE_HOME says, else in the home, else a private one for those without', () => {
    expect(cacheFolder({ XDG_CACHE_HOME: folder })).toBe(join(folder, 'purelm'));
    expect(cacheFolder({}, folder)).toBe(join(folder, '.cache', 'purelm'));
    expect(cacheFolder({}, '/nonexistent')).toMatch(/purelm-\d+$/);
  });

  it('is refused if it is a link or if others may write to it', () => {
    const own = privateFolder(join(folder, 'own'));
    symlinkSync(own, join(folder, 'link'));
    expect(() => privateFolder(join(folder, 'link'))).toThrow("expected a folder of one's own");
    chmodSync(own, 0o777);
    expect(() => privateFolder(own)).toThrow("expected a folder of one's own");
  });

  it("takes npm's cache in only for those without a home", () => {
    expect(npmEnvironment('/c', {}, folder)).toEqual({});
    expect(npmEnvironment('/c', { npm_config_cache: '/nonexistent/.npm' }, '/nonexistent')).toEqual({
      npm_config_cache: '/c/npm',
    });
    expect(npmEnvironment('/c', {}, '/nonexistent')).toEqual({ npm_config_cache: '/c/npm' });
    expect(npmEnvironment('/c', { npm_config_cache: '/own' }, '/nonexistent')).toEqual({ npm_config_cache: '/own' });
  });

  it('keeps JSON, and gives nothing for what is absent or broken', () => {
    const path = join(folder, 'inner', 'x.json');
    expect(readJson(path)).toBeUndefined();
    writeJson(path, { a: 1 });
    expect(readJson(path)).toEqual({ a: 1 });
    writeFileSync(path, '{ "a":');
    expect(readJson(path)).toBeUndefined();
  });
});

describe('tellingLine', () => {
  it('finds the line that names the error', () => {
    expect(tellingLine('Reading...\nE: Unable to locate package x\nmore\n')).toBe('Unable to locate package x');
    expect(tellingLine('npm error code ENOTFOUND\nnpm error\nnpm error network no route\n')).toBe('network no route');
    expect(tellingLine('at a\nError: no\nat b\n')).toBe('Error: no');
    expect(tellingLine('one\ntwo\n')).toBe('two');
    expect(tellingLine('')).toBe('it said nothing');
  });
});

describe('runQuietly', () => {
  it('gives the output, or one line on what went wrong', () => {
    expect(runQuietly(process.execPath, ['-e', 'console.log(1)'])).toEqual({ ok: true, stdout: '1\n', problem: '' });
    expect(runQuietly(process.execPath, ['-e', 'throw new Error("no")']).problem).toBe('Error: no');
    expect(runQuietly('no-such-tool-here', []).problem).toContain('ENOENT');
  });
});

describe('countTests', () => {
  it('counts passed and failed tests, and files that fail as a whole', () => {
    const testResults = [
      { status: 'failed', assertionResults: [{ status: 'failed' }, { status: 'passed' }] },
      { status: 'failed', assertionResults: [] },
      { status: 'passed', assertionResults: [{ status: 'passed' }] },
    ];
    expect(countTests({ numPassedTests: 2, numFailedTests: 1, testResults })).toEqual({ passed: 2, failed: 2 });
  });

  it('gives nothing for what is not a report', () => {
    expect(countTests(undefined)).toBeUndefined();
    expect(countTests({ numPassedTests: -1, numFailedTests: 0 })).toBeUndefined();
  });
});
