import { createHash } from 'node:crypto';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { unpackSwiftShader } from '../../scripts/setup/swiftshader.mjs';
import { tarFiles } from '../../scripts/setup/tar.mjs';

interface Entry {
  readonly name: string;
  readonly data: Buffer;
  readonly type?: string;
  readonly prefix?: string;
}

const header = ({ name, data, type = '0', prefix = '' }: Entry): Buffer => {
  const block = Buffer.alloc(512);
  block.write(name, 0, 100);
  block.write('0000644\0', 100);
  block.write(`${data.length.toString(8).padStart(11, '0')}\0`, 124);
  block.write('        ', 148);
  block.write(type, 156);
  block.write('ustar\x0000', 257);
  block.write(prefix, 345, 155);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
};

const pack = (entries: readonly Entry[]): Buffer =>
  Buffer.concat([
    ...entries.flatMap((entry) => [header(entry), entry.data, Buffer.alloc((512 - (entry.data.length % 512)) % 512)]),
    Buffer.alloc(1024),
  ]);

const names = (archive: Buffer) => [...tarFiles(archive)].map(({ name }) => name);

describe('tarFiles', () => {
  it('gives back the files that were packed', () =>
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            name: fc.stringMatching(/^[a-z]{1,20}\.[a-z]{1,3}$/),
            data: fc.uint8Array({ maxLength: 1200 }).map((bytes) => Buffer.from(bytes)),
          }),
          { maxLength: 5 },
        ),
        (entries) => {
          expect([...tarFiles(pack(entries))].map(({ name, data }) => ({ name, data: Buffer.from(data) }))).toEqual(
            entries,
          );
        },
      ),
    ));

  it('joins a prefix, and takes long names from pax and GNU headers', () => {
    const data = Buffer.from('x');
    const pax = Buffer.from('19 path=a/long/one\n30 mtime=1350244992.023960108\n');
    const long = 'folder/'.repeat(30);
    const archive = pack([
      { name: 'file', prefix: 'package/bin', data },
      { name: 'pax', type: 'x', data: pax },
      { name: 'short', data },
      { name: '././@LongLink', type: 'L', data: Buffer.from(`${long}\0`) },
      { name: 'short', data },
      { name: 'last', data },
    ]);
    expect(names(archive)).toEqual(['package/bin/file', 'a/long/one', long, 'last']);
  });

  it('leaves out folders and links', () => {
    const none = Buffer.alloc(0);
    const archive = pack([
      { name: 'folder/', type: '5', data: none },
      { name: 'link', type: '2', data: none },
      { name: 'file', data: none },
    ]);
    expect(names(archive)).toEqual(['file']);
  });

  it('refuses a size beyond the end, a wrong checksum and a size that is no number', () => {
    const archive = pack([{ name: 'file', data: Buffer.alloc(5000) }]);
    expect(() => names(archive.subarray(0, 2048))).toThrow(
      'tar: a file of 5000 bytes starts at byte 512 of an archive of 2048 bytes',
    );
    const altered = Buffer.from(archive);
    altered.write('other', 0);
    expect(() => names(altered)).toThrow('tar: the checksum of the header at byte 0 does not fit');
    expect(() => names(Buffer.alloc(512, 'z'))).toThrow('tar: expected a checksum as an octal number');
  });

  it('refuses a broken pax record', () => {
    const archive = pack([{ name: 'pax', type: 'x', data: Buffer.from('999 path=a\n') }]);
    expect(() => names(archive)).toThrow('tar: broken pax record at byte 0');
  });
});

describe('unpackSwiftShader', () => {
  const files = ['vk_swiftshader_icd.json', 'libvk_swiftshader.so', 'libvulkan.so.1', 'libEGL.so'];
  const inner = brotliCompressSync(pack(files.map((name) => ({ name, data: Buffer.from(name) }))));
  const packed = (data: Buffer) => gzipSync(pack([{ name: 'package/bin/swiftshader.tar.br', data }]));
  const sha256 = createHash('sha256').update(inner).digest('hex');

  it('takes the three files that Dawn needs', () => {
    const unpacked = unpackSwiftShader(packed(inner), sha256);
    expect([...unpacked.keys()]).toEqual(files.slice(0, 3));
    expect(unpacked.get('libvulkan.so.1')?.toString()).toBe('libvulkan.so.1');
  });

  it('refuses an archive that is not the known one', () => {
    expect(() => unpackSwiftShader(packed(inner))).toThrow(`got ${sha256}`);
    expect(() => unpackSwiftShader(gzipSync(pack([])), sha256)).toThrow('the package has no package/bin/');
  });

  it('refuses an archive in which a file is missing', () => {
    const less = brotliCompressSync(pack([{ name: files[0]!, data: Buffer.from('{}') }]));
    const hash = createHash('sha256').update(less).digest('hex');
    expect(() => unpackSwiftShader(packed(less), hash)).toThrow('has no libvk_swiftshader.so');
  });
});
