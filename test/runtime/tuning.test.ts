import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { matmul } from '../../src/ops/matmul.ts';
import { retune, tunedWebGPU } from '../../src/runtime/tuning.ts';
import { tuningName } from '../../src/runtime/tuningFile.ts';
import type { DeviceTraits } from '../../src/runtime/webgpu/adapter.ts';
import { compile } from '../../src/runtime/webgpu/compile.ts';
import type { WebGPU } from '../../src/runtime/webgpu/device.ts';
import { tunerOf } from '../../src/runtime/webgpu/tune.ts';
import { formatTuning } from '../../src/runtime/webgpu/tuningTable.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { testDevice } from '../support/device.ts';
import { drawn } from '../support/draw.ts';

describe('a device with what is known of its kernels', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'purelm-tuned-'));
    vi.stubEnv('XDG_CACHE_HOME', folder);
    vi.stubEnv('PURELM_TUNE', '');
  });

  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
  });

  /** The device under test as if it were another adapter. */
  const opened = async (names: Partial<DeviceTraits>): Promise<WebGPU> => {
    const { device, traits } = await testDevice();
    return tunedWebGPU(device, { ...(traits as DeviceTraits), ...names });
  };
  const known = { vendor: 'mesa', architecture: 'software', subgroups: 8 };
  const unknown = { name: 'A new GPU', vendor: 'new', architecture: 'one', subgroups: undefined };

  it('measures unasked only where the table that ships knows nothing', async () => {
    expect(tunerOf(await opened(known))).toBeUndefined();
    expect(tunerOf(await opened(unknown))).toBeDefined();
    vi.stubEnv('PURELM_TUNE', 'on');
    expect(tunerOf(await opened(known))).toBeDefined();
    vi.stubEnv('PURELM_TUNE', 'off');
    expect(tunerOf(await opened(unknown))).toBeUndefined();
    vi.stubEnv('PURELM_TUNE', 'yes');
    await expect(opened(known)).rejects.toThrow('PURELM_TUNE: expected on or off, got yes');
  });

  it('remembers for the next process what a compiled function had measured', async () => {
    const gpu = await opened(unknown);
    await compile(gpu, (x: Tensor) => matmul(x, drawn([16, 24], { seed: 2 }))).run(drawn([3, 16]));
    const shapes = 'matmul float32 nn 4 16 32';
    const chosen = gpu.traits.tuning?.get(shapes);
    expect(chosen).toBeDefined();
    const text = readFileSync(join(folder, 'purelm', 'tuning', tuningName('A new GPU')), 'utf8');
    expect(text).toBe(formatTuning({ ...(gpu.traits as DeviceTraits) }, new Map([[shapes, chosen!]])));
    expect((await opened(unknown)).traits.tuning?.get(shapes)).toBe(chosen);
    const measured: string[] = [];
    const again = await opened(unknown);
    retune({ name: 'A new GPU', webgpu: again }, { perClass: 1, onMeasured: (each) => measured.push(each.shapes) });
    await compile(again, (x: Tensor) => matmul(x, drawn([16, 24], { seed: 2 }))).run(drawn([3, 16]));
    expect(measured).toEqual([shapes]);
  });
});
