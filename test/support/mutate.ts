import fc from 'fast-check';

/** How many runs a fuzzer makes: PURELM_FUZZ_RUNS, or so many. */
export const fuzzRuns = (runs: number): number => Number(process.env.PURELM_FUZZ_RUNS ?? runs);

/** The seed of a fuzzer: PURELM_FUZZ_SEED, or always the same one. */
export const fuzzSeed = (): number => Number(process.env.PURELM_FUZZ_SEED ?? 20_261_121);

/** Processor time of this process so far, in milliseconds: other work on the machine does not make it longer. */
export const processorMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

type Edit = (bytes: Uint8Array) => Uint8Array;

const latin1 = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0));

const joined = (...parts: readonly Uint8Array[]): Uint8Array => {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let end = 0;
  for (const part of parts) {
    whole.set(part, end);
    end += part.length;
  }
  return whole;
};

/** A place, as a share of the whole: it fits a file of any length. */
const share = (): fc.Arbitrary<number> => fc.noBias(fc.nat(2 ** 30 - 1)).map((place) => place / 2 ** 30);

const at = (bytes: Uint8Array, place: number): number => Math.floor(place * bytes.length);

const numbers = [
  ...['0', '1', '-1', '-0', '1.0', '1.5', '4e0', '1e999', '00', '3', '7', '255', '65536', '2147483647', '2147483648'],
  ...['4294967296', '9007199254740991', '9007199254740993', '18446744073709551615', '18446744073709551616', 'NaN'],
];

const words = [
  ...['{', '}', '[', ']', '"', ',', ':', '\\', '\0', '\n', ' ', '{}', '[]', 'null', 'true', '"x"', '""', '"__proto__"'],
  ...['"constructor":1,', '"__proto__":{"a":1},', '\\ud800', '\\u0000', '\xff\xfe', '\xed\xa0\x80', '../', '[[[[[[[['],
  ...['\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f', '\xff\xff\xff\xff\x0f', '(a+)+$', '\u00e2\u0096\u0081'],
];

const integers = [
  0n,
  1n,
  2n,
  7n,
  8n,
  64n,
  127n,
  128n,
  255n,
  256n,
  65535n,
  65536n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
];
const longs = [...integers, 2n ** 32n, 2n ** 53n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n];

/** Another number where digits stand in the file, if any do. */
const changeNumber =
  (place: number, number: string): Edit =>
  (bytes) => {
    for (let i = at(bytes, place), seen = 0; seen < bytes.length; seen++, i = (i + 1) % bytes.length) {
      const isDigit = (index: number): boolean => bytes[index]! >= 0x30 && bytes[index]! <= 0x39;
      if (!isDigit(i) || (i > 0 && isDigit(i - 1))) continue;
      let end = i;
      while (end < bytes.length && isDigit(end)) end++;
      return joined(bytes.subarray(0, i), latin1(number), bytes.subarray(end));
    }
    return bytes;
  };

const change = (): fc.Arbitrary<Edit> => {
  const range = fc.tuple(share(), fc.oneof(fc.nat(16), fc.nat(300)));
  return fc.oneof(
    {
      weight: 3,
      arbitrary: fc.tuple(share(), fc.nat(255)).map(
        ([place, byte]): Edit =>
          (bytes) =>
            bytes.with(at(bytes, place), byte),
      ),
    },
    {
      weight: 2,
      arbitrary: fc.tuple(share(), fc.nat(7)).map(
        ([place, bit]): Edit =>
          (bytes) =>
            bytes.with(at(bytes, place), bytes[at(bytes, place)]! ^ (1 << bit)),
      ),
    },
    {
      weight: 1,
      arbitrary: share().map(
        (place): Edit =>
          (bytes) =>
            bytes.slice(0, at(bytes, place)),
      ),
    },
    {
      weight: 1,
      arbitrary: share().map(
        (place): Edit =>
          (bytes) =>
            bytes.slice(at(bytes, place)),
      ),
    },
    {
      weight: 1,
      arbitrary: range.map(
        ([place, length]): Edit =>
          (bytes) =>
            joined(bytes.subarray(0, at(bytes, place)), bytes.subarray(at(bytes, place) + length)),
      ),
    },
    {
      weight: 2,
      arbitrary: fc.tuple(range, share()).map(
        ([[from, length], to]): Edit =>
          (bytes) => {
            const piece = bytes.subarray(at(bytes, from), at(bytes, from) + length);
            return joined(bytes.subarray(0, at(bytes, to)), piece, bytes.subarray(at(bytes, to)));
          },
      ),
    },
    {
      weight: 2,
      // Addresses are words of eight bytes: one that stands elsewhere makes circles.
      arbitrary: fc.tuple(share(), share(), fc.constantFrom(1, 4, 8)).map(
        ([from, to, size]): Edit =>
          (bytes) => {
            const copy = bytes.slice();
            const aligned = (place: number): number => at(bytes, place) - (at(bytes, place) % size);
            copy.copyWithin(aligned(to), aligned(from), aligned(from) + size);
            return copy;
          },
      ),
    },
    {
      weight: 2,
      arbitrary: fc.tuple(share(), fc.constantFrom(...longs), fc.constantFrom(2, 4, 8)).map(
        ([place, value, size]): Edit =>
          (bytes) => {
            const copy = bytes.slice();
            const start = at(bytes, place) - (at(bytes, place) % size);
            for (let i = 0; i < size && start + i < copy.length; i++)
              copy[start + i] = Number((value >> BigInt(8 * i)) & 255n);
            return copy;
          },
      ),
    },
    {
      weight: 3,
      arbitrary: fc.tuple(share(), fc.constantFrom(...numbers)).map(([place, number]) => changeNumber(place, number)),
    },
    {
      weight: 3,
      arbitrary: fc.tuple(share(), fc.constantFrom(...words), fc.boolean()).map(
        ([place, word, replaces]): Edit =>
          (bytes) => {
            const start = at(bytes, place);
            return joined(bytes.subarray(0, start), latin1(word), bytes.subarray(start + (replaces ? word.length : 0)));
          },
      ),
    },
  );
};

/** A file with one to four changes: bytes, bits, numbers, words, pieces that go, come twice or stand elsewhere, cuts. */
export const mutated = (bytes: Uint8Array): fc.Arbitrary<Uint8Array> =>
  fc
    .array(change(), { minLength: 1, maxLength: 4 })
    .map((edits) => edits.reduce((changed, edit) => (changed.length === 0 ? changed : edit(changed)), bytes));
