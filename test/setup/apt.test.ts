import { describe, expect, it } from 'vitest';
import {
  chooseSources,
  formatSource,
  parseList,
  parseOsRelease,
  parseSources,
  usesApt,
} from '../../scripts/setup/apt.mjs';

const bookworm = parseOsRelease(`PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
ID=debian
VERSION_ID="12"
VERSION_CODENAME=bookworm
`);
const noble = parseOsRelease('ID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"\nVERSION_CODENAME=noble\n');

describe('parseOsRelease', () => {
  it('reads name, ancestors, version and codename, quoted or not', () => {
    expect(bookworm).toEqual({ ids: ['debian'], version: '12', codename: 'bookworm' });
    expect(noble).toEqual({ ids: ['ubuntu', 'debian'], version: '24.04', codename: 'noble' });
  });

  it('gives empty fields for what is not there', () => {
    expect(parseOsRelease('')).toEqual({ ids: [], version: '', codename: '' });
  });

  it('tells where apt is used', () => {
    expect(usesApt(bookworm)).toBe(true);
    expect(usesApt(parseOsRelease('ID=linuxmint\nID_LIKE="ubuntu debian"\n'))).toBe(true);
    expect(usesApt(parseOsRelease('ID=fedora\n'))).toBe(false);
  });
});

describe('parseSources', () => {
  it('reads paragraphs, with comments between and within them', () => {
    const text = `# the main archive
Types: deb deb-src
# an old snapshot
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/archive.gpg


Types: deb
uris: http://security.example/
Suites: bookworm-security
Components: main contrib
`;
    expect(parseSources(text)).toEqual([
      {
        uris: ['http://mirror.example/debian'],
        suites: ['bookworm', 'bookworm-updates'],
        components: ['main'],
        options: { 'Signed-By': '/usr/share/keyrings/archive.gpg' },
      },
      {
        uris: ['http://security.example/'],
        suites: ['bookworm-security'],
        components: ['main', 'contrib'],
        options: {},
      },
    ]);
  });

  it('leaves out what is switched off and what holds sources only', () => {
    expect(parseSources('Types: deb\nURIs: u\nSuites: s\nEnabled: no\n')).toEqual([]);
    expect(parseSources('Types: deb-src\nURIs: u\nSuites: s\n')).toEqual([]);
    expect(parseSources('')).toEqual([]);
  });

  it('keeps a key that is written into the file, line by line', () => {
    const text = `Types: deb
URIs: http://mirror.example/debian
Suites: bookworm
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mDMEZm9v
 -----END PGP PUBLIC KEY BLOCK-----
`;
    const [source] = parseSources(text);
    expect(formatSource(source!)).toBe(text);
  });
});

describe('parseList', () => {
  it('reads lines with and without options, and passes over the rest', () => {
    const text = `# deb http://commented.example/debian bookworm main
deb http://mirror.example/debian bookworm main contrib # a remark
deb-src http://mirror.example/debian bookworm main
deb [arch=amd64,arm64 signed-by=/k.gpg trusted=yes] http://other.example/apt stable main

deb [ check-valid-until=no ] http://flat.example/repo ./
`;
    expect(parseList(text)).toEqual([
      { uris: ['http://mirror.example/debian'], suites: ['bookworm'], components: ['main', 'contrib'], options: {} },
      {
        uris: ['http://other.example/apt'],
        suites: ['stable'],
        components: ['main'],
        options: { Architectures: 'amd64 arm64', 'Signed-By': '/k.gpg', Trusted: 'yes' },
      },
      {
        uris: ['http://flat.example/repo'],
        suites: ['./'],
        components: [],
        options: { 'Check-Valid-Until': 'no' },
      },
    ]);
  });

  it('reads back what it wrote as deb822', () => {
    const [source] = parseList('deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian bookworm main contrib');
    expect(parseSources(formatSource(source!))).toEqual([source]);
  });
});

describe('chooseSources', () => {
  const main = {
    uris: ['http://mirror.example/debian'],
    suites: ['bookworm', 'bookworm-updates'],
    components: ['main', 'contrib'],
    options: { 'Signed-By': '/k.gpg' },
  };
  const foreign = { uris: ['http://vendor.example/apt'], suites: ['nodistro'], components: ['main'], options: {} };

  it("takes Debian 12's backports at the mirror of its main archive, with the same key", () => {
    expect(chooseSources(bookworm, [foreign, main])).toEqual({
      sources: [main, { ...main, suites: ['bookworm-backports'], components: ['main'] }],
      target: 'bookworm-backports',
    });
  });

  it('does not name the backports twice', () => {
    const there = { ...main, suites: ['bookworm', 'bookworm-backports'] };
    expect(chooseSources(bookworm, [there])).toEqual({ sources: [there], target: 'bookworm-backports' });
  });

  it('takes the plain package on Ubuntu and on a newer Debian', () => {
    const ubuntu = { ...main, suites: ['noble', 'noble-updates', 'noble-security'] };
    expect(chooseSources(noble, [foreign, ubuntu])).toEqual({ sources: [ubuntu], target: undefined });
    const trixie = parseOsRelease('ID=debian\nVERSION_ID="13"\nVERSION_CODENAME=trixie\n');
    const newer = { ...main, suites: ['trixie'] };
    expect(chooseSources(trixie, [newer])).toEqual({ sources: [newer], target: undefined });
  });

  it('knows a Debian mirror that is named by the word stable', () => {
    const stable = { ...main, suites: ['stable'] };
    expect(chooseSources(bookworm, [stable])?.sources).toEqual([
      stable,
      { ...stable, suites: ['bookworm-backports'], components: ['main'] },
    ]);
  });

  it("gives nothing where no source is the distribution's own", () => {
    expect(chooseSources(bookworm, [foreign])).toBeUndefined();
    expect(chooseSources(bookworm, [{ ...main, suites: ['bookworm-security'] }])).toBeUndefined();
    expect(chooseSources(parseOsRelease(''), [main])).toBeUndefined();
  });
});
