/**
 * WGSL's own sine may be off by 2^-11, and by more beyond pi; places in a text are angles of thousands. This one takes x less
 * the nearest multiple of pi/2 in three parts, each product with the first two exact up to 8192, and Cephes's polynomials of
 * the rest: right to 2e-7 there, and to 1e-5 up to 10^5. `quarters` of a turn are added.
 */
export const sineFunction = `fn sine(x: f32, quarters: u32) -> f32 {
  let k = round(x * 0.6366197723675814);
  let r = ((x - k * 1.5703125) - k * 4.837512969970703e-4) - k * 7.549789954891882e-8;
  let quarter = (bitcast<u32>(i32(k)) + quarters) % 4u;
  let z = r * r;
  let odd = ((-1.9515295891e-4 * z + 8.3321608736e-3) * z - 1.6666654611e-1) * z * r + r;
  let even = ((2.443315711809948e-5 * z - 1.388731625493765e-3) * z + 4.166664568298827e-2) * z * z - 0.5 * z + 1.0;
  let value = select(odd, even, quarter % 2u == 1u);
  return select(value, -value, quarter >= 2u);
}
`;
