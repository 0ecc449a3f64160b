// y[part, o, i] = the sum, maximum or minimum over r of x[o, r, i], r in the part. One workgroup an output, its
// lanes along r.
// Grid: x = min(outputs * parts, 65535), y = ceil(outputs * parts / x). Reference: src/ops/reduce.ts.

override WORKGROUP: u32 = 64; // A power of two.
override COMBINE: u32 = 0;    // 0 sum, 1 maximum, 2 minimum.
override INTEGER: u32 = 0;    // 1: x and y hold int32, otherwise float32.

struct Uniforms {
  outer: u32, reduced: u32, inner: u32,                // Sizes of the part of x that is reduced here.
  outerStride: u32, reducedStride: u32, innerStride: u32, offset: u32, // Where x[o, r, i] lies.
  span: u32, parts: u32,                               // Elements of r in a part, and how many parts there are.
  partStride: u32, rowStride: u32, start: u32,         // Where y[part, o, i] lies; i follows i.
  accumulate: u32,                                     // 1: combine with what y holds already.
}

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<u32>;       // Bits of [outer, reduced, inner], strided
@group(0) @binding(2) var<storage, read_write> y: array<u32>; // Bits of [parts, outer, inner]

var<workgroup> partial: array<u32, WORKGROUP>;

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

// A bound that compilers do not know, or they unroll, which with barriers takes those for CPUs seconds.
fn hidden(n: u32) -> u32 { return select(n, 0u, uniforms.outer == 0xffffffffu); }

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let outputs = uniforms.outer * uniforms.inner;
  let place = group.y * grid.x + group.x;
  if (place >= outputs * uniforms.parts) { return; } // The whole workgroup leaves, so barriers stay uniform.
  let part = place / outputs;
  let o = place % outputs / uniforms.inner;
  let i = place % uniforms.inner;
  let base = uniforms.offset + o * uniforms.outerStride + i * uniforms.innerStride;
  let end = min(uniforms.reduced, (part + 1) * uniforms.span);

  var result = neutral();
  for (var r = part * uniforms.span + lane; r < end; r += WORKGROUP) {
    result = combine(result, x[base + r * uniforms.reducedStride]);
  }
  partial[lane] = result;
  workgroupBarrier();
  for (var half = hidden(WORKGROUP / 2u); half > 0; half /= 2) {
    if (lane < half) { partial[lane] = combine(partial[lane], partial[lane + half]); }
    workgroupBarrier();
  }
  if (lane == 0) {
    let at = uniforms.start + part * uniforms.partStride + o * uniforms.rowStride + i;
    y[at] = combine(partial[0], select(neutral(), y[at], uniforms.accumulate == 1));
  }
}
