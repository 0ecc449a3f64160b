"""A little world that writes its own stories: the text the shipped preset is trained on.

Every story is made here, from a seed, by a grammar with a memory: somebody needs something, looks for it in a place where
such a thing is found, meets somebody on the way, and the end fits the beginning. Number, gender, articles and tenses agree.
`python world.py 5` prints five stories.
"""

import random
import sys

GIRLS = ["Anna", "Mia", "Lily", "Rosa", "Emma", "Nina"]
BOYS = ["Tom", "Ben", "Max", "Leo", "Sam", "Otto"]
ANIMALS = ["fox", "dog", "cat", "hen", "duck", "owl", "bear", "mouse", "rabbit", "frog", "horse", "goat"]
PLURALS = {"mouse": "mice", "fox": "foxes"}
# In the order in which English puts them.
ADJECTIVES = ["clever", "brave", "kind", "shy", "lazy", "quick", "little", "old", "young", "brown", "white", "grey"]
PLACES = {"forest": "in", "garden": "in", "river": "by", "hill": "on", "farm": "on", "village": "in", "lake": "by", "valley": "in"}
TIMES = ["One morning", "One evening", "One day", "One cold night", "One sunny afternoon", "Early one morning"]

# What it is, where it is found, how it is got, and what becomes of it.
FOODS = [
    ("an apple", "apples", "garden", "picked", "It was red and sweet"),
    ("a pear", "pears", "garden", "picked", "It was green and soft"),
    ("a fish", "fish", "river", "caught", "It was small and silver"),
    ("a fish", "fish", "lake", "caught", "It was big and silver"),
    ("a mushroom", "mushrooms", "forest", "found", "It was round and brown"),
    ("a nut", "nuts", "forest", "found", "It was hard and brown"),
    ("an egg", "eggs", "farm", "found", "It was warm and white"),
    ("a carrot", "carrots", "farm", "found", "It was long and orange"),
    ("a cake", "cakes", "village", "bought", "It was warm and sweet"),
    ("a loaf of bread", "bread", "village", "bought", "It was warm and fresh"),
]
DRINKS = [("river", "The water was cold and clear"), ("lake", "The water was calm and blue")]
TOYS = ["ball", "kite", "hat", "book", "key", "drum", "boat"]
COLOURS = ["red", "blue", "green", "yellow"]
HIDDEN = {
    "forest": ["under an old tree", "behind a big stone", "in the tall grass"],
    "garden": ["under the apple tree", "behind the wall", "among the flowers"],
    "river": ["under the bridge", "between two stones", "in the tall grass"],
    "hill": ["behind a big stone", "in the tall grass", "under an old tree"],
    "farm": ["behind the barn", "under the cart", "in the hay"],
    "village": ["behind the church", "under a bench", "by the well"],
    "lake": ["in an old boat", "between two stones", "under the bridge"],
    "valley": ["in the tall grass", "behind a big stone", "by the road"],
}
SHELTERS = {"forest": "a dry cave", "hill": "a small hut", "farm": "the old barn", "village": "a warm house",
            "garden": "a small shed", "river": "an old mill", "lake": "an old boat house", "valley": "a small hut"}
GAMES = ["played in the grass", "danced in the sun", "sang a merry song", "told each other stories", "ran up and down the hill"]


class Being:
    """Somebody a story can speak of: how to name them at first and later, and the words that must agree."""

    def __init__(self, first, later, subject, thing, owner, plural=False, name=None):
        self.first, self.later, self.name, self.plural = first, later, name, plural
        self.subject, self.object, self.owner = subject, thing, owner
        self.was = "were" if plural else "was"
        self.described = later


def article(words):
    return ("an " if words[0] in "aeiou" else "a ") + words


def capital(text):
    return text[0].upper() + text[1:]


def child(draw):
    if draw.random() < 0.5:
        name = draw.choice(GIRLS)
        return Being(name, name, "she", "her", "her", name=name)
    name = draw.choice(BOYS)
    return Being(name, name, "he", "him", "his", name=name)


def animal(draw, other=None):
    kind = draw.choice([a for a in ANIMALS if other is None or a not in other.later])
    adjectives = sorted(draw.sample(ADJECTIVES, draw.choice([0, 1, 1, 1, 2])), key=ADJECTIVES.index)
    described = " ".join([*adjectives, kind])
    being = Being(article(described), f"the {kind}", "it", "it", "its")
    being.described = f"the {described}"
    return being


def animals(draw, other=None):
    kind = draw.choice([a for a in ANIMALS if other is None or a not in other.later])
    many = PLURALS.get(kind, kind + "s")
    adjective = draw.choice(ADJECTIVES)
    number = draw.choice(["two", "three", "four"])
    being = Being(f"{number} {adjective} {many}", f"the {many}", "they", "them", "their", plural=True)
    being.described = f"the {number} {adjective} {many}"
    return being


