import { md5, sha1 } from '@noble/hashes/legacy.js';
import { sha256 } from '@noble/hashes/sha2.js';
import type { MakeHasher } from '../store.ts';

const makers = { sha256, gitSha1: sha1, md5 } as const;

/** Hashes piece by piece, which the browsers' own functions cannot: they want all bytes at once. */
export const makeWebHasher: MakeHasher = (algorithm, size) => {
  const hash = makers[algorithm].create();
  if (algorithm === 'gitSha1') hash.update(new TextEncoder().encode(`blob ${size}\0`));
  return {
    update: (bytes) => void hash.update(bytes),
    hex: () => [...hash.digest()].map((byte) => byte.toString(16).padStart(2, '0')).join(''),
  };
};
