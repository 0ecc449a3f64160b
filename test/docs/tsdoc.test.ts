import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ts } from '@ts-morph/common';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const source = join(root, 'src');

interface Manifest {
  readonly exports: Readonly<Record<string, string | { readonly types: string }>>;
}

/** The modules that package.json offers, as files under src. */
const entryPoints = Object.values((JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest).exports)
  .flatMap((entry) => (typeof entry === 'string' ? [] : [entry.types]))
  .map((types) => join(source, types.replace(/^\.\/dist\//, '').replace(/\.d\.ts$/, '.ts')));

const sources = readdirSync(source, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => join(source, name));

// TypeScript 7 has no API of its own, so the compiler before it reads the sources here.
const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile);
const { options } = ts.parseJsonConfigFileContent({ ...config, files: [], include: [] }, ts.sys, root);
const program = ts.createProgram(sources, options);
const checker = program.getTypeChecker();

const isOurs = (node: ts.Node): boolean => node.getSourceFile().fileName.startsWith(source);

const target = (symbol: ts.Symbol): ts.Symbol =>
  (symbol.flags & ts.SymbolFlags.Alias) === 0 ? symbol : checker.getAliasedSymbol(symbol);

const exportsOf = (file: string): readonly ts.Symbol[] => {
  const module = checker.getSymbolAtLocation(program.getSourceFile(file)!);
  return module === undefined ? [] : checker.getExportsOfModule(module);
};

const where = (symbol: ts.Symbol): string => {
  const node = symbol.declarations?.[0];
  if (node === undefined) return 'nowhere';
  const file = node.getSourceFile();
  return `${relative(root, file.fileName)}:${file.getLineAndCharacterOfPosition(node.getStart()).line + 1}`;
};

/** The description of a symbol, without its tags. */
const description = (symbol: ts.Symbol): string =>
  ts.displayPartsToString(symbol.getDocumentationComment(checker)).trim();

/** The whole comment: description and tags. */
const comment = (symbol: ts.Symbol): string =>
  [
    description(symbol),
    ...symbol.getJsDocTags(checker).map(({ name, text }) => `@${name} ${ts.displayPartsToString(text)}`),
  ].join('\n');

const names = (text: string, word: string): boolean =>
  new RegExp(`(?<![\\w$])${word.replace(/\$/g, '\\$')}(?![\\w$])`).test(text);

/** A sentence begins with a capital, a formula or a name, and ends. */
const isSentence = (text: string): boolean => /^\S[\s\S]{4,}[.:?!]/.test(text);

/** Whether a member says itself what it is: `shape`, `dtype`, or what tells the cases of a union apart (`kind: 'whole'`). */
const isPlain = (node: ts.Declaration): boolean =>
  ts.isPropertySignature(node) &&
  (/^(shape|dtype)$/.test(node.name.getText()) || (node.type !== undefined && ts.isLiteralTypeNode(node.type)));

const membersOf = (type: ts.Type): readonly ts.Symbol[] =>
  type.getProperties().filter(({ declarations = [] }) => declarations.some(isOurs) && !declarations.every(isPlain));

/** Whether a constant says its type, whose members are explained there. */
const hasAnnotation = ({ valueDeclaration: node }: ts.Symbol): boolean =>
  node !== undefined && ts.isVariableDeclaration(node) && node.type !== undefined;

/** The names of members that a parameter takes apart. */
const namesOf = (name: ts.BindingName): readonly string[] =>
  ts.isIdentifier(name)
    ? [name.text]
    : name.elements.flatMap((element) =>
        ts.isOmittedExpression(element)
          ? []
          : element.propertyName !== undefined && ts.isIdentifier(element.propertyName)
            ? [element.propertyName.text]
            : element.dotDotDotToken === undefined
              ? namesOf(element.name)
              : [],
      );

/** Types that say what a value is, and not what it means. */
const GENERAL = ['Tensor', 'Shape', 'DType', 'NDArray', 'Tree'];

/** Whether the type of a parameter has a name of its own and is explained where it is declared. */
const explainsItself = ({ type }: ts.ParameterDeclaration): boolean => {
  if (type === undefined || !ts.isTypeReferenceNode(type)) return false;
  const symbol = target(checker.getSymbolAtLocation(type.typeName)!);
  return !GENERAL.includes(symbol.name) && symbol.declarations?.some(isOurs) === true && description(symbol) !== '';
};

/** Whether a function's comment names a parameter, or its type explains it. */
const isExplained = (text: string, parameter: ts.ParameterDeclaration): boolean =>
  explainsItself(parameter) || (ts.isIdentifier(parameter.name) && names(text, parameter.name.text.replace(/^_/, '')));

/** Names of a parameter that is taken apart, of which neither the function's comment nor the type's says anything. */
const unexplainedParts = (text: string, parameter: ts.ParameterDeclaration): readonly string[] => {
  const type = checker.getTypeAtLocation(parameter);
  return namesOf(parameter.name).filter((name) => {
    const member = type.getProperty(name);
    return !names(text, name) && (member === undefined || description(member) === '');
  });
};

/** Parameters of a function, and of the function that it returns, of which nothing is said. */
const unexplained = (text: string, node: ts.SignatureDeclaration): readonly string[] => {
  const own = node.parameters
    .filter((parameter) => !isExplained(text, parameter))
    .flatMap((parameter) =>
      ts.isIdentifier(parameter.name) ? [parameter.name.text] : unexplainedParts(text, parameter),
    );
  const returned =
    ts.isArrowFunction(node) && (ts.isArrowFunction(node.body) || ts.isFunctionExpression(node.body))
      ? unexplained(text, node.body)
      : [];
  return [...own, ...returned];
};

const functionsOf = (symbol: ts.Symbol): readonly ts.SignatureDeclaration[] => {
  const type = checker.getTypeOfSymbol(symbol);
  return type
    .getCallSignatures()
    .map(({ declaration }) => declaration)
    .filter(
      (node): node is ts.SignatureDeclaration => node !== undefined && !ts.isJSDocSignature(node) && isOurs(node),
    );
};

const isValue = (symbol: ts.Symbol): boolean => (symbol.flags & ts.SymbolFlags.Value) !== 0;
const isType = (symbol: ts.Symbol): boolean =>
  (symbol.flags & (ts.SymbolFlags.Interface | ts.SymbolFlags.TypeAlias)) !== 0;

const speaksOfTensors = (node: ts.SignatureDeclaration): boolean =>
  node.parameters.some(({ type }) => type?.getText() === 'Tensor') || node.type?.getText() === 'Tensor';

/** What is missing in the documentation of a public name. */
const gaps = (name: string, symbol: ts.Symbol): readonly string[] => {
  const found: string[] = [];
  const say = (at: ts.Symbol, problem: string): void => {
    found.push(`${where(at)} ${problem}`);
  };
  const text = comment(symbol);
  if (!isSentence(description(symbol))) say(symbol, `${name} has no sentence of its own`);

  if (isType(symbol))
    for (const member of membersOf(checker.getDeclaredTypeOfSymbol(symbol)))
      if (description(member) === '' && !names(text, member.name))
        say(member, `${name}.${member.name} is not explained`);

  if (isValue(symbol)) {
    // A constant of a named type is explained by that type.
    for (const node of hasAnnotation(symbol) ? [] : functionsOf(symbol)) {
      for (const parameter of unexplained(text, node)) say(symbol, `${name} does not explain ${parameter}`);
      if (speaksOfTensors(node) && !/\[[^\]]*\]|shape|scalar|broadcast|element/i.test(text))
        say(symbol, `${name} says nothing of shapes`);
    }
    if ((symbol.flags & ts.SymbolFlags.Variable) !== 0 && !hasAnnotation(symbol))
      for (const member of membersOf(checker.getTypeOfSymbol(symbol)))
        if (description(member) === '' && !names(text, member.name))
          say(member, `${name}.${member.name} is not explained`);
  }
  return found;
};

const publicGaps = (): readonly string[] => {
  const seen = new Set<ts.Symbol>();
  const visit = (exported: ts.Symbol): readonly string[] => {
    const symbol = target(exported);
    if (seen.has(symbol)) return [];
    seen.add(symbol);
    if ((symbol.flags & ts.SymbolFlags.ValueModule) !== 0) return checker.getExportsOfModule(symbol).flatMap(visit);
    return symbol.declarations?.some(isOurs) === true ? gaps(exported.name, symbol) : [];
  };
  return [...new Set(entryPoints.flatMap(exportsOf).flatMap(visit))].sort();
};

describe('documentation', () => {
  it('has a sentence for every export of every file', () => {
    const bare = sources.flatMap((file) =>
      exportsOf(file)
        .filter(({ declarations }) => declarations?.some(isOurs) === true)
        .filter((symbol) => (symbol.flags & ts.SymbolFlags.Alias) === 0 && !isSentence(description(symbol)))
        .map((symbol) => `${where(symbol)} ${symbol.name}`),
    );
    expect(bare).toEqual([]);
  });

  it('explains members and parameters of everything public, and the shapes of tensors', () => {
    expect(entryPoints.length).toBeGreaterThanOrEqual(6);
    expect(publicGaps()).toEqual([]);
  });
});
