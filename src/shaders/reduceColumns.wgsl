// y[part, o, i] = the sum, maximum or minimum over r of x[o, r, i], r in the part; one lane an output.
// Grid: x over inner, y over outer (both strided through), z = parts. Reference: src/ops/reduce.ts.

override COLUMNS: u32 = 64; // Lanes along inner.
override ROWS: u32 = 1;     // Lanes along outer.
override COMBINE: u32 = 0;    // 0 sum, 1 maximum, 2 minimum.
override INTEGER: u32 = 0;    // 1: x and y hold int32, otherwise float32.

struct Uniforms {
  outer: u32, reduced: u32, inner: u32,                // Sizes of the part of x that is reduced here.
  outerStride: u32, reducedStride: u32, innerStride: u32, offset: u32, // Where x[o, r, i] lies.
  span: u32,                                           // Elements of r in a part.
  partStride: u32, rowStride: u32, start: u32,         // Where y[part, o, i] lies; i follows i.
  accumulate: u32,                                     // 1: combine with what y holds already.
}

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<u32>;       // Bits of [outer, reduced, inner], strided
@group(0) @binding(2) var<storage, read_write> y: array<u32>; // Bits of [parts, outer, inner]

// What changes nothing: 0, or the lowest or highest number.
fn neutral() -> u32 {
  if (COMBINE == 0) { return 0; }
  if (INTEGER == 1) { return select(0x7fffffffu, 0x80000000u, COMBINE == 1); }
  return select(0x7f7fffffu, 0xff7fffffu, COMBINE == 1);
}

fn combine(a: u32, b: u32) -> u32 {
  if (INTEGER == 1) {
    let p = bitcast<i32>(a);
    let q = bitcast<i32>(b);
    return bitcast<u32>(select(select(min(p, q), max(p, q), COMBINE == 1), p + q, COMBINE == 0));
  }
  let p = bitcast<f32>(a);
  let q = bitcast<f32>(b);
  return bitcast<u32>(select(select(min(p, q), max(p, q), COMBINE == 1), p + q, COMBINE == 0));
}

@compute @workgroup_size(COLUMNS, ROWS)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let part = id.z;
  let first = part * uniforms.span;
  let end = min(uniforms.reduced, first + uniforms.span);
  for (var o = id.y; o < uniforms.outer; o += grid.y * ROWS) {
    for (var i = id.x; i < uniforms.inner; i += grid.x * COLUMNS) {
      let base = uniforms.offset + o * uniforms.outerStride + i * uniforms.innerStride;
      let at = uniforms.start + part * uniforms.partStride + o * uniforms.rowStride + i;
      var result = select(neutral(), y[at], uniforms.accumulate == 1);
      for (var r = first; r < end; r++) { result = combine(result, x[base + r * uniforms.reducedStride]); }
      y[at] = result;
    }
  }
}
