// @ts-check
// `npm run bench -- ARGS`: installs, finds an adapter and builds as far as needed, then runs bench/run.mjs ARGS.
import { fileURLToPath } from 'node:url';
import { build } from './build.mjs';
import { adapterEnvironment, chooseAdapter } from './setup/adapter.mjs';
import { installPackages } from './setup/packages.mjs';
import { runInTerminal, runScript } from './setup/process.mjs';

const bench = async (/** @type {readonly string[]} */ args) => {
  if (!installPackages()) return 1;
  const env = { ...process.env, ...adapterEnvironment(chooseAdapter()) };
  const status = await build();
  if (status !== 0) return status;
  return runInTerminal(process.execPath, [fileURLToPath(new URL('../bench/run.mjs', import.meta.url)), ...args], {
    env,
  });
};

await runScript(() => bench(process.argv.slice(2)));
