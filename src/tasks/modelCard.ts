import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SavedKind } from '../models/transformersLayout.ts';
import type { FileToWrite } from '../weights/index.ts';

/** What tells a card that saving wrote from one that somebody wrote. */
const mark =
  '<!-- Written by purelm with the model; a card without this line is kept when the model is saved again. -->';

/** What a model card tells. */
export interface CardFacts {
  /** KerasHub's name of the task or backbone. */
  readonly name: string;
  readonly kind: SavedKind | 'embedder';
  /** transformers' class. */
  readonly architecture: string;
  readonly parameters: number;
  readonly dtype: string;
  /** The model's fields of config.json. */
  readonly config: object;
}

/** What each kind is called on the hub, and how transformers and purelm open it. */
const kinds: Readonly<
  Record<CardFacts['kind'], { readonly tag: string; readonly auto: string; readonly own: string }>
> = {
  backbone: { tag: 'feature-extraction', auto: 'AutoModel', own: '' },
  causalLM: { tag: 'text-generation', auto: 'AutoModelForCausalLM', own: 'CausalLM' },
  seq2seqLM: { tag: 'text2text-generation', auto: 'AutoModelForSeq2SeqLM', own: 'Seq2SeqLM' },
  maskedLM: { tag: 'fill-mask', auto: 'AutoModelForMaskedLM', own: 'MaskedLM' },
  textClassifier: { tag: 'text-classification', auto: 'AutoModelForSequenceClassification', own: 'TextClassifier' },
  embedder: { tag: 'sentence-similarity', auto: 'SentenceTransformer', own: 'TextEmbedder' },
};

const code = (language: string, ...lines: readonly string[]): string =>
  `\`\`\`${language}\n${lines.join('\n')}\n\`\`\``;

/** The text of a model card. */
const cardText = ({ name, kind, architecture, parameters, dtype, config }: CardFacts): string => {
  const { tag, auto, own } = kinds[kind];
  const library = kind === 'embedder' ? 'sentence-transformers' : 'transformers';
  const sizes = Object.entries(config)
    .filter(([, value]) => value !== null && typeof value !== 'object')
    .map(([field, value]) => `| ${field} | ${value} |`);
  const opener = own === '' ? name : own;
  return [
    `---\nlibrary_name: ${library}\npipeline_tag: ${tag}\ntags:\n- purelm\n- keras-hub\n---`,
    mark,
    `# ${name}`,
    `A model of the class \`${architecture}\`: ${parameters.toLocaleString('en-US')} parameters, stored as ${dtype}.`,
    kind === 'embedder'
      ? code('python', `from ${library.replace('-', '_')} import ${auto}`, '', `model = ${auto}("path/to/this/folder")`)
      : code(
          'python',
          `from transformers import ${auto}, AutoTokenizer`,
          '',
          `model = ${auto}.from_pretrained("path/to/this/folder")`,
        ),
    code(
      'ts',
      `import { ${opener} } from 'purelm';`,
      '',
      `const model = await ${opener}.fromPreset('path/to/this/folder');`,
    ),
    ['| size | |', '| --- | --- |', ...sizes].join('\n'),
    'What it was trained on, what it is for and what it is not good at is for its authors to say here.',
    '',
  ].join('\n\n');
};

/** The model card of a folder: the one that somebody wrote and that is there, else a new one. */
export const modelCard = async (folder: string, facts: CardFacts | undefined): Promise<readonly FileToWrite[]> => {
  const name = 'README.md';
  const there = await readFile(join(folder, name)).catch(() => undefined);
  const isOurs = there?.toString('utf8').includes(mark) === true;
  if (there !== undefined && !isOurs) return [{ name, content: [there] }];
  return facts === undefined ? [] : [{ name, content: [new TextEncoder().encode(cardText(facts))] }];
};
