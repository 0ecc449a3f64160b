import type { WebGPU } from './device.ts';
import { prepare, submit } from './execute.ts';
import type { Plan, Step } from './planForm.ts';
import { type Profilable, profilable, profile } from './profile.ts';

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
const VECTOR_BYTES = 16;
/** A window of time is this long at least, in milliseconds; the best of many counts, since a processor has other work too. */
const WINDOW_MS = 3;
const WINDOWS = 16;

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

/** `width` lanes side by side read `each` times `width` vectors that lie one after the other; all of that `rounds` times. */
const reading = `struct Uniforms { first: u32, each: u32, width: u32, rounds: u32 }
@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(${LANES})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let start = u.first + id.x / u.width * (u.width * u.each) + id.x % u.width;
  var total = vec4f();
  for (var round = 0u; round < u.rounds; round++) {
    for (var k = 0u; k < u.each; k++) { total += x[start + k * u.width]; }
  }
  y[id.x] = total.x + total.y + total.z + total.w;
}
`;

/** What is measured: a kernel on buffers of these sizes, by name, launched once for each set of uniforms. */
interface Probe {
  readonly source: string;
  readonly bytes: Readonly<Record<string, number>>;
  readonly workgroups: number;
  readonly uniforms: (rounds: number) => readonly Readonly<Record<string, number>>[];
}

const planOf = ({ source, bytes, workgroups, uniforms }: Probe, rounds: number): Plan => {
  const sizes = Object.entries(bytes);
  return {
    buffers: sizes.map(([label, size]) => ({ kind: 'temporary', bytes: size, label })),
    steps: uniforms(rounds).map(
      (own): Step => ({
        label: 'limit',
        kernel: { kind: 'text', source },
        uniforms: own,
        bindings: sizes.map(([name, size], buffer) => ({ name, buffer, start: 0, size })),
        workgroups: [workgroups, 1, 1],
      }),
    ),
    outputs: [],
  };
};

/** The shortest window, in milliseconds by round. */
const fastest = async (device: Profilable, gpu: WebGPU, probe: Probe): Promise<number> => {
  const best = async (rounds: number, times: number): Promise<number> => {
    const { launches } = await profile(device, () =>
      gpu.guarded(() => {
        const prepared = prepare(gpu, planOf(probe, rounds));
        try {
          submit(gpu, prepared, times);
        } finally {
          prepared.release();
        }
      }),
    );
    return Math.min(...launches.map(({ ms }) => ms));
  };
  // The first launch compiles, where compiling is left to it.
  await best(1, 1);
  const times = Math.ceil(WINDOWS / probe.uniforms(1).length);
  for (let rounds = 1; ; ) {
    const ms = await best(rounds, rounds === 1 ? 1 : times);
    if (ms >= WINDOW_MS || rounds >= 2 ** 24) return Math.min(ms, await best(rounds, times)) / rounds;
    rounds *= Math.max(2, Math.min(64, Math.ceil((1.2 * WINDOW_MS) / Math.max(ms, 0.01))));
  }
};

/**
 * Measures what an adapter can do at most, by two small kernels: one that multiplies and adds in registers, and one that
 * reads a large buffer in vectors of 4. Takes less than a second, and up to half a gigabyte of the device's memory. On a
 * processor that has other work the limits are too low.
 *
 * @param device - A device that can be profiled.
 * @throws {ArgumentError} By rejection, if it cannot.
 */
export const measureLimits = async (device: Profilable): Promise<AdapterLimits> => {
  const gpu = profilable(device);
  const { isSoftware, maxBindingBytes, maxBufferBytes, subgroups = 8 } = gpu.traits;
  // Enough lanes to fill a large GPU; on a processor, starting workgroups costs more than it brings, each subgroup is
  // fastest by itself on memory that lies together, and parts of the buffer keep windows short.
  const [workgroups, width, parts, most] = isSoftware ? [64, subgroups, 16, 2 ** 27] : [8192, LANES, 1, 2 ** 29];
  const y = 4 * LANES * workgroups;
  const grain = LANES * workgroups * parts;
  const room = Math.min(most, maxBindingBytes, maxBufferBytes) / VECTOR_BYTES;
  const each = Math.max(1, Math.floor(room / grain));
  const vectors = each * LANES * workgroups;
  const arithmeticMs = await fastest(device, gpu, {
    source: arithmetic,
    bytes: { y },
    workgroups,
    uniforms: (rounds) => [{ rounds, factor: 0.999, term: 0.5 }],
  });
  const readingMs = await fastest(device, gpu, {
    source: reading,
    bytes: { x: vectors * parts * VECTOR_BYTES, y },
    workgroups,
    uniforms: (rounds) => Array.from({ length: parts }, (_, i) => ({ first: i * vectors, each, width, rounds })),
  });
  return {
    gflops: (2 * 4 * CHAINS * UNROLLED * LANES * workgroups) / arithmeticMs / 1e6,
    gbs: (vectors * VECTOR_BYTES) / readingMs / 1e6,
  };
};
