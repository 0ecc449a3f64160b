// @ts-check
// A little world that writes its own stories: the text that the shipped preset is trained on.
//
// Every story is made here by a grammar with a memory: somebody needs something, looks for it in a place where such a thing
// is found, meets somebody on the way, and the end fits the beginning. Number, gender, articles and tenses agree. Whoever
// tells a story to a child does it so.

/** @typedef {import('./draw.mjs').Draw} Draw */

const girls = ['Anna', 'Mia', 'Lily', 'Rosa', 'Emma', 'Nina'];
const boys = ['Tom', 'Ben', 'Max', 'Leo', 'Sam', 'Otto'];
const kinds = ['fox', 'dog', 'cat', 'hen', 'duck', 'owl', 'bear', 'mouse', 'rabbit', 'frog', 'horse', 'goat'];
/** @type {Readonly<Record<string, string>>} */
const plurals = { mouse: 'mice', fox: 'foxes' };
/** In the order in which English puts them. */
const adjectives = [
  'clever',
  'brave',
  'kind',
  'shy',
  'lazy',
  'quick',
  'little',
  'old',
  'young',
  'brown',
  'white',
  'grey',
];
const times = ['One morning', 'One evening', 'One day', 'One cold night', 'One sunny afternoon', 'Early one morning'];

/**
 * Where stories happen: the word before the place, where things hide in it, and where one finds shelter.
 *
 * @type {Readonly<Record<string, { readonly at: string, readonly hidden: readonly string[], readonly shelter: string }>>}
 */
const scenes = {
  forest: {
    at: 'in',
    hidden: ['under an old tree', 'behind a big stone', 'in the tall grass'],
    shelter: 'a dry cave',
  },
  garden: {
    at: 'in',
    hidden: ['under the apple tree', 'behind the wall', 'among the flowers'],
    shelter: 'a small shed',
  },
  river: { at: 'by', hidden: ['under the bridge', 'between two stones', 'in the tall grass'], shelter: 'an old mill' },
  hill: { at: 'on', hidden: ['behind a big stone', 'in the tall grass', 'under an old tree'], shelter: 'a small hut' },
  farm: { at: 'on', hidden: ['behind the barn', 'under the cart', 'in the hay'], shelter: 'the old barn' },
  village: { at: 'in', hidden: ['behind the church', 'under a bench', 'by the well'], shelter: 'a warm house' },
  lake: {
    at: 'by',
    hidden: ['in an old boat', 'between two stones', 'under the bridge'],
    shelter: 'an old boat house',
  },
  valley: { at: 'in', hidden: ['in the tall grass', 'behind a big stone', 'by the road'], shelter: 'a small hut' },
};
const places = Object.keys(scenes);

/** What one can eat, what it is called when there is none, where it is found, how it is got, and what it is like. */
const foods = /** @type {const} */ ([
  ['an apple', 'are no apples', 'garden', 'picked', 'It was red and sweet'],
  ['a pear', 'are no pears', 'garden', 'picked', 'It was green and soft'],
  ['a fish', 'are no fish', 'river', 'caught', 'It was small and silver'],
  ['a fish', 'are no fish', 'lake', 'caught', 'It was big and silver'],
  ['a mushroom', 'are no mushrooms', 'forest', 'found', 'It was round and brown'],
  ['a nut', 'are no nuts', 'forest', 'found', 'It was hard and brown'],
  ['an egg', 'are no eggs', 'farm', 'found', 'It was warm and white'],
  ['a carrot', 'are no carrots', 'farm', 'found', 'It was long and orange'],
  ['a cake', 'are no cakes', 'village', 'bought', 'It was warm and sweet'],
  ['a loaf of bread', 'is no bread', 'village', 'bought', 'It was warm and fresh'],
]);
const drinks = /** @type {const} */ ([
  ['river', 'The water was cold and clear'],
  ['lake', 'The water was calm and blue'],
]);
const toys = ['ball', 'kite', 'hat', 'book', 'key', 'drum', 'boat'];
const colours = ['red', 'blue', 'green', 'yellow'];
const games = ['played in the grass', 'danced in the sun', 'sang a merry song', 'told each other stories'];

