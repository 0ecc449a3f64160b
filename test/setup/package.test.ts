import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BuiltPackage, buildPackage } from '../support/package.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

interface Manifest {
  readonly exports: Readonly<Record<string, string | { readonly types: string; readonly import: string }>>;
  readonly dependencies: Readonly<Record<string, string>>;
}

/** Somebody's program that uses the package by its name. */
const program = `
import { CausalLM, read, tensor, type GenerateOptions, type Tensor } from 'purelm';
import { softmax } from 'purelm/ops';
import { TopKSampler } from 'purelm/samplers';

const options: GenerateOptions = { maxLength: 20, seed: 1 };
const lm = await CausalLM.fromPreset('gpt2_tiny_en', { sampler: TopKSampler({ k: 3 }), device: 'reference' });
const text: string = await lm.generate('The old fox', options);
const texts: readonly string[] = await lm.generate(['One day'], options);
const y: Tensor = softmax(tensor([1, 2, 3]));
const { data } = await read(y);
console.log(JSON.stringify({ text, texts, sum: Array.from(data).reduce((a, b) => a + b, 0) }));
`;

describe('the package', () => {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;
  let built: BuiltPackage;
  let user: string;
  beforeAll(() => {
    built = buildPackage({ declarations: true });
    user = join(built.folder, 'user');
    mkdirSync(join(user, 'node_modules'), { recursive: true });
    symlinkSync(built.folder, join(user, 'node_modules/purelm'));
    writeFileSync(join(user, 'package.json'), '{ "type": "module" }');
  });
  afterAll(() => built.remove());

  it('has a module and its types behind every name that it exports', () => {
    const entries = Object.entries(manifest.exports).flatMap(([name, entry]) =>
      typeof entry === 'string' ? [] : [{ name, ...entry }],
    );
    for (const { types, import: file } of entries)
      for (const path of [types, file]) expect(existsSync(join(built.folder, path)), path).toBe(true);
    const names = entries.map(({ name }) => name.replace(/^\./, 'purelm'));
    const load = `for (const name of ${JSON.stringify(names)}) if (Object.keys(await import(name)).length === 0) throw name;`;
    writeFileSync(join(user, 'load.js'), load);
    const { status, stderr } = spawnSync(process.execPath, [join(user, 'load.js')], { encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  // Our declarations name WebGPU's types, which are TypeScript's own since it has them in its library for browsers.
  it.each([
    ['that checks all declarations', { lib: ['es2023', 'dom'], skipLibCheck: false }],
    ['for Node alone', { lib: ['es2023'], skipLibCheck: true }],
  ])('is typed for a strict program %s, and runs in it', (_name, options) => {
    writeFileSync(join(user, 'program.ts'), program);
    const strict = { strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true };
    const compilerOptions = { module: 'nodenext', target: 'es2022', types: ['node'], ...strict, ...options };
    writeFileSync(join(user, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['program.ts'] }));
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    const checked = spawnSync(process.execPath, [tsc, '-p', user], { encoding: 'utf8' });
    expect(checked.stdout).toBe('');
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(user, 'program.js')], { encoding: 'utf8' });
    expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
    const { text, texts, sum } = JSON.parse(stdout);
    expect(text).toMatch(/^The old fox/);
    expect(texts.length).toBe(1);
    expect(sum).toBeCloseTo(1, 5);
  });

  /** All that a file of dist imports before it runs, with the packages and Node's modules among it. */
  const importedBy = (file: string): ReadonlySet<string> => {
    const all = new Set<string>();
    const visit = (path: string): void => {
      const code = readFileSync(join(built.folder, 'dist', path), 'utf8');
      for (const [, name] of code.matchAll(/^(?:import|export|\}) ?(?:.*?from )?"([^"]+)";$/gm)) {
        const found = name!.startsWith('.') ? join(path, '..', name!) : name!;
        if (all.has(found)) continue;
        all.add(found);
        if (name!.startsWith('.')) visit(found);
      }
    };
    visit(file);
    return all;
  };

  it.each(['ops', 'layers', 'models', 'samplers', 'training', 'hub/web'])(
    'needs nothing of Node for purelm/%s',
    (name) => {
      const imported = importedBy(`${name}/index.js`);
      expect(imported.size).toBeGreaterThan(0);
      expect([...imported].filter((own) => own.startsWith('node:'))).toEqual([]);
    },
  );

  it('is read in a few files, without those that save', () => {
    const imported = [...importedBy('index.js')].filter((name) => name.endsWith('.js'));
    expect(imported).toContain('chunks/runtime.js');
    expect(imported.length).toBeLessThan(40);
    expect(imported.filter((name) => name.includes('save'))).toEqual([]);
  });

  it('asks for the packages that its modules and their types import', () => {
    const dist = join(built.folder, 'dist');
    const files = readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter((name) =>
      /\.(?:js|d\.ts)$/.test(name),
    );
    const imported = new Set(
      files
        .flatMap((name) => [
          ...readFileSync(join(dist, name), 'utf8').matchAll(/^(?:import|export|\}) ?.*?from ['"]([^./][^'"]*)['"]/gm),
        ])
        .map(([, name]) => name!)
        .filter((name) => !name.startsWith('node:'))
        .map((name) =>
          name
            .split('/')
            .slice(0, name.startsWith('@') ? 2 : 1)
            .join('/'),
        ),
    );
    expect(imported.size).toBeGreaterThan(0);
    for (const name of imported) expect(Object.keys(manifest.dependencies)).toContain(name);
  });
});
