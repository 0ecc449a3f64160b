// @ts-check
// Reads a tar archive that lies in memory: plain files only, every length checked before it is believed.

const BLOCK = 512;

/**
 * @param {Buffer} header
 * @param {number} start
 * @param {number} length
 */
const textAt = (header, start, length) => {
  const field = header.subarray(start, start + length);
  const end = field.indexOf(0);
  return field.subarray(0, end === -1 ? length : end).toString('utf8');
};

/**
 * @param {Buffer} header
 * @param {number} start
 * @param {number} length
 * @param {string} what
 */
const octalAt = (header, start, length, what) => {
  const text = textAt(header, start, length).trim();
  if (!/^[0-7]+$/.test(text)) throw new Error(`tar: expected ${what} as an octal number, got ${JSON.stringify(text)}`);
  return Number.parseInt(text, 8);
};

/** @param {Buffer} header */
const checksum = (header) => {
  let sum = 0;
  for (let i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? 32 : /** @type {number} */ (header[i]);
  return sum;
};

/**
 * The path in a pax header's records (`length key=value\n`), if it has one.
 *
 * @param {Buffer} data
 */
const paxPath = (data) => {
  let path;
  for (let at = 0; at < data.length; ) {
    const space = data.indexOf(32, at);
    const length = space === -1 ? Number.NaN : Number(data.subarray(at, space).toString('latin1'));
    if (!Number.isInteger(length) || length < space - at + 2 || at + length > data.length) {
      throw new Error(`tar: broken pax record at byte ${at}`);
    }
    const record = data.subarray(space + 1, at + length - 1).toString('utf8');
    if (record.startsWith('path=')) path = record.slice('path='.length);
    at += length;
  }
  return path;
};

/**
 * The plain files of a tar archive (ustar, pax paths, GNU long names), in their order; folders and links are left out.
 * Names are given as the archive says them: whoever writes files chooses names, and does not follow these.
 *
 * @param {Buffer} archive
 * @returns {Generator<{ readonly name: string, readonly data: Buffer }, void, undefined>} Views into `archive`.
 * @throws {Error} If a header is broken or a file reaches beyond the archive's end.
 */
export const tarFiles = function* (archive) {
  /** @type {string | undefined} */
  let longName;
  for (let at = 0; at + BLOCK <= archive.length; ) {
    const header = archive.subarray(at, at + BLOCK);
    if (header.every((byte) => byte === 0)) return;
    if (octalAt(header, 148, 8, 'a checksum') !== checksum(header)) {
      throw new Error(`tar: the checksum of the header at byte ${at} does not fit`);
    }
    const size = octalAt(header, 124, 12, 'a size');
    const start = at + BLOCK;
    if (start + size > archive.length) {
      throw new Error(`tar: a file of ${size} bytes starts at byte ${start} of an archive of ${archive.length} bytes`);
    }
    const data = archive.subarray(start, start + size);
    const type = String.fromCharCode(/** @type {number} */ (header[156]));
    if (type === 'x') longName = paxPath(data) ?? longName;
    else if (type === 'L') longName = textAt(data, 0, data.length);
    else if (type !== 'g') {
      const prefix = textAt(header, 257, 5) === 'ustar' ? textAt(header, 345, 155) : '';
      const short = textAt(header, 0, 100);
      if (type === '0' || type === '\0') {
        yield { name: longName ?? (prefix === '' ? short : `${prefix}/${short}`), data };
      }
      longName = undefined;
    }
    at = start + Math.ceil(size / BLOCK) * BLOCK;
  }
};
