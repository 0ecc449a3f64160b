#!/usr/bin/env node
// @ts-check
// The command `purelm`: starts dist/cli/main.js with what the chosen adapter needs in its environment.
// `purelm setup` looks for an adapter, and installs a software driver if the machine has none.
import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { adapterEnvironment, chooseAdapter, knownChoice } from './setup/adapter.mjs';
import { runInTerminal, runScript } from './setup/process.mjs';

const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));

/**
 * Runs the command line in this process, or in a child if libraries must be found elsewhere, which only counts from a
 * process's start.
 *
 * @param {readonly string[]} args
 */
export const launch = async (args) => {
  const added = adapterEnvironment(knownChoice());
  const libraries = added.LD_LIBRARY_PATH;
  if (libraries !== undefined && libraries !== process.env.LD_LIBRARY_PATH) {
    process.exitCode = await runInTerminal(process.execPath, [main, ...args], { env: { ...process.env, ...added } });
    return;
  }
  Object.assign(process.env, added);
  process.argv = [process.execPath, main, ...args];
  await import(new URL('../dist/cli/main.js', import.meta.url).href);
};

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const args = process.argv.slice(2);
  if (args[0] === 'setup') await runScript(async () => (chooseAdapter({ retry: 'always' }).choice === 'none' ? 1 : 0));
  else await launch(args);
}