def somebody(draw, other=None):
    roll = draw.random()
    if other is None:
        return child(draw) if roll < 0.4 else animal(draw) if roll < 0.8 else animals(draw)
    if roll < 0.2 and other.name is None:
        return child(draw)
    return animal(draw, other) if roll < 0.75 else animals(draw, other)


def at(place):
    return f"{PLACES[place]} the {place}"


def opening(draw, hero, home):
    """The first sentence or two; afterwards the hero is known."""
    if hero.name:
        who = draw.choice(["a girl" if hero.subject == "she" else "a boy", "a little girl" if hero.subject == "she" else "a little boy"])
        return draw.choice([
            f"Once there was {who} named {hero.name}. {capital(hero.subject)} lived {at(home)}.",
            f"{hero.name} lived in a small house {at(home)}.",
            f"{hero.name} was {who} who lived {at(home)}.",
            f"This is a story about {who} named {hero.name}, who lived {at(home)}.",
        ])
    be = "were" if hero.plural else "was"
    return draw.choice([
        f"Once there {be} {hero.first} who lived {at(home)}.",
        f"Once upon a time, {hero.first} lived {at(home)}.",
        f"{capital(hero.described)} lived {at(home)}.",
        f"{capital(hero.described)} lived {at(home)}.",
        f"There once {be} {hero.first}. {capital(hero.subject)} lived {at(home)}.",
        f"This is a story about {hero.first}, who lived {at(home)}.",
    ])


def meeting(draw, hero, other, wish):
    """Somebody is met, asks, and is answered; `wish` follows "I am" or "We are"."""
    here = "We are" if hero.plural else "I am"
    met = draw.choice(["On the way,", "There", "Soon,"])
    asked = f"\"Where are you going?\" asked {other.later}." if draw.random() < 0.6 else f"\"What are you doing?\" asked {other.later}."
    answered = f"\"{here} {wish},\" said {hero.later}."
    return f"{met} {hero.subject} met {other.first}. {asked} {answered}"


def hungry(draw, hero, other, home):
    food, many, place, got, nature = draw.choice([f for f in FOODS if f[2] != home])
    plain = food.split(" ", 1)[1]
    out = [
        f"{draw.choice(TIMES)}, {hero.later} {hero.was} very hungry.",
        f"{capital(hero.subject)} went to the {place} to look for {food}.",
        meeting(draw, hero, other, f"looking for {food}"),
    ]
    if draw.random() < 0.7:
        helps = "We" if other.plural else "I"
        out.append(f"\"{helps} can help you,\" said {other.later}.")
        out.append(f"Together they {got} {food}. {nature}.")
        out.append(f"They shared the {plain} and became good friends.")
    else:
        out.append(f"\"There are no {many} here,\" said {other.later}." if many != "bread" else f"\"There is no bread here,\" said {other.later}.")
        out.append(f"But {hero.later} looked again and {got} {food}. {nature}.")
        out.append(f"{capital(hero.later)} ate the {plain} and {hero.was} not hungry any more.")
    return out


def thirsty(draw, hero, other, home):
    place, nature = draw.choice([d for d in DRINKS if d[0] != home])
    out = [
        f"{draw.choice(['One hot day', 'One sunny afternoon'])}, {hero.later} {hero.was} very thirsty.",
        f"{capital(hero.subject)} walked to the {place} to drink some water.",
        meeting(draw, hero, other, "looking for some water"),
        f"\"Come with {'us' if other.plural else 'me'},\" said {other.later}, and they walked to the {place} together.",
        f"{nature}. They drank and drank until they were not thirsty any more.",
    ]
    return out


def lost(draw, hero, other, home):
    toy, colour = draw.choice(TOYS), draw.choice(COLOURS)
    place = draw.choice([p for p in PLACES if p != home])
    where = draw.choice(HIDDEN[place])
    out = [
        f"{draw.choice(TIMES)}, {hero.later} lost {hero.owner} {colour} {toy} {at(place)}.",
        f"{capital(hero.subject)} looked everywhere, but {hero.subject} could not find it.",
        meeting(draw, hero, other, f"looking for {'our' if hero.plural else 'my'} {colour} {toy}"),
    ]
    if draw.random() < 0.6:
        out.append(f"{capital(other.later)} looked {where}, and there was the {colour} {toy}!")
    else:
        out.append(f"\"Look {where},\" said {other.later}. And there was the {colour} {toy}!")
    out.append(f"\"Thank you!\" said {hero.later}.")
    return out


