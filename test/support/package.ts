import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** The package as it is published, in a folder of its own: dist, presets and the script of the command. */
export interface BuiltPackage {
  readonly folder: string;
  readonly remove: () => void;
}

/** Builds what is published from the present sources, for tests that need a process of their own. */
export const buildPackage = ({ declarations = false }: { readonly declarations?: boolean } = {}): BuiltPackage => {
  const cache = join(root, 'node_modules', '.cache');
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'purelm-package-'));
  const run = (script: string, ...args: readonly string[]): void => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, script), ...args], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`the package cannot be built: ${stdout}${stderr}`);
  };
  run('scripts/bundle.mjs', join(folder, 'dist'));
  if (declarations) {
    // Types are checked elsewhere.
    const compilerOptions = {
      outDir: join(folder, 'dist'),
      rootDir: join(root, 'src'),
      noCheck: true,
      emitDeclarationOnly: true,
    };
    const config = { extends: join(root, 'tsconfig.json'), compilerOptions, include: [join(root, 'src')] };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
    run('node_modules/typescript/bin/tsc', '-p', folder);
  }
  cpSync(join(root, 'package.json'), join(folder, 'package.json'));
  cpSync(join(root, 'scripts/setup'), join(folder, 'scripts/setup'), { recursive: true });
  cpSync(join(root, 'scripts/purelm.mjs'), join(folder, 'scripts/purelm.mjs'));
  symlinkSync(join(root, 'presets'), join(folder, 'presets'));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
};
