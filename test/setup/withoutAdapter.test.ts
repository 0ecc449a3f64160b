import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const scripts = fileURLToPath(new URL('../../scripts', import.meta.url));

// Elsewhere an adapter need not come by way of Vulkan's loader, and a run of all tests would start in this one.
it.runIf(process.platform === 'linux').each(['test', 'setup'])(
  'npm run %s fails where there is no adapter, and says why',
  (script) => {
    const cache = mkdtempSync(join(tmpdir(), 'purelm-without-'));
    try {
      const { status, stdout, stderr } = spawnSync(process.execPath, [join(scripts, `${script}.mjs`)], {
        encoding: 'utf8',
        env: { ...process.env, XDG_CACHE_HOME: cache, VK_DRIVER_FILES: join(cache, 'none.json'), VK_ICD_FILENAMES: '' },
      });
      expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
      const lines = stderr.trimEnd().split('\n');
      expect(lines.slice(0, 2)).toEqual([
        'purelm: looking for a WebGPU adapter',
        'purelm: no WebGPU adapter: VK_DRIVER_FILES is set, and with it: Dawn finds no adapter',
      ]);
      if (script === 'test') expect(lines[2]).toContain('the tests need a WebGPU adapter');
    } finally {
      rmSync(cache, { recursive: true, force: true });
    }
  },
);