def lonely(draw, hero, other, home):
    place = draw.choice([p for p in PLACES if p != home])
    game = draw.choice(GAMES)
    out = [
        f"{draw.choice(TIMES)}, {hero.later} {hero.was} very lonely.",
        f"{capital(hero.subject)} walked to the {place} to find a friend.",
        meeting(draw, hero, other, "looking for a friend"),
        f"\"{'We' if other.plural else 'I'} can be your friend{'s' if other.plural else ''},\" said {other.later}.",
        f"All day long they {game} {at(place)}." if "hill" not in game else f"All day long they {game}.",
    ]
    return out


def rainy(draw, hero, other, home):
    place = draw.choice([p for p in PLACES if p != home])
    shelter = SHELTERS[place]
    weather = draw.choice(["it began to rain", "it began to snow", "a cold wind began to blow"])
    out = [
        f"{draw.choice(TIMES)}, {hero.later} went for a walk {at(place)}.",
        f"Suddenly {weather}. {capital(hero.later)} {hero.was} wet and cold." if "rain" in weather else f"Suddenly {weather}. {capital(hero.later)} {hero.was} very cold.",
        meeting(draw, hero, other, "looking for a dry place" if "rain" in weather else "looking for a warm place"),
        f"\"Come with {'us' if other.plural else 'me'},\" said {other.later}, and they ran to {shelter}.",
        "Inside it was dry and warm.",
    ]
    return out


def jump(draw, hero, other, home):
    wish = f"\"Be careful!\" said {other.later}. \"{'We' if other.plural else 'I'} want to sleep.\""
    sorry = f"\"{'We are' if hero.plural else 'I am'} sorry,\" said {hero.later}, and sat down in the grass."
    if draw.random() < 0.4:
        return [f"{capital(hero.described)} jumped over {other.described}.", wish, sorry]
    place = draw.choice([p for p in PLACES if p != home])
    thing = draw.choice(["a big stone", "a low wall", "a small stream", "an old gate"])
    out = [
        f"{draw.choice(TIMES)}, {hero.later} {hero.was} running {at(place)}.",
        f"{capital(other.first)} {other.was} sleeping in the grass.",
        f"{capital(hero.later)} jumped over {thing} and over {other.later}.",
        wish,
        sorry,
    ]
    return out


PLOTS = [hungry, hungry, thirsty, lost, lost, lonely, rainy, jump]


def ending(draw, hero, other):
    return draw.choice([
        f"In the evening {hero.later} went home and slept well.",
        f"{capital(hero.later)} {hero.was} very happy.",
        "From that day on, they were good friends.",
        f"Then {hero.later} said goodbye and went home.",
        f"{capital(hero.later)} went home and told the story to {hero.owner} mother.",
        "And they lived happily ever after.",
    ])


def letter(draw):
    """A few lines in the first person."""
    friend, place = animal(draw), draw.choice(list(PLACES))
    toy, colour = draw.choice(TOYS), draw.choice(COLOURS)
    reason = draw.choice([f"for the {colour} {toy}", f"for finding my {colour} {toy}", "for helping me", f"for showing me the {place}"])
    return " ".join([
        f"I want to say thank you to {friend.described}.",
        f"Thank you {reason}!",
        draw.choice(["Now I am very happy.", "You are a good friend.", "I will never forget it."]),
        draw.choice([f"Come and see me {at(place)}.", f"I will see you again {at(place)}.", "I hope to see you soon."]),
    ])


def call(draw):
    """Somebody is called for, and answers."""
    friend, place = animal(draw), draw.choice(list(PLACES))
    where = draw.choice(HIDDEN[place])
    name = draw.choice(GIRLS + BOYS)
    return " ".join([
        f"Where are you, {friend.described.removeprefix('the ')}?",
        f"\"I am {at(place)},\" said {friend.later}.",
        f"{name} ran to the {place} and looked {where}.",
        f"There was {friend.later}, and it was {draw.choice(['fast asleep', 'very happy', 'eating a nut', 'singing a song'])}.",
    ])


def story(draw):
    roll = draw.random()
    if roll < 0.05:
        return letter(draw)
    if roll < 0.10:
        return call(draw)
    hero = somebody(draw)
    other = somebody(draw, hero)
    home = draw.choice(list(PLACES))
    plot = draw.choice(PLOTS)(draw, hero, other, home)
    begins_at_once = "jumped over" in plot[0]
    if begins_at_once or draw.random() < 0.3:
        # No opening: the first sentence of the plot introduces the hero.
        if not begins_at_once and not hero.name:
            plot[0] = plot[0].replace(hero.later, hero.first, 1)
        return " ".join([*plot, ending(draw, hero, other)])
    return " ".join([opening(draw, hero, home), *plot, ending(draw, hero, other)])


def stories(count, seed):
    draw = random.Random(seed)
    return [story(draw) for _ in range(count)]


if __name__ == "__main__":
    print("\n\n".join(stories(int(sys.argv[1]) if len(sys.argv) > 1 else 5, seed=1)))
