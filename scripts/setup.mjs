// @ts-check
// `npm run setup`: installs the packages as far as needed, and looks for an adapter anew.
import { chooseAdapter } from './setup/adapter.mjs';
import { installPackages } from './setup/packages.mjs';
import { runScript } from './setup/process.mjs';

await runScript(async () => (installPackages() && chooseAdapter({ retry: 'always' }).choice !== 'none' ? 0 : 1));
