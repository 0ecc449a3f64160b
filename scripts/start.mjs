// @ts-check
// `npm start -- ARGS`: installs, finds an adapter and builds as far as needed, then runs `purelm generate ARGS`.
import { build } from './build.mjs';
import { launch } from './purelm.mjs';
import { chooseAdapter } from './setup/adapter.mjs';
import { installPackages } from './setup/packages.mjs';
import { runScript, say } from './setup/process.mjs';

const start = async (/** @type {readonly string[]} */ args) => {
  if (!installPackages()) return 1;
  const needsAdapter = process.env.PURELM_DEVICE !== 'reference';
  if (needsAdapter && chooseAdapter().choice === 'none')
    say('without an adapter, the reference interpreter is used, which is slow');
  const status = await build();
  if (status !== 0) return status;
  await launch(args);
  return undefined; // The command sets its own exit status.
};

await runScript(() => start(process.argv.slice(2)));
