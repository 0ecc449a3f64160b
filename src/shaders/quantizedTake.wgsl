// y[i, k] = w[k, indices[i]], indices held within w, whose numbers of 8 or 4 bits lie in strips of 64 columns: rows of an
// embedding that is held the other way round. Only some strips are bound; columns of others are another launch's.
// Grid: x over k, y over i, strided through. Reference: src/ops/quantizedTake.ts.

override COLUMNS: u32 = 64; // Lanes along k.
override ROWS: u32 = 1;     // Lanes along i.
override BITS: u32 = 8;     // 8 or 4.

struct Uniforms {
  indices: u32, rows: u32, columns: u32, block: u32, blocks: u32, firstStrip: u32, strips: u32,
}

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> indices: array<i32>; // [indices]
@group(0) @binding(2) var<storage, read> words: array<u32>;   // [strips, rows, 2 * BITS]
@group(0) @binding(3) var<storage, read> scales: array<f32>;  // [strips, blocks, 64]
@group(0) @binding(4) var<storage, read> zeros: array<f32>;   // [strips, blocks, 64]; of 4 bits only
@group(0) @binding(5) var<storage, read_write> y: array<f32>; // [indices, rows]

@compute @workgroup_size(COLUMNS, ROWS)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  for (var i = id.y; i < uniforms.indices; i += grid.y * ROWS) {
    let column = u32(clamp(indices[i], 0, i32(uniforms.columns) - 1));
    let place = column % 64u;
    if (column / 64u >= uniforms.firstStrip && column / 64u < uniforms.firstStrip + uniforms.strips) {
      let strip = column / 64u - uniforms.firstStrip;
      for (var k = id.x; k < uniforms.rows; k += grid.x * COLUMNS) {
        let word = words[(strip * uniforms.rows + k) * 2u * BITS + place / (32u / BITS)];
        let left = word << (32u - BITS - place % (32u / BITS) * BITS);
        let at = (strip * uniforms.blocks + k / uniforms.block) * 64u + place;
        var q: f32;
        if (BITS == 8u) {
          q = f32(bitcast<i32>(left) >> 24u);
        } else {
          q = f32(left >> 28u) - zeros[at];
        }
        y[i * uniforms.rows + k] = q * scales[at];
      }
    }
  }
}
