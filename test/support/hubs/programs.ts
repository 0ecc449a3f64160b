import { compilePrograms } from '../programs.ts';

/** Programs of this folder in a form that Node runs. */
export interface Programs {
  /** The file of `pull.ts`. */
  readonly pull: string;
  readonly remove: () => void;
}

/** Compiles the programs of this folder. */
export const buildPrograms = (): Programs => {
  const { fileOf, remove } = compilePrograms(['test/support/hubs/pull.ts', 'test/support/hubs/serve.ts']);
  return { pull: fileOf('test/support/hubs/pull.ts'), remove };
};
