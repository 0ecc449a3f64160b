import { safetensorsBytes } from './helpers.ts';

// Safetensors files of every kind of lie, and odd ones that are sound. What the Python library says of each is in
// test/fixtures/safetensors.json; see test/reference/check_safetensors.py.

/** A float32 tensor's entry in a header. */
export const f32 = (start: number, end: number, shape: readonly number[]): object => ({
  dtype: 'F32',
  shape,
  data_offsets: [start, end],
});

const one = JSON.stringify(f32(0, 4, [1]));

/** A file with this header and, unless told otherwise, the four bytes of one float. */
const text = (header: string, dataBytes = 4): Uint8Array => safetensorsBytes(header, dataBytes);

/** Files that must be refused, a part of the message that says why, and the file's size where zeros follow. */
export const hostile: Readonly<Record<string, readonly [bytes: Uint8Array, problem: string, size?: number]>> = {
  'a header longer than the file': [
    Uint8Array.of(255, 255, 255, 255, 255, 255, 255, 127, 0x7b),
    'expected a header within',
  ],
  'a header just longer than the file': [Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x7d), 'expected a header within'],
  'a header that is no JSON': [safetensorsBytes('{"a":'), 'expected JSON'],
  'a header of thousands of open brackets': [safetensorsBytes('['.repeat(100_000)), '64 deep'],
  'a deep header': [safetensorsBytes(`{"a":${'['.repeat(50_000)}${']'.repeat(50_000)}}`), '64 deep'],
  'a header that is a list': [safetensorsBytes('[]'), 'to be an object'],
  'a header that is no UTF-8': [Uint8Array.of(4, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0xff, 0xff, 0x7d), 'UTF-8'],
  'a byte order mark': [safetensorsBytes('\ufeff{}'), 'expected JSON'],
  'a tensor that is no object': [safetensorsBytes({ a: 3 }), 'tensor "a": dtype'],
  'an unknown dtype': [
    safetensorsBytes({ a: { ...f32(0, 4, [1]), dtype: 'F31' } }, 4),
    'expected one of F32, F16, BF16',
  ],
  'a dtype that every object has': [safetensorsBytes({ a: { ...f32(0, 4, [1]), dtype: 'toString' } }, 4), 'dtype'],
  'a negative size': [safetensorsBytes({ a: f32(0, 4, [-1]) }, 4), 'digits alone'],
  'a size with a fraction': [safetensorsBytes({ a: f32(0, 4, [1.5]) }, 4), 'digits alone'],
  'a size beyond 2^53': [
    safetensorsBytes('{"a":{"dtype":"F32","shape":[9007199254740993],"data_offsets":[0,4]}}', 4),
    'shape',
  ],
  'a size that is a string': [safetensorsBytes({ a: { ...f32(0, 4, []), shape: ['1'] } }, 4), 'shape'],
  'a shape that is no list': [safetensorsBytes({ a: { ...f32(0, 4, []), shape: { length: 0 } } }, 4), 'shape'],
  'a product beyond 2^53': [safetensorsBytes({ a: f32(0, 4, [2 ** 40, 2 ** 40]) }, 4), 'too many'],
  'a product that wraps to zero in 64 bits': [safetensorsBytes({ a: f32(0, 0, [2 ** 32, 2 ** 32]) }), 'too many'],
  'a million axes': [safetensorsBytes({ a: f32(0, 4, new Array<number>(1_000_000).fill(1)) }, 4), 'shape'],
  'more bytes than the shape': [safetensorsBytes({ a: f32(0, 8, [1]) }, 8), 'expected 4 bytes'],
  'offsets backwards': [safetensorsBytes({ a: f32(4, 0, [1]) }, 4), 'data_offsets'],
  'offsets below zero': [safetensorsBytes({ a: f32(-4, 0, [1]) }, 4), 'digits alone'],
  'three offsets': [safetensorsBytes({ a: { ...f32(0, 4, [1]), data_offsets: [0, 4, 4] } }, 4), 'data_offsets'],
  'data past the end': [safetensorsBytes({ a: f32(0, 8, [2]) }, 4), 'within the 4 bytes'],
  'an overlap': [safetensorsBytes({ a: f32(0, 8, [2]), b: f32(4, 12, [2]) }, 12), 'expected its data at byte 8, got 4'],
  'a hole': [safetensorsBytes({ a: f32(0, 4, [1]), b: f32(8, 12, [1]) }, 12), 'expected its data at byte 4, got 8'],
  'a hole at the start': [safetensorsBytes({ a: f32(4, 8, [1]) }, 8), 'expected its data at byte 0, got 4'],
  'trailing bytes': [safetensorsBytes({ a: f32(0, 4, [1]) }, 5), 'expected 4 bytes of data, got 5'],
  'data and no tensors': [safetensorsBytes({}, 1), 'expected 0 bytes of data, got 1'],
  'a name twice with different values': [
    safetensorsBytes(`{"a":${JSON.stringify(f32(0, 4, [1]))},"a":${JSON.stringify(f32(0, 4, [1, 1]))}}`, 4),
    'has "a" twice',
  ],
  'a name twice, once in escapes': [
    safetensorsBytes(`{"a":${JSON.stringify(f32(0, 4, [1]))},"\\u0061":${JSON.stringify(f32(0, 4, [1, 1]))}}`, 4),
    'has "a" twice',
  ],
  'a shape twice': [safetensorsBytes('{"a":{"dtype":"F32","shape":[1],"shape":[2],"data_offsets":[0,4]}}', 4), 'twice'],
  'metadata that is no string': [safetensorsBytes({ __metadata__: { n: 3 } }), '__metadata__'],
  'metadata that is no object': [safetensorsBytes({ __metadata__: null }), '__metadata__'],
  'a Git LFS pointer': [new TextEncoder().encode('version https://git-lfs.github.com/spec/v1\n'), 'git lfs pull'],
  nothing: [new Uint8Array(0), 'got 0 bytes'],
  'a name twice with one value': [text(`{"a":${one},"a": ${one}}`), 'has "a" twice'],
  'a dtype twice': [text('{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}'), 'has "dtype" twice'],
  'metadata twice': [text(`{"__metadata__":{},"__metadata__":{},"a":${one}}`), 'has "__metadata__" twice'],
  'a key of the metadata twice': [text(`{"__metadata__":{"x":"1","x":"2"},"a":${one}}`), 'has "x" twice'],
  'metadata of texts that are no texts': [text(`{"__metadata__":{"x":"\\ud800"},"a":${one}}`), 'half a surrogate pair'],
  'metadata that is a tensor': [text(`{"__metadata__":${one}}`, 0), '__metadata__'],
  'a name that is half a character': [text(`{"\\ud800":${one}}`), 'half a surrogate pair'],
  'a name with a control character': [text(`{"a\u0001":${one}}`), 'expected JSON'],
  'an offset with a point': [text('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4.0]}}'), 'digits alone'],
  'an offset with an exponent': [text('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4e0]}}'), 'digits alone'],
  'an offset of minus zero': [text('{"a":{"dtype":"F32","shape":[1],"data_offsets":[-0,4]}}'), 'digits alone'],
  'a size with a point': [text('{"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}}'), 'digits alone'],
  'offsets that are texts': [
    safetensorsBytes({ a: { ...f32(0, 4, [1]), data_offsets: ['0', '4'] } }, 4),
    'data_offsets',
  ],
  'an offset beyond 2^53': [
    text('{"a":{"dtype":"F32","shape":[1],"data_offsets":[9007199254740993,9007199254740997]}}'),
    'data_offsets',
  ],
  'an offset beyond 2^64': [
    text('{"a":{"dtype":"F32","shape":[1],"data_offsets":[18446744073709551616,18446744073709551620]}}'),
    'data_offsets',
  ],
  'a dtype in small letters': [safetensorsBytes({ a: { ...f32(0, 4, [1]), dtype: 'f32' } }, 4), 'dtype'],
  'no dtype': [text('{"a":{"shape":[1],"data_offsets":[0,4]}}'), 'dtype'],
  'no shape': [text('{"a":{"dtype":"F32","data_offsets":[0,4]}}'), 'shape'],
  'no offsets': [text('{"a":{"dtype":"F32","shape":[1]}}'), 'data_offsets'],
  'a tensor that is a list': [text('{"a":["F32",[1],[0,4]]}'), 'dtype'],
  'a tensor that is null': [text('{"a":null}'), 'dtype'],
  "a field that is not the format's": [text(`{"a":${one.slice(0, -1)},"scale":1}}`), 'got "scale"'],
  'a field with a number out of range': [text(`{"a":${one.slice(0, -1)},"x":1e999}}`), 'digits alone'],
  'a deep field': [text(`{"a":${one.slice(0, -1)},"x":${'['.repeat(200)}1${']'.repeat(200)}}}`), '64 deep'],
  'a deep shape': [
    text(`{"a":{"dtype":"F32","shape":${'['.repeat(60)}1${']'.repeat(60)},"data_offsets":[0,4]}}`),
    'shape',
  ],
  'a very deep shape': [
    text(`{"a":{"dtype":"F32","shape":${'['.repeat(50_000)}${']'.repeat(50_000)},"data_offsets":[0,4]}}`),
    '64 deep',
  ],
  'a prototype that is none': [text(`{"__proto__":{"dtype":"F32"},"a":${one}}`), 'tensor "__proto__": shape'],
  'fields that every object has': [
    text('{"a":{"__proto__":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}}'),
    'got "__proto__"',
  ],
  'an empty tensor inside another': [
    safetensorsBytes({ a: f32(0, 8, [2]), z: f32(4, 4, [0]) }, 8),
    'expected its data at byte 8, got 4',
  ],
  'two tensors on the same bytes': [
    safetensorsBytes({ a: f32(0, 4, [1]), b: f32(0, 4, [1]) }, 4),
    'expected its data at byte 4, got 0',
  ],
  'a product that overflows before a zero': [safetensorsBytes({ z: f32(0, 0, [2 ** 52, 2 ** 52, 0]) }), 'too many'],
  'NULs behind the header': [text(`{"a":${one}}\0\0\0`), 'expected JSON'],
  'text behind the header': [text(`{"a":${one}}{}`), 'expected JSON'],
  'a header of nothing': [safetensorsBytes('', 4), 'expected JSON'],
  'a header of spaces': [safetensorsBytes('   ', 4), 'expected JSON'],
  'a header that is null': [safetensorsBytes('null', 4), 'to be an object'],
  'JSON with a comment': [text(`{"a":${one}/* */}`), 'expected JSON'],
  'JSON with a comma too many': [text(`{"a":${one},}`), 'expected JSON'],
  'JSON with NaN': [text(`{"a":${one},"b":NaN}`), 'expected JSON'],
  'a million empty tensors': [safetensorsBytes(`[${'{},'.repeat(1_000_000)}{}]`), 'at most 131072 objects'],
  'a header beyond the limit of the format': [
    Uint8Array.of(1, 0xe1, 0xf5, 5, 0, 0, 0, 0, 0x7b),
    'a header within',
    100_000_100,
  ],
  'a header of 2^63 bytes': [Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 128), 'a header within'],
  'a header of minus one byte': [Uint8Array.from({ length: 64 }, () => 255), 'a header within'],
  'zeros alone': [new Uint8Array(64), 'expected JSON'],
  'a pickle': [Uint8Array.of(0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8), 'a header within'],
  'a ZIP file': [new TextEncoder().encode('PK\u0003\u0004\u0014\0\b\b\0\0'), 'a header within'],
};

