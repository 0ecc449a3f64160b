// y[k, j] = scales[block of k, j] * (q[k, j] - zeros[block of k, j]), the whole numbers q packed in strips of 64 columns.
// A lane unpacks a word: 4 columns of 8 bits, signed, or 8 of 4 bits.
// Grid: a lane for each word, words of a row of a strip fastest, then rows. Reference: src/ops/dequantize.ts.

override BITS: u32 = 8;       // 8 or 4.
override WORKGROUP: u32 = 64; // Lanes.

struct Uniforms {
  items: u32, // Words to unpack.
  rows: u32, columns: u32, block: u32, blocks: u32,
  firstStrip: u32, strips: u32, firstRow: u32, // What is bound: some strips, and some rows of y.
  perWord: u32, // A bound that a compiler is not to know, or it unrolls.
}

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> words: array<u32>;   // [strips, rows, 2 * BITS]
@group(0) @binding(2) var<storage, read> scales: array<f32>;  // [strips, blocks, 64]
@group(0) @binding(3) var<storage, read> zeros: array<f32>;   // [strips, blocks, 64]; of 4 bits only
@group(0) @binding(4) var<storage, read_write> y: array<f32>; // [some rows, columns]

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let item = (group.y * grid.x + group.x) * WORKGROUP + lane;
  if (item >= uniforms.items) { return; }
  let width = 2u * BITS;
  let place = item % width;
  let some = uniforms.items / width / uniforms.strips; // Rows of y that are bound.
  let row = item / width % some;
  let strip = item / width / some;
  let k = uniforms.firstRow + row;
  let word = words[(strip * uniforms.rows + k) * width + place];
  let scaleAt = (strip * uniforms.blocks + k / uniforms.block) * 64u;
  let first = place * (32u / BITS);
  for (var c = 0u; c < uniforms.perWord; c++) {
    let j = (uniforms.firstStrip + strip) * 64u + first + c;
    if (j < uniforms.columns) {
      let left = word << (32u - BITS - c * BITS);
      var q: f32;
      if (BITS == 8u) {
        q = f32(bitcast<i32>(left) >> 24u);
      } else {
        q = f32(left >> 28u) - zeros[scaleAt + first + c];
      }
      y[row * uniforms.columns + j] = q * scales[scaleAt + first + c];
    }
  }
}
