// y[row, j] = x[row, j] / sqrt(mean_k x[row, k]^2 + epsilon) * (offset + scale[j]) + residual[row, j].
// One subgroup a row, for adapters where barriers are dear.
// Grid: x = min(rows, 65535), y = ceil(rows / x). Reference: src/ops/rmsNorm.ts.

enable subgroups;

override WORKGROUP: u32 = 8; // The size of a subgroup.
// Storage of scale: 0 float32, 1 float16, 2 bfloat16 (two to a word), 3 absent.
override SCALE_FORMAT: u32 = 0;
override RESIDUAL: u32 = 0; // 1: there is one.

struct Uniforms { rows: u32, columns: u32, epsilon: f32, offset: f32 }

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<f32>;       // [rows, columns]
@group(0) @binding(2) var<storage, read> scale: array<u32>;   // [columns]
@group(0) @binding(3) var<storage, read> residual: array<f32>; // [rows, columns]
@group(0) @binding(4) var<storage, read_write> y: array<f32>; // [rows, columns]

fn scaleAt(j: u32) -> f32 {
  if (SCALE_FORMAT == 0) { return bitcast<f32>(scale[j]); }
  if (SCALE_FORMAT == 1) {
    let pair = unpack2x16float(scale[j / 2]);
    return select(pair.x, pair.y, j % 2 == 1);
  }
  return bitcast<f32>(select(scale[j / 2] << 16, scale[j / 2] & 0xffff0000, j % 2 == 1));
}

// The sum of every lane's value, in every lane.
fn total(value: f32) -> f32 { return subgroupAdd(value); }

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let row = group.y * grid.x + group.x;
  if (row >= uniforms.rows) { return; }
  let start = row * uniforms.columns;

  var squares = 0.0;
  for (var j = lane; j < uniforms.columns; j += WORKGROUP) {
    let value = x[start + j];
    squares += value * value;
  }
  let factor = inverseSqrt(total(squares) / f32(uniforms.columns) + uniforms.epsilon);

  for (var j = lane; j < uniforms.columns; j += WORKGROUP) {
    var value = x[start + j] * factor;
    if (SCALE_FORMAT != 3) { value *= uniforms.offset + scaleAt(j); }
    if (RESIDUAL == 1) { value += residual[start + j]; }
    y[start + j] = value;
  }
}
