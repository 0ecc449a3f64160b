import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** Programs of this folder in a form that Node runs. */
export interface Programs {
  /** The file of `pull.ts`. */
  readonly pull: string;
  readonly remove: () => void;
}

/** Compiles the programs with all that they import, and nothing else; types are checked elsewhere. */
export const buildPrograms = (): Programs => {
  const cache = join(root, 'node_modules', '.cache');
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'purelm-hubs-'));
  const config = {
    extends: join(root, 'tsconfig.json'),
    compilerOptions: {
      outDir: join(folder, 'out'),
      rootDir: root,
      noCheck: true,
      sourceMap: false,
      declaration: false,
    },
    include: [],
    files: ['pull.ts', 'serve.ts'].map((name) => join(root, 'test/support/hubs', name)),
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
  writeFileSync(join(folder, 'package.json'), '{"type": "module"}');
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', folder], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the programs cannot be built: ${stdout}`);
  return {
    pull: join(folder, 'out/test/support/hubs/pull.js'),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
};
