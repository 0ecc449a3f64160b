/**
 * How GPT-2 cuts a text into words before BPE; RoBERTa and BART learnt their vocabularies with it too. White space is
 * Unicode's: JavaScript's `\s` has U+FEFF and lacks U+0085.
 *
 * @see Radford et al. 2019, section 2.2
 */
export const gpt2Pattern: RegExp =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;
