import type { WebGPU } from './device.ts';
import { prepare, submit } from './execute.ts';
import type { Plan, Step } from './plan.ts';
import { type LaunchTime, type Profilable, profile } from './profile.ts';

/** What an adapter reaches where nothing else holds it up. */
export interface AdapterLimits {
  /** Multiplications and additions in registers, in 10^9 a second. */
  readonly gflops: number;
  /** Bytes of a large buffer that are read, in 10^9 a second. */
  readonly gbs: number;
}

const LANES = 64;
/** Vectors of 4 that a lane multiplies and adds to, independently of each other, and how often in one round. */
const CHAINS = 3;
const UNROLLED = 4;
/** Vectors that a lane reads in one round. */
const READS = 4;
const VECTOR_BYTES = 16;
const MOST_BYTES = 2 ** 29;
/** A measurement is as long as this at least, in milliseconds. */
const LONG_ENOUGH = 20;
const REPEATS = 3;

const chains = Array.from({ length: CHAINS }, (_, i) => `x${i}`);

/** Chains of fused multiplications and additions that end in `y`, so that no compiler leaves them out. */
const arithmetic = `struct Uniforms { rounds: u32, factor: f32, term: f32 }
@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(${LANES})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let factor = vec4f(u.factor);
  let term = vec4f(u.term);
${chains.map((x, i) => `  var ${x} = vec4f(f32(id.x)) + ${i}.0;`).join('\n')}
  for (var i = 0u; i < u.rounds; i++) {
${Array.from({ length: UNROLLED }, () => chains.map((x) => `    ${x} = fma(${x}, factor, term);`).join('\n')).join('\n')}
  }
  let total = ${chains.join(' + ')};
  y[id.x] = total.x + total.y + total.z + total.w;
}
`;

/** Neighbouring lanes read neighbouring vectors, `rounds` times over all of x. */
const reading = `struct Uniforms { vectors: u32, rounds: u32 }
@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(${LANES})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let lanes = grid.x * ${LANES}u;
  var total = vec4f();
  for (var round = 0u; round < u.rounds; round++) {
    for (var i = id.x; i < u.vectors; i += ${READS}u * lanes) {
      total += ${Array.from({ length: READS }, (_, i) => `x[i + ${i}u * lanes]`).join(' + ')};
    }
  }
  y[id.x] = total.x + total.y + total.z + total.w;
}
`;

/** Two buffers, one of which is read and one written, and one launch. */
const planOf = (bytes: number, workgroups: number, kernel: Omit<Step, 'bindings' | 'workgroups'>): Plan => {
  const sizes = { x: bytes, y: 4 * LANES * workgroups };
  const source = kernel.kernel.kind === 'text' ? kernel.kernel.source : '';
  return {
    buffers: Object.entries(sizes).map(([label, size]) => ({ kind: 'temporary', bytes: size, label })),
    steps: [
      {
        ...kernel,
        bindings: Object.entries(sizes).flatMap(([name, size], buffer) =>
          source.includes(` ${name}: array`) ? [{ name, buffer, start: 0, size }] : [],
        ),
        workgroups: [workgroups, 1, 1],
      },
    ],
    outputs: [],
  };
};

const timed = async (device: Profilable, gpu: WebGPU, plan: Plan, times: number): Promise<readonly LaunchTime[]> => {
  const { launches } = await profile(device, () =>
    gpu.guarded(() => {
      const prepared = prepare(gpu, plan);
      try {
        submit(gpu, prepared, times);
      } finally {
        prepared.release();
      }
    }),
  );
  return launches;
};

/** The shortest time of a round, in milliseconds: of as many rounds as take long enough. */
const timeOfRound = async (device: Profilable, gpu: WebGPU, planFor: (rounds: number) => Plan): Promise<number> => {
  // The first launch compiles, where compiling is left to it.
  await timed(device, gpu, planFor(1), 1);
  let rounds = 1;
  for (;;) {
    const best = Math.min(...(await timed(device, gpu, planFor(rounds), REPEATS)).map(({ ms }) => ms));
    if (best >= LONG_ENOUGH || rounds >= 2 ** 20) return best / rounds;
    rounds *= Math.max(2, Math.min(64, Math.ceil((1.5 * LONG_ENOUGH) / Math.max(best, 0.01))));
  }
};

/**
 * Measures what an adapter can do at most, by two small kernels: one that multiplies and adds in registers, and one that
 * reads a large buffer in vectors of 4. Takes about a second, and up to half a gigabyte of the device's memory.
 *
 * @param device - A device that can be profiled.
 * @throws {ArgumentError} By rejection, if it cannot.
 */
export const measureLimits = async (device: Profilable): Promise<AdapterLimits> => {
  const gpu = device.webgpu;
  if (gpu === undefined) {
    // Says which device, and what is expected.
    await profile(device, async () => undefined);
    throw new Error('measureLimits: a device without WebGPU was profiled; this is a mistake in profile');
  }
  const { isSoftware, maxBindingBytes, maxBufferBytes } = gpu.traits;
  // Enough to fill a large GPU; on a processor starting workgroups costs more than it brings.
  const workgroups = isSoftware ? 256 : 8192;
  const grain = READS * LANES * workgroups * VECTOR_BYTES;
  const room = Math.min(MOST_BYTES, maxBindingBytes, maxBufferBytes);
  const bytes = Math.max(grain, Math.floor(room / grain) * grain);
  const step = (label: string, source: string, uniforms: Readonly<Record<string, number>>) =>
    ({ label, kernel: { kind: 'text', source }, uniforms }) as const;
  const arithmeticMs = await timeOfRound(device, gpu, (rounds) =>
    planOf(4, workgroups, step('arithmetic', arithmetic, { rounds, factor: 0.999, term: 0.5 })),
  );
  const readingMs = await timeOfRound(device, gpu, (rounds) =>
    planOf(bytes, workgroups, step('reading', reading, { vectors: bytes / VECTOR_BYTES, rounds })),
  );
  return {
    gflops: (2 * 4 * CHAINS * UNROLLED * LANES * workgroups) / arithmeticMs / 1e6,
    gbs: bytes / readingMs / 1e6,
  };
};
