// y[row, j] = (x[row, j] - mean) / sqrt(variance + epsilon) * gamma[j] + beta[j], mean and biased variance of the row.
// One workgroup a row.
// Grid: x = min(rows, 65535), y = ceil(rows / x). Reference: src/ops/layerNorm.ts.

override WORKGROUP: u32 = 64; // A power of two.
// Storage of gamma and beta: 0 float32, 1 float16, 2 bfloat16 (two to a word), 3 absent.
override GAMMA_FORMAT: u32 = 0;
override BETA_FORMAT: u32 = 0;

struct Uniforms { rows: u32, columns: u32, epsilon: f32 }

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<f32>;       // [rows, columns]
@group(0) @binding(2) var<storage, read> gamma: array<u32>;   // [columns]
@group(0) @binding(3) var<storage, read> beta: array<u32>;    // [columns]
@group(0) @binding(4) var<storage, read_write> y: array<f32>; // [rows, columns]

fn gammaAt(j: u32) -> f32 {
  if (GAMMA_FORMAT == 0) { return bitcast<f32>(gamma[j]); }
  if (GAMMA_FORMAT == 1) {
    let pair = unpack2x16float(gamma[j / 2]);
    return select(pair.x, pair.y, j % 2 == 1);
  }
  return bitcast<f32>(select(gamma[j / 2] << 16, gamma[j / 2] & 0xffff0000, j % 2 == 1));
}

fn betaAt(j: u32) -> f32 {
  if (BETA_FORMAT == 0) { return bitcast<f32>(beta[j]); }
  if (BETA_FORMAT == 1) {
    let pair = unpack2x16float(beta[j / 2]);
    return select(pair.x, pair.y, j % 2 == 1);
  }
  return bitcast<f32>(select(beta[j / 2] << 16, beta[j / 2] & 0xffff0000, j % 2 == 1));
}

var<workgroup> partial: array<f32, WORKGROUP>;

// A bound that compilers do not know, or they unroll, which with barriers takes those for CPUs seconds.
fn hidden(n: u32) -> u32 { return select(n, 0u, uniforms.rows == 0xffffffffu); }

// The sum of every lane's value, in every lane.
fn total(value: f32, lane: u32) -> f32 {
  partial[lane] = value;
  workgroupBarrier();
  for (var half = hidden(WORKGROUP / 2u); half > 0; half /= 2) {
    if (lane < half) { partial[lane] += partial[lane + half]; }
    workgroupBarrier();
  }
  return workgroupUniformLoad(&partial[0]);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let row = group.y * grid.x + group.x;
  if (row >= uniforms.rows) { return; } // The whole workgroup leaves, so barriers stay uniform.
  let start = row * uniforms.columns;
  let size = f32(uniforms.columns);

  // Sums of distances from the row's first element: they keep the digits that sums of large numbers lose.
  let origin = x[start];
  var sum = 0.0;
  for (var j = lane; j < uniforms.columns; j += WORKGROUP) { sum += x[start + j] - origin; }
  let mean = total(sum, lane) / size; // Less origin.

  var squares = 0.0;
  for (var j = lane; j < uniforms.columns; j += WORKGROUP) {
    let distance = x[start + j] - origin - mean;
    squares += distance * distance;
  }
  let scale = inverseSqrt(total(squares, lane) / size + uniforms.epsilon);

  for (var j = lane; j < uniforms.columns; j += WORKGROUP) {
    var value = (x[start + j] - origin - mean) * scale;
    if (GAMMA_FORMAT != 3) { value *= gammaAt(j); }
    if (BETA_FORMAT != 3) { value += betaAt(j); }
    y[start + j] = value;
  }
}
