// packed[t, l, r] = x[t * WIDTH + r, l]: strips of a strided matrix, for matmulPacked to read one after the other. What is
// beyond the matrix is 0. x may be a (strips of rows, terms along columns) or b (strips of columns, terms along rows).
// For adapters that run subgroups on a CPU, where a product of many rows reads every element many times.
// Grid: a workgroup for each strip and 64 terms. Reference: src/ops/matmul.ts.

override FORMAT: u32 = 0; // Of x: 0 float32, 1 float16, 2 bfloat16; halves are two to a word.
override WIDTH: u32 = 32; // Rows or columns of a strip, a multiple of LANES.
override LANES: u32 = 8;
const TERMS = 64u;

struct Uniforms { workgroups: u32, chunks: u32, size: u32, terms: u32, offset: u32, step: u32, term: u32 }

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<u32>;            // [size, terms], strided
@group(0) @binding(2) var<storage, read_write> packed: array<f32>; // [ceil(size / WIDTH), terms, WIDTH]

fn element(at: u32) -> f32 {
  let word = x[select(at / 2u, at, FORMAT == 0u)];
  if (FORMAT == 0u) { return bitcast<f32>(word); }
  let high = at % 2u == 1u;
  if (FORMAT == 1u) { return select(unpack2x16float(word).x, unpack2x16float(word).y, high); }
  return bitcast<f32>(select(word << 16u, word & 0xffff0000u, high));
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let id = group.y * grid.x + group.x;
  if (id >= uniforms.workgroups) { return; }
  let strip = id / uniforms.chunks;
  let first = id % uniforms.chunks * TERMS;
  for (var r = lane; r < WIDTH; r += LANES) {
    let i = strip * WIDTH + r;
    let start = uniforms.offset + min(i, uniforms.size - 1u) * uniforms.step;
    for (var l = first; l < min(first + TERMS, uniforms.terms); l++) {
      packed[(strip * uniforms.terms + l) * WIDTH + r] = select(0.0, element(start + l * uniforms.term), i < uniforms.size);
    }
  }
}
