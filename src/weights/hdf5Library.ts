import type { Metadata, ready } from 'h5wasm';

/** The HDF5 library, compiled to WebAssembly. */
export type Hdf5 = Awaited<typeof ready>;
export type { Metadata };

/** A file as the library may see it: its size, and a read that gives how many bytes came. */
export interface SandboxedFile {
  readonly size: number;
  readonly readSync: (target: NodeJS.ArrayBufferView, offset: number, length: number, position: number) => number;
}

// The parts of Emscripten's file system that its published types leave out.
interface MemoryNode {
  stream_ops: Readonly<Record<string, unknown>>;
}
interface MemoryFileSystem {
  readonly streams: readonly unknown[];
  readonly ErrnoError: new (errno: number) => Error;
  readonly close: (stream: unknown) => void;
  readonly open: (path: string, flags: string) => unknown;
  readonly unlink: (path: string) => void;
  readonly createFile: (folder: string, name: string, properties: object, read: boolean, write: boolean) => MemoryNode;
}

const inputOutputErrno = 29;

const start = async (): Promise<Hdf5> => {
  const { ready: started } = await import('h5wasm');
  const library = await started;
  // The library prints an error stack for each call that fails: our errors say it better. 2 is its stderr.
  const fs = library.FS as unknown as MemoryFileSystem;
  fs.close(fs.streams[2]);
  fs.open('/dev/null', 'w');
  return library;
};

let library: Promise<Hdf5> | undefined;

/** The library, started at its first use: about a tenth of a second. */
export const hdf5 = (): Promise<Hdf5> => {
  library ??= start();
  return library;
};

let serial = 0;

/**
 * Shows one file to the library, whose file system is otherwise empty and in memory. So links, external storage and
 * virtual datasets in a hostile file lead nowhere, whatever they name, and the library reads positions, never the whole.
 *
 * @returns The path under which the library finds it, and how to take it away again.
 */
export const expose = ({ FS }: Hdf5, { size, readSync }: SandboxedFile): { path: string; remove: () => void } => {
  const fs = FS as unknown as MemoryFileSystem;
  const name = `checkpoint${serial++}`;
  const node = fs.createFile('/', name, {}, true, false);
  Object.defineProperty(node, 'usedBytes', { get: () => size });
  node.stream_ops = {
    ...node.stream_ops,
    read: (_: unknown, target: NodeJS.ArrayBufferView, offset: number, length: number, position: number): number => {
      try {
        return readSync(target, offset, Math.max(0, Math.min(length, size - position)), position);
      } catch {
        // Any other exception would tear through the library's own frames.
        throw new fs.ErrnoError(inputOutputErrno);
      }
    },
    write: () => {
      throw new fs.ErrnoError(inputOutputErrno);
    },
  };
  return { path: `/${name}`, remove: () => fs.unlink(`/${name}`) };
};
