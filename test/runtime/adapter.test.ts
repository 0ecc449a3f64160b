import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AdapterFound, findAdapter, type OpenDevice, openDevice } from '../../src/runtime/webgpu/adapter.ts';
import { COMPUTE_STAGE, MAP_READ, usage } from '../../src/runtime/webgpu/flags.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

const found = async (): Promise<AdapterFound> => {
  const adapter = await findAdapter();
  if (adapter.kind === 'missing') throw new Error(`these tests need a WebGPU adapter: ${adapter.reason}`);
  return adapter;
};

describe('findAdapter', () => {
  it('finds an adapter and states what it offers', async () => {
    const { traits, adapter, source } = await found();
    expect(source).toBe('dawn');
    expect(traits.name).not.toBe('');
    expect(traits.maxBindingBytes).toBe(adapter.limits.maxStorageBufferBindingSize);
    expect(traits.maxBufferBytes).toBeGreaterThanOrEqual(traits.maxBindingBytes);
    expect(traits.offsetAlignment % adapter.limits.minStorageBufferOffsetAlignment).toBe(0);
    expect(traits.offsetAlignment % adapter.limits.minUniformBufferOffsetAlignment).toBe(0);
    expect(traits.maxStorageBuffers).toBeGreaterThanOrEqual(8);
    expect(traits.maxInvocations).toBeGreaterThanOrEqual(traits.maxWorkgroupSizeX);
    expect(traits.f16).toBe(adapter.features.has('shader-f16'));
    if (traits.subgroups !== undefined) expect(Math.log2(traits.subgroups) % 1).toBe(0);
  });
});

describe('flags', () => {
  it('are the numbers that WebGPU gives them', async () => {
    const { globals } = (await import('webgpu')) as unknown as { readonly globals: typeof globalThis };
    const { GPUBufferUsage, GPUMapMode, GPUShaderStage } = globals;
    expect(usage).toEqual({
      mapRead: GPUBufferUsage.MAP_READ,
      copySource: GPUBufferUsage.COPY_SRC,
      copyDestination: GPUBufferUsage.COPY_DST,
      uniform: GPUBufferUsage.UNIFORM,
      storage: GPUBufferUsage.STORAGE,
      queryResolve: GPUBufferUsage.QUERY_RESOLVE,
    });
    expect(MAP_READ).toBe(GPUMapMode.READ);
    expect(COMPUTE_STAGE).toBe(GPUShaderStage.COMPUTE);
  });
});

describe('openDevice', () => {
  let open: OpenDevice;
  beforeAll(async () => {
    open = await openDevice(await found());
  });
  afterAll(() => open.close());

  it('asks for every limit and feature that the adapter has', () => {
    const { device, traits } = open;
    expect(device.limits.maxStorageBufferBindingSize).toBe(traits.maxBindingBytes);
    expect(device.limits.maxBufferSize).toBe(traits.maxBufferBytes);
    expect(device.limits.maxComputeWorkgroupStorageSize).toBe(traits.workgroupBytes);
    expect(device.limits.maxComputeInvocationsPerWorkgroup).toBe(traits.maxInvocations);
    expect(device.limits.maxComputeWorkgroupSizeX).toBe(traits.maxWorkgroupSizeX);
    expect(device.limits.maxStorageBuffersPerShaderStage).toBe(traits.maxStorageBuffers);
    expect(device.features.has('shader-f16')).toBe(traits.f16);
    expect(device.features.has('timestamp-query')).toBe(traits.timestamps);
    if (traits.subgroups !== undefined) expect(device.features.has('subgroups')).toBe(true);
  });

  it('leaves the globals alone', () => {
    expect('GPUBufferUsage' in globalThis).toBe(false);
  });

  it('says which adapter refused when one is used a second time', async () => {
    const adapter = await found();
    const first = await openDevice(adapter);
    await expect(openDevice(adapter)).rejects.toThrow(`openDevice: the adapter ${adapter.traits.name} gives no device`);
    first.close();
  });
});

/** A program that opens a device, multiplies on it and reads back; `rest` comes after. */
const program = (rest: string) => `
import { findAdapter, openDevice } from './adapter.js';
import { MAP_READ, usage } from './flags.js';
const found = await findAdapter();
if (found.kind === 'missing') { console.log('missing: ' + found.reason); process.exit(3); }
const opened = await openDevice(found);
const { device } = opened;
const module = device.createShaderModule({ code: \`
@group(0) @binding(0) var<storage, read_write> x: array<u32>;
@compute @workgroup_size(4) fn main(@builtin(local_invocation_index) i: u32) { x[i] = i * 3; }\` });
const pipeline = await device.createComputePipelineAsync({ layout: 'auto', compute: { module, entryPoint: 'main' } });
const run = async () => {
  const x = device.createBuffer({ size: 16, usage: usage.storage | usage.copySource });
  const y = device.createBuffer({ size: 16, usage: usage.mapRead | usage.copyDestination });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  const entries = [{ binding: 0, resource: { buffer: x } }];
  pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
  pass.dispatchWorkgroups(1);
  pass.end();
  encoder.copyBufferToBuffer(x, 0, y, 0, 16);
  device.queue.submit([encoder.finish()]);
  await y.mapAsync(MAP_READ);
  const values = [...new Uint32Array(y.getMappedRange())].join();
  y.unmap();
  return values;
};
console.log(await run());
${rest}`;

