// @ts-check
// Run as a child: does Dawn find an adapter here, and does that adapter calculate? Prints one JSON object.
import { create, globals } from 'webgpu';

const SHADER = `
@group(0) @binding(0) var<storage, read_write> x: array<u32>;
@compute @workgroup_size(4) fn main(@builtin(local_invocation_index) i: u32) { x[i] = i * 3; }`;

const probe = async () => {
  const gpu = create((process.env.PURELM_DAWN_FLAGS ?? '').split(' ').filter((flag) => flag !== ''));
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (adapter === null) return { gpu, answer: { found: false, problem: 'Dawn finds no adapter' } };
  const { description, device, architecture, vendor } = adapter.info;
  const name =
    [description, device, `${vendor} ${architecture}`].find((text) => text.trim() !== '') ?? 'unnamed adapter';
  const open = await adapter.requestDevice();
  const { GPUBufferUsage, GPUMapMode } = /** @type {typeof globalThis} */ (globals);
  const x = open.createBuffer({ size: 16, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC });
  const y = open.createBuffer({ size: 16, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  const pipeline = open.createComputePipeline({
    layout: 'auto',
    compute: { module: open.createShaderModule({ code: SHADER }), entryPoint: 'main' },
  });
  const encoder = open.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(
    0,
    open.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: [{ binding: 0, resource: { buffer: x } }],
    }),
  );
  pass.dispatchWorkgroups(1);
  pass.end();
  encoder.copyBufferToBuffer(x, 0, y, 0, 16);
  open.queue.submit([encoder.finish()]);
  await y.mapAsync(GPUMapMode.READ);
  const got = [...new Uint32Array(y.getMappedRange())].join();
  const works = got === '0,3,6,9';
  return {
    gpu,
    answer: works ? { found: true, name } : { found: false, problem: `${name} calculates wrongly: ${got}` },
  };
};

const { gpu, answer } = await probe();
process.stdout.write(`${JSON.stringify(answer)}\n`);
// Dawn crashes if its instance is collected before its devices; it is kept to the end.
process.on('exit', () => gpu);
