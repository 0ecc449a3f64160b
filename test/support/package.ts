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

/** Builds the package from the present sources, for tests that need a process of their own. Types are checked elsewhere. */
export const buildPackage = (): BuiltPackage => {
  const cache = join(root, 'node_modules', '.cache');
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'purelm-package-'));
  const config = {
    extends: join(root, 'tsconfig.json'),
    compilerOptions: { outDir: join(folder, 'dist'), rootDir: join(root, 'src'), noCheck: true, sourceMap: false },
    include: [join(root, 'src')],
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', folder], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the package cannot be built: ${stdout}`);
  cpSync(join(root, 'package.json'), join(folder, 'package.json'));
  cpSync(join(root, 'scripts/setup'), join(folder, 'scripts/setup'), { recursive: true });
  cpSync(join(root, 'scripts/purelm.mjs'), join(folder, 'scripts/purelm.mjs'));
  symlinkSync(join(root, 'presets'), join(folder, 'presets'));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
};
