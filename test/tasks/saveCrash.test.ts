import { spawn } from 'node:child_process';
import { readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { openPreset } from '../../src/weights/index.ts';
import { hashOf } from '../support/folders.ts';
import { compilePrograms } from '../support/programs.ts';
import { right, temporaryFolder } from '../weights/helpers.ts';

const source = 'test/support/saveForever.ts';

/** How often the process is killed. By hand: PURELM_KILLS=50, in both layouts. */
const kills = Number(process.env.PURELM_KILLS ?? 3);

const programs = compilePrograms([source]);
afterAll(programs.remove);
const temporary = await temporaryFolder();

/** A process that saves until it is killed; `written` gives the hashes of what it wrote when it has saved so often. */
const start = (folder: string, format: string) => {
  const child = spawn(process.execPath, [programs.fileOf(source), folder, format], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    text += piece;
  });
  const closed = new Promise<void>((resolve) => child.on('close', () => resolve()));
  return {
    written: async (times: number): Promise<readonly string[]> => {
      while (text.split('\n').length <= times && child.exitCode === null) await delay(2);
      return text.split('\n').slice(0, -1);
    },
    kill: async (): Promise<void> => {
      child.kill('SIGKILL');
      await closed;
    },
  };
};

describe.each(['transformers', 'keras'])('a process that is killed while it saves in the layout of %s', (format) => {
  it(
    'S26: leaves the old preset whole, or the new one',
    async () => {
      const folder = join(temporary, format);
      // What the two models look like when nobody is killed.
      const quiet = start(folder, format);
      const whole = new Set(await quiet.written(2));
      await quiet.kill();
      expect(whole.size).toBe(2);
      const seen = new Map<string, number>();
      for (let kill = 0; kill < kills; kill++) {
        const child = start(folder, format);
        await child.written(1 + (kill % 3));
        await delay((kill * 7919) % 61);
        await child.kill();
        // What a reader sees, who puts back what a crash between two renames left aside.
        const preset = right(await openPreset(folder)());
        await right(await preset.openWeights()()).close();
        const hash = hashOf(folder);
        seen.set(hash, (seen.get(hash) ?? 0) + 1);
      }
      for (const hash of seen.keys()) expect([...whole]).toContain(hash);
      if (kills >= 100)
        console.log(`${format}: killed ${kills} times; ${[...seen.values()].join(' and ')} of each model`);
    },
    60_000 + 5000 * kills,
  );

  it('finds the old preset again that a crash between two renames has left aside', async () => {
    const folder = join(temporary, format);
    const before = hashOf(folder);
    // The last kill may have left one beside the new preset.
    rmSync(`${folder}.purelm-old`, { recursive: true, force: true });
    renameSync(folder, `${folder}.purelm-old`);
    right(await openPreset(folder)());
    expect(hashOf(folder)).toBe(before);
    expect(readdirSync(temporary)).not.toContain(`${format}.purelm-old`);
  });
});
