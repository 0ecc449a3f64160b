// Characters whose full case folding is not lower(upper(lower(c))), of all that Unicode 14 has: the dotless i folds to
// itself, and Cherokee folds to its older, upper case.
const dotless = '\u0131';
const cherokee = /[\u13a0-\u13fd\uab70-\uabbf]/;
const ascii = /^\p{ASCII}*$/u;

/** Full case folding of one character. Character by character, since `toLowerCase` looks at what stands before a sigma. */
const foldCharacter = (character: string): string =>
  character === dotless
    ? character
    : cherokee.test(character)
      ? character.toUpperCase()
      : character.toLowerCase().toUpperCase().toLowerCase();

/**
 * Case folding as KerasHub does it: NFKC, full case folding, NFKC again, and characters that are ignorable by default
 * (soft hyphens, variation selectors …) left out.
 *
 * @see Unicode 14, section 3.13, toNFKC_Casefold; casefold_utf8 of keras_hub
 */
export const caseFold = (text: string): string =>
  ascii.test(text)
    ? text.toLowerCase()
    : Array.from(text.normalize('NFKC'), foldCharacter)
        .join('')
        .normalize('NFKC')
        .replace(/\p{Default_Ignorable_Code_Point}/gu, '');
