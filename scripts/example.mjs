// @ts-check
// `npm run example -- NAME`: installs, finds an adapter and builds as far as needed, then compiles and runs examples/NAME.ts.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from './build.mjs';
import { adapterEnvironment, chooseAdapter } from './setup/adapter.mjs';
import { installPackages } from './setup/packages.mjs';
import { runInTerminal, runScript, say } from './setup/process.mjs';

const root = fileURLToPath(new URL('../', import.meta.url));
const folder = join(root, 'examples');
const programs = join(root, '.cache', 'examples');
const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');

const example = async (/** @type {readonly string[]} */ [name, ...args]) => {
  const names = readdirSync(folder).flatMap((file) => (file.endsWith('.ts') ? [file.slice(0, -'.ts'.length)] : []));
  if (name === undefined || !names.includes(name)) {
    say(`example: expected one of ${names.join(', ')}, got ${name ?? 'none'}; npm run example -- ${names[0]}`);
    return 1;
  }
  if (!installPackages()) return 1;
  const environment = process.env.PURELM_DEVICE === 'reference' ? {} : adapterEnvironment(chooseAdapter());
  const env = { ...process.env, ...environment };
  const built = await build();
  if (built !== 0) return built;
  const compiled = await runInTerminal(process.execPath, [tsc, '-p', folder]);
  // From inside the package, Node finds `purelm` by its name, as it would among anybody's packages.
  return compiled !== 0 ? compiled : runInTerminal(process.execPath, [join(programs, `${name}.js`), ...args], { env });
};

await runScript(() => example(process.argv.slice(2)));