/** Files that are odd, and sound; the last four bytes are those of a 1 where there is a tensor `a`. */
export const unusual: Readonly<Record<string, Uint8Array>> = {
  'spaces after the header': safetensorsBytes(`${JSON.stringify({ a: f32(0, 4, [1]) })}     `, 4),
  'a space before the header': safetensorsBytes(` ${JSON.stringify({ a: f32(0, 4, [1]) })}`, 4),
  'data that is not aligned': safetensorsBytes(
    `${JSON.stringify({ x: { dtype: 'U8', shape: [3], data_offsets: [0, 3] }, a: f32(3, 7, [1]) })} `,
    7,
  ),
  'data in another order than the header': safetensorsBytes({ b: f32(4, 8, [1]), a: f32(0, 4, [1]) }, 8),
  'a tensor without elements': safetensorsBytes({ none: f32(0, 0, [0, 7]), a: f32(0, 4, [1]), end: f32(4, 4, [0]) }, 4),
  'a scalar': safetensorsBytes({ a: f32(0, 4, []) }, 4),
  'a name that every object has': safetensorsBytes(
    `{"__proto__":${JSON.stringify(f32(0, 4, [1]))},"a":${JSON.stringify(f32(4, 8, [1]))}}`,
    8,
  ),
  'metadata of strings': safetensorsBytes({ __metadata__: { format: 'pt', a: '' }, a: f32(0, 4, [1]) }, 4),
  'no name': safetensorsBytes({ '': f32(0, 4, [1]), a: f32(4, 8, [1]) }, 8),
  'a name of one NUL': safetensorsBytes({ '\0': f32(0, 4, [1]), a: f32(4, 8, [1]) }, 8),
  'a name in escapes': text(`{"\\u0061":${one}}`),
  'a name of a character beyond 2^16, in escapes': text(
    `{"\\ud83d\\ude00":${one},"a":${JSON.stringify(f32(4, 8, [1]))}}`,
    8,
  ),
  'white space of all kinds': text(`\t{ "a" :\r\n${one} }\t\n `),
  'empty tensors where others begin and end': safetensorsBytes(
    { y: f32(0, 0, [0]), x: f32(0, 4, [1]), z: f32(4, 4, [3, 0]), a: f32(4, 8, [1, 1, 1]) },
    8,
  ),
};
