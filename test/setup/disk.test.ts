import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeFolder, writeJson } from '../../scripts/setup/cache.mjs';
import { problemOf } from '../../scripts/setup/process.mjs';
import { installSwiftShader, swiftShaderFolder } from '../../scripts/setup/swiftshader.mjs';

// What the set-up writes on a full disk: /dev/full, a device of Linux, takes no byte and says ENOSPC.
const onLinux = describe.runIf(process.platform === 'linux');

const scripts = fileURLToPath(new URL('../../scripts', import.meta.url));

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'purelm-disk-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const thrown = (act: () => void): unknown => {
  try {
    act();
  } catch (error) {
    return error;
  }
  throw new Error('expected it to throw');
};

const full = (): Error => Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });

onLinux('a full disk', () => {
  it('leaves a record as it was, and is named in one line', () => {
    const path = join(folder, 'record.json');
    writeJson(path, { a: 1 });
    symlinkSync('/dev/full', `${path}.${process.pid}`);
    const error = thrown(() => writeJson(path, { a: 2 }));
    expect(problemOf(error)).toBe(`the disk is full, no room for ${path} (ENOSPC); make room and try again`);
    expect(readdirSync(folder)).toEqual(['record.json']);
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({ a: 1 });
  });

  it('leaves a folder as it was', () => {
    const path = join(folder, 'driver');
    const files = function* (data: string, breaksOff: boolean): Generator<readonly [string, Uint8Array]> {
      yield ['one', Buffer.from(data)];
      if (breaksOff) throw full();
      yield ['two', Buffer.from(data)];
    };
    expect(problemOf(thrown(() => writeFolder(path, files('new', true))))).toContain(`no room for ${path}`);
    expect(readdirSync(folder)).toEqual([]);
    writeFolder(path, files('old', false));
    expect(problemOf(thrown(() => writeFolder(path, files('new', true))))).toContain(`no room for ${path}`);
    expect(readdirSync(folder)).toEqual(['driver']);
    expect(readdirSync(path).map((name) => readFileSync(join(path, name), 'utf8'))).toEqual(['old', 'old']);
    writeFolder(path, files('new', false));
    expect(readFileSync(join(path, 'two'), 'utf8')).toBe('new');
  });
});

describe('installSwiftShader', () => {
  const own = process.env.npm_execpath;
  afterEach(() => {
    if (own === undefined) delete process.env.npm_execpath;
    else process.env.npm_execpath = own;
  });

  const withNpm = (code: string) => {
    const path = join(folder, 'npm-cli.js');
    writeFileSync(path, code);
    process.env.npm_execpath = path;
    const cache = join(folder, 'cache');
    mkdirSync(cache);
    return { cache, result: installSwiftShader(cache) };
  };

  it('says what npm said when there is no room for the package, and leaves nothing', () => {
    const { cache, result } = withNpm(`
      console.error('npm error code ENOSPC');
      console.error('npm error syscall write');
      console.error('npm error nospc ENOSPC: no space left on device, write');
      process.exit(228);`);
    expect(result).toEqual({
      ok: false,
      folder: swiftShaderFolder(cache),
      problem: expect.stringContaining('ENOSPC: no space left on device'),
    });
    expect(readdirSync(cache)).toEqual([]);
  });

  it('leaves nothing of a package that broke off', () => {
    const { cache, result } = withNpm(`
      require('node:fs').writeFileSync('x.tgz', require('node:zlib').gzipSync(Buffer.alloc(4096)).subarray(0, 20));
      console.log('x.tgz');`);
    expect(result).toMatchObject({ ok: false, problem: expect.stringContaining('unexpected end of file') });
    expect(readdirSync(cache)).toEqual([]);
  });
});

describe('the build', () => {
  /** A project of our scripts, with something else for a bundler and a compiler. */
  const project = (compiler: string, bundler = '') => {
    cpSync(scripts, join(folder, 'scripts'), { recursive: true });
    writeFileSync(
      join(folder, 'scripts/bundle.mjs'),
      `import { mkdirSync, writeFileSync } from 'node:fs';
      export const bundle = async (out) => {
        mkdirSync(out, { recursive: true });
        writeFileSync(out + '/index.js', 'new');
        ${bundler}
      };`,
    );
    mkdirSync(join(folder, 'node_modules/typescript/bin'), { recursive: true });
    mkdirSync(join(folder, 'node_modules/webgpu'));
    mkdirSync(join(folder, 'src/shaders'), { recursive: true });
    mkdirSync(join(folder, 'dist'));
    writeFileSync(join(folder, 'dist/index.js'), 'old');
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    for (const path of ['package-lock.json', 'node_modules/.package-lock.json'])
      writeFileSync(join(folder, path), '{ "packages": {} }');
    writeFileSync(join(folder, 'node_modules/typescript/bin/tsc'), compiler);
  };

  const build = () => {
    const { status, stderr } = spawnSync(process.execPath, [join(folder, 'scripts/build.mjs')], { encoding: 'utf8' });
    return { status, stderr, index: readFileSync(join(folder, 'dist/index.js'), 'utf8') };
  };

  const writing = `
    import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
    const out = process.argv[process.argv.indexOf('--outDir') + 1];
    mkdirSync(out, { recursive: true });
    writeFileSync(out + '/index.d.ts', 'new');`;

  it('takes its place when it is whole, and is not made again', () => {
    project(writing);
    expect(build()).toEqual({ status: 0, stderr: 'purelm: building dist\n', index: 'new' });
    expect(build()).toEqual({ status: 0, stderr: '', index: 'new' });
    expect(existsSync(join(folder, 'dist.new'))).toBe(false);
  });

  it('leaves the old one where the compiler fails', () => {
    project(`${writing} console.error('error TS5033: Could not write file'); process.exit(2);`);
    expect(build()).toMatchObject({ status: 2, index: 'old' });
    expect(existsSync(join(folder, 'dist.new'))).toBe(false);
  });

  it('leaves the old one where the bundler fails', () => {
    project(writing, "throw new Error('Build failed with 1 error:\\n[PARSE_ERROR] …')");
    expect(build()).toEqual({
      status: 1,
      stderr: 'purelm: building dist\npurelm: the bundler failed: Build failed with 1 error:\n[PARSE_ERROR] …\n',
      index: 'old',
    });
    expect(existsSync(join(folder, 'dist.new'))).toBe(false);
  });

  it.runIf(process.platform === 'linux')('leaves the old one on a full disk, and says so in one line', () => {
    project(`${writing} symlinkSync('/dev/full', out + '/.stamp');`);
    expect(build()).toEqual({
      status: 1,
      stderr: 'purelm: building dist\npurelm: the disk is full (ENOSPC); make room and try again\n',
      index: 'old',
    });
    expect(existsSync(join(folder, 'dist.new'))).toBe(false);
  });
});