describe('a program with an open device', () => {
  const cache = join(root, 'node_modules', '.cache');
  let folder: string;

  beforeAll(() => {
    mkdirSync(cache, { recursive: true });
    folder = mkdtempSync(join(cache, 'purelm-adapter-'));
    const config = {
      extends: join(root, 'tsconfig.json'),
      compilerOptions: {
        outDir: folder,
        rootDir: join(root, 'src/runtime/webgpu'),
        declaration: false,
        sourceMap: false,
      },
      files: ['adapter.ts', 'flags.ts'].map((name) => join(root, 'src/runtime/webgpu', name)),
      include: [],
    };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    const built = spawnSync(process.execPath, [tsc, '-p', folder], { encoding: 'utf8' });
    expect(built.stdout).toBe('');
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const start = (rest: string, env: NodeJS.ProcessEnv = {}) => {
    const path = join(folder, 'program.js');
    writeFileSync(path, program(rest));
    const before = performance.now();
    const { status, signal, stdout, stderr } = spawnSync(process.execPath, ['--expose-gc', path], {
      encoding: 'utf8',
      env: { ...process.env, ...env },
      timeout: 30_000,
    });
    return { status, signal, lines: stdout.trim().split('\n'), stderr, seconds: (performance.now() - before) / 1000 };
  };

  // A program takes 0.3 s; the bound leaves room for a loaded machine, and is far below the time-out of one that hangs.
  const atOnce = 10;

  it('ends by itself, without a close', () => {
    const { status, signal, lines, seconds } = start('');
    expect({ status, signal, lines }).toEqual({ status: 0, signal: null, lines: ['0,3,6,9'] });
    expect(seconds).toBeLessThan(atOnce);
  });

  it('ends by itself when the device hangs on a global and its loss is listened for', () => {
    const { status, lines, seconds } = start('globalThis.kept = opened; device.lost.then(() => console.log("lost"));');
    expect({ status, lines }).toEqual({ status: 0, lines: ['0,3,6,9'] });
    expect(seconds).toBeLessThan(atOnce);
  });

  it('ends by itself after an error, and says it', () => {
    const { status, signal, stderr, seconds } = start('throw new Error("something of the user\'s own");');
    expect({ status, signal }).toEqual({ status: 1, signal: null });
    expect(stderr).toContain("something of the user's own");
    expect(seconds).toBeLessThan(atOnce);
  });

  it('ends by itself after close', () => {
    const { status, lines } = start(
      'opened.close(); gc(); await new Promise((resolve) => setTimeout(resolve, 50)); gc();',
    );
    expect({ status, lines }).toEqual({ status: 0, lines: ['0,3,6,9'] });
  });

  it('survives the garbage collector, with work before and after', () => {
    const { status, signal, lines } = start(`
for (let i = 0; i < 10; i++) { gc(); console.log(await run()); await new Promise((resolve) => setTimeout(resolve, 5)); }`);
    expect({ status, signal }).toEqual({ status: 0, signal: null });
    expect(lines).toEqual(Array.from({ length: 11 }, () => '0,3,6,9'));
  });

  it('sleeps while it has nothing to do', () => {
    const { status, lines } = start(`
const before = process.cpuUsage();
await new Promise((resolve) => setTimeout(resolve, 1000));
const { user, system } = process.cpuUsage(before);
console.log((user + system) / 1000 < 300 ? 'asleep' : 'busy for ' + (user + system) / 1000 + ' ms');`);
    expect({ status, last: lines.at(-1) }).toEqual({ status: 0, last: 'asleep' });
  });

  it('is told so when there is no driver', () => {
    const { status, lines } = start('', { VK_DRIVER_FILES: join(root, 'no-such-driver.json'), VK_ICD_FILENAMES: '' });
    expect(status).toBe(3);
    expect(lines).toEqual(['missing: Dawn finds no adapter; `purelm setup` looks for a driver']);
  });

  it('passes PURELM_DAWN_FLAGS to Dawn', () => {
    const { status, lines } = start('', { PURELM_DAWN_FLAGS: 'adapter=none-of-this-name' });
    expect(status).toBe(3);
    expect(lines.join('\n')).toContain('missing:');
  });
});