/**
 * Somebody a story can speak of, and the words that must agree.
 *
 * @typedef {object} Being
 * @property {string} first - When they are met: "a little fox".
 * @property {string} later - Once they are known: "the fox".
 * @property {string} described - Known, and described: "the little fox".
 * @property {string | undefined} kind - Undefined for children.
 * @property {'she' | 'he' | 'it' | 'they'} subject
 * @property {'her' | 'his' | 'its' | 'their'} owner
 * @property {'was' | 'were'} was
 */

/** @param {string} words */
const withArticle = (words) => `${'aeiou'.includes(words[0] ?? '') ? 'an' : 'a'} ${words}`;

/** @param {string} text */
const capital = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}`;

/** @param {string} place */
const at = (place) => `${scenes[place]?.at} the ${place}`;

/** @param {Being} being */
const isMany = ({ was }) => was === 'were';

/**
 * A child.
 *
 * @param {Draw} draw
 * @returns {Being}
 */
const child = (draw) => {
  const isGirl = draw.chance(0.5);
  const name = draw.choice(isGirl ? girls : boys);
  const words = isGirl
    ? /** @type {const} */ ({ subject: 'she', owner: 'her' })
    : /** @type {const} */ ({ subject: 'he', owner: 'his' });
  return { first: name, later: name, described: name, kind: undefined, was: 'was', ...words };
};

/**
 * An animal, of another kind than `other`.
 *
 * @param {Draw} draw
 * @param {Being} [other]
 * @returns {Being}
 */
const animal = (draw, other) => {
  const kind = draw.choice(kinds.filter((own) => own !== other?.kind));
  const words = new Set(Array.from({ length: draw.choice([0, 1, 1, 1, 2]) }, () => draw.choice(adjectives)));
  const described = [...adjectives.filter((own) => words.has(own)), kind].join(' ');
  return {
    first: withArticle(described),
    later: `the ${kind}`,
    described: `the ${described}`,
    kind,
    subject: 'it',
    owner: 'its',
    was: 'was',
  };
};

/**
 * Several animals of one kind.
 *
 * @param {Draw} draw
 * @param {Being} [other]
 * @returns {Being}
 */
const animals = (draw, other) => {
  const kind = draw.choice(kinds.filter((own) => own !== other?.kind));
  const many = plurals[kind] ?? `${kind}s`;
  const described = `${draw.choice(['two', 'three', 'four'])} ${draw.choice(adjectives)} ${many}`;
  return {
    first: described,
    later: `the ${many}`,
    described: `the ${described}`,
    kind,
    subject: 'they',
    owner: 'their',
    was: 'were',
  };
};

/** @param {Draw} draw */
const somebody = (draw) => draw.choice([child, child, animal, animal, animals])(draw);

/**
 * @param {Draw} draw
 * @param {Being} hero
 */
const somebodyElse = (draw, hero) =>
  draw.chance(0.2) && hero.kind !== undefined ? child(draw) : draw.choice([animal, animal, animals])(draw, hero);

/**
 * What a story is made from.
 *
 * @typedef {{ readonly draw: Draw, readonly hero: Being, readonly other: Being, readonly home: string }} Cast
 */

/**
 * A place that is not home.
 *
 * @param {Cast} cast
 */
const elsewhere = ({ draw, home }) => draw.choice(places.filter((place) => place !== home));

/**
 * The first sentence or two; afterwards the hero is known.
 *
 * @param {Cast} cast
 */
const opening = ({ draw, hero, home }) => {
  const here = at(home);
  if (hero.kind === undefined) {
    const who = draw.choice(hero.subject === 'she' ? ['a girl', 'a little girl'] : ['a boy', 'a little boy']);
    return draw.choice([
      `Once there was ${who} named ${hero.first}. ${capital(hero.subject)} lived ${here}.`,
      `${hero.first} lived in a small house ${here}.`,
      `${hero.first} was ${who} who lived ${here}.`,
      `This is a story about ${who} named ${hero.first}, who lived ${here}.`,
    ]);
  }
  return draw.choice([
    `Once there ${hero.was} ${hero.first} who lived ${here}.`,
    `Once upon a time, ${hero.first} lived ${here}.`,
    `${capital(hero.described)} lived ${here}.`,
    `${capital(hero.described)} lived ${here}.`,
    `There once ${hero.was} ${hero.first}. ${capital(hero.subject)} lived ${here}.`,
    `This is a story about ${hero.first}, who lived ${here}.`,
  ]);
};

/** @param {Being} being */
const canSay = (being) => ({
  am: isMany(being) ? 'We are' : 'I am',
  can: isMany(being) ? 'We' : 'I',
  me: isMany(being) ? 'us' : 'me',
  my: isMany(being) ? 'our' : 'my',
});

/**
 * Somebody is met, asks, and is answered.
 *
 * @param {Cast} cast
 * @param {string} wish - What follows "I am" or "We are".
 */
const meeting = ({ draw, hero, other }, wish) =>
  [
    `${draw.choice(['On the way,', 'There', 'Soon,'])} ${hero.subject} met ${other.first}.`,
    `"${draw.choice(['Where are you going?', 'What are you doing?'])}" asked ${other.later}.`,
    `"${canSay(hero).am} ${wish}," said ${hero.later}.`,
  ].join(' ');

/** @type {(cast: Cast) => string[]} */
const hungry = (cast) => {
  const { draw, hero, other, home } = cast;
  const [food, none, place, got, nature] = draw.choice(foods.filter(([, , where]) => where !== home));
  const plain = food.slice(food.indexOf(' ') + 1);
  const begin = [
    `${draw.choice(times)}, ${hero.later} ${hero.was} very hungry.`,
    `${capital(hero.subject)} went to the ${place} to look for ${food}.`,
    meeting(cast, `looking for ${food}`),
  ];
  return draw.chance(0.7)
    ? [
        ...begin,
        `"${canSay(other).can} can help you," said ${other.later}.`,
        `Together they ${got} ${food}. ${nature}.`,
        `They shared the ${plain} and became good friends.`,
      ]
    : [
        ...begin,
        `"There ${none} here," said ${other.later}.`,
        `But ${hero.later} looked again and ${got} ${food}. ${nature}.`,
        `${capital(hero.later)} ate the ${plain} and ${hero.was} not hungry any more.`,
      ];
};

/** @type {(cast: Cast) => string[]} */
const thirsty = (cast) => {
  const { draw, hero, other, home } = cast;
  const [place, nature] = draw.choice(drinks.filter(([where]) => where !== home));
  return [
    `${draw.choice(['One hot day', 'One sunny afternoon'])}, ${hero.later} ${hero.was} very thirsty.`,
    `${capital(hero.subject)} walked to the ${place} to drink some water.`,
    meeting(cast, 'looking for some water'),
    `"Come with ${canSay(other).me}," said ${other.later}, and they walked to the ${place} together.`,
    `${nature}. They drank and drank until they were not thirsty any more.`,
  ];
};

/** @type {(cast: Cast) => string[]} */
const lost = (cast) => {
  const { draw, hero, other } = cast;
  const toy = `${draw.choice(colours)} ${draw.choice(toys)}`;
  const place = elsewhere(cast);
  const where = draw.choice(scenes[place]?.hidden ?? []);
  return [
    `${draw.choice(times)}, ${hero.later} lost ${hero.owner} ${toy} ${at(place)}.`,
    `${capital(hero.subject)} looked everywhere, but ${hero.subject} could not find it.`,
    meeting(cast, `looking for ${canSay(hero).my} ${toy}`),
    draw.chance(0.6)
      ? `${capital(other.later)} looked ${where}, and there was the ${toy}!`
      : `"Look ${where}," said ${other.later}. And there was the ${toy}!`,
    `"Thank you!" said ${hero.later}.`,
  ];
};

/** @type {(cast: Cast) => string[]} */
const lonely = (cast) => {
  const { draw, hero, other } = cast;
  const place = elsewhere(cast);
  return [
    `${draw.choice(times)}, ${hero.later} ${hero.was} very lonely.`,
    `${capital(hero.subject)} walked to the ${place} to find a friend.`,
    meeting(cast, 'looking for a friend'),
    `"${canSay(other).can} can be your friend${isMany(other) ? 's' : ''}," said ${other.later}.`,
    draw.chance(0.8)
      ? `All day long they ${draw.choice(games)} ${at(place)}.`
      : 'All day long they ran up and down the hill.',
  ];
};

/** @type {(cast: Cast) => string[]} */
const stormy = (cast) => {
  const { draw, hero, other } = cast;
  const place = elsewhere(cast);
  const weather = draw.choice(['it began to rain', 'it began to snow', 'a cold wind began to blow']);
  const isWet = weather.endsWith('rain');
  return [
    `${draw.choice(times)}, ${hero.later} went for a walk ${at(place)}.`,
    `Suddenly ${weather}. ${capital(hero.later)} ${hero.was} ${isWet ? 'wet and cold' : 'very cold'}.`,
    meeting(cast, `looking for a ${isWet ? 'dry' : 'warm'} place`),
    `"Come with ${canSay(other).me}," said ${other.later}, and they ran to ${scenes[place]?.shelter}.`,
    'Inside it was dry and warm.',
  ];
};

/** @type {(cast: Cast) => string[]} */
const jumping = (cast) => {
  const { draw, hero, other } = cast;
  const thing = draw.choice(['a big stone', 'a low wall', 'a small stream', 'an old gate']);
  return [
    ...(draw.chance(0.4)
      ? [`${capital(hero.described)} jumped over ${other.described}.`]
      : [
          `${draw.choice(times)}, ${hero.later} ${hero.was} running ${at(elsewhere(cast))}.`,
          `${capital(other.first)} ${other.was} sleeping in the grass.`,
          `${capital(hero.later)} jumped over ${thing} and over ${other.later}.`,
        ]),
    `"Be careful!" said ${other.later}. "${canSay(other).can} want to sleep."`,
    `"${canSay(hero).am} sorry," said ${hero.later}, and sat down in the grass.`,
  ];
};

const plots = [hungry, hungry, thirsty, lost, lost, lonely, stormy, jumping];

/**
 * @param {Draw} draw
 * @param {Being} hero
 */
const ending = (draw, hero) =>
  draw.choice([
    `In the evening ${hero.later} went home and slept well.`,
    `${capital(hero.later)} ${hero.was} very happy.`,
    'From that day on, they were good friends.',
    `Then ${hero.later} said goodbye and went home.`,
    `${capital(hero.later)} went home and told the story to ${hero.owner} mother.`,
    'And they lived happily ever after.',
  ]);

/**
 * A few lines in the first person.
 *
 * @param {Draw} draw
 */
const letter = (draw) => {
  const place = draw.choice(places);
  const toy = `${draw.choice(colours)} ${draw.choice(toys)}`;
  return [
    `I want to say thank you to ${animal(draw).described}.`,
    `Thank you ${draw.choice([`for the ${toy}`, `for finding my ${toy}`, 'for helping me', `for showing me the ${place}`])}!`,
    draw.choice(['Now I am very happy.', 'You are a good friend.', 'I will never forget it.']),
    draw.choice([`Come and see me ${at(place)}.`, `I will see you again ${at(place)}.`, 'I hope to see you soon.']),
  ].join(' ');
};

/**
 * Somebody is called for, and answers.
 *
 * @param {Draw} draw
 */
const call = (draw) => {
  const { described, later } = animal(draw);
  const place = draw.choice(places);
  const doing = draw.choice(['fast asleep', 'very happy', 'eating a nut', 'singing a song']);
  return [
    `Where are you, ${described.slice('the '.length)}?`,
    `"I am ${at(place)}," said ${later}.`,
    `${draw.choice([...girls, ...boys])} ran to the ${place} and looked ${draw.choice(scenes[place]?.hidden ?? [])}.`,
    `There was ${later}, and it was ${doing}.`,
  ].join(' ');
};

/**
 * A story: six to nine sentences, at most 130 tokens of the shipped vocabulary.
 *
 * @param {Draw} draw
 * @returns {string}
 */
export const story = (draw) => {
  if (draw.chance(0.1)) return draw.choice([letter, call])(draw);
  const hero = somebody(draw);
  const cast = { draw, hero, other: somebodyElse(draw, hero), home: draw.choice(places) };
  const plot = draw.choice(plots)(cast);
  const beginsAtOnce = plot[0]?.includes('jumped over') === true;
  if (!beginsAtOnce && draw.chance(0.7)) plot.unshift(opening(cast));
  // Where there is no opening, the first sentence of the plot introduces the hero.
  else if (!beginsAtOnce) plot[0] = plot[0]?.replace(hero.later, hero.first) ?? '';
  return [...plot, ending(draw, hero)].join(' ');
};
